package jsonb

import (
	"bytes"
	"cmp"
	"math/big"
	"strconv"
	"strings"
)

// MaxDigits is how many digits a number may have when it is printed without an exponent. jsonb takes 131,072 before the
// point, and a few bytes of a double-encoded document could ask for gigabytes; a consumer's parser takes fewer (Python's
// reads an integer of 4,300 at most).
const MaxDigits = 1000

// Decimal is an exact decimal number: coefficient × 10^-scale. Binary floats would turn 61.355 − 38.9 into
// 22.454999999999998.
type Decimal struct {
	short int64    // the coefficient unless long holds it
	long  *big.Int // nil for the numbers that usually come
	scale int
}

const (
	shortDigits = 18
	maxShort    = 1000000000000000000 // 10^shortDigits
)

// One is the number 1.
var One = Decimal{short: 1}

// ParseDecimal reads a JSON number. It is not ok for anything else, nor for a number of too many digits.
func ParseDecimal(text []byte) (d Decimal, ok bool) {
	mantissa, exponent := text, 0
	if i := exponentAt(text); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(string(text[i+1:]), "+"))
		if err != nil || e > MaxDigits || e < -MaxDigits {
			return d, false
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	if printedDigits(whole, len(fraction), exponent) > MaxDigits {
		return d, false
	}
	if d.short, ok = parseShort(whole, fraction); !ok {
		if d.long, ok = new(big.Int).SetString(string(whole)+string(fraction), 10); !ok {
			return Decimal{}, false
		}
	}
	d.scale = len(fraction) - exponent
	if d.scale < 0 {
		d = Decimal{long: d.times(-d.scale)}
	}
	return d, true
}

// printedDigits counts the digits that a number has without its exponent.
func printedDigits(whole []byte, fraction, exponent int) int {
	digits := len(bytes.TrimPrefix(whole, []byte("-")))
	return max(digits+exponent, 1) + max(fraction-exponent, 0)
}

// times returns the coefficient times 10^n.
func (d Decimal) times(n int) *big.Int {
	c := d.long
	if c == nil {
		c = big.NewInt(d.short)
	}
	if n == 0 {
		return c
	}
	return new(big.Int).Mul(c, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
}

// timesShort does the same where the result has few digits.
func (d Decimal) timesShort(n int) (product int64, ok bool) {
	if d.long != nil || (n > shortDigits && d.short != 0) {
		return 0, false
	}
	for product = d.short; n > 0 && product != 0; n-- {
		if product >= maxShort/10 || product <= -maxShort/10 {
			return 0, false
		}
		product *= 10
	}
	return product, true
}

// parseShort reads the digits of a number that has few.
func parseShort(whole, fraction []byte) (n int64, ok bool) {
	digits, negative := bytes.CutPrefix(whole, []byte("-"))
	if len(digits) == 0 || len(digits)+len(fraction) > shortDigits {
		return 0, false
	}
	for _, part := range [...][]byte{digits, fraction} {
		for _, b := range part {
			if b < '0' || b > '9' {
				return 0, false
			}
			n = n*10 + int64(b-'0')
		}
	}
	if negative {
		n = -n
	}
	return n, true
}

// appendNumber appends one spelling for all spellings of a JSON number. A number without an exponent, as jsonb prints
// every number, only loses the zeros at its end.
func appendNumber(dst, text []byte) (_ []byte, ok bool) {
	if !isPlain(text) {
		d, ok := ParseDecimal(text)
		if !ok {
			return dst, false
		}
		return d.AppendNormal(dst), true
	}
	if bytes.IndexByte(text, '.') >= 0 {
		text = bytes.TrimSuffix(bytes.TrimRight(text, "0"), []byte("."))
	}
	if string(text) == "-0" {
		text = text[1:]
	}
	return append(dst, text...), true
}

// isPlain reports whether a JSON number has no exponent and not too many digits.
func isPlain(text []byte) bool { return len(text) <= MaxDigits && exponentAt(text) < 0 }

// exponentAt returns where the exponent of a number begins, -1 when it has none.
func exponentAt(text []byte) int {
	for i, b := range text {
		if b|0x20 == 'e' {
			return i
		}
	}
	return -1
}

// IsInRange reports whether a JSON number can be read.
func IsInRange(text []byte) bool {
	if isPlain(text) {
		return true
	}
	_, ok := ParseDecimal(text)
	return ok
}

// IsWhole reports whether a number that is in range has no fraction.
func IsWhole(text []byte) bool {
	var room [64]byte
	spelled, _ := appendNumber(room[:0], text)
	return bytes.IndexByte(spelled, '.') < 0
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	if d.long != nil {
		return d.long.Sign()
	}
	return cmp.Compare(d.short, 0)
}

// Minus returns d − other with the longer of the two fractions.
func (d Decimal) Minus(other Decimal) Decimal {
	scale := max(d.scale, other.scale)
	a, shortA := d.timesShort(scale - d.scale)
	b, shortB := other.timesShort(scale - other.scale)
	if shortA && shortB && a-b < maxShort && a-b > -maxShort {
		return Decimal{short: a - b, scale: scale}
	}
	return Decimal{long: new(big.Int).Sub(d.times(scale-d.scale), other.times(scale-other.scale)), scale: scale}
}

// Compare returns -1, 0 or 1, as d is less than, equal to or greater than other.
func (d Decimal) Compare(other Decimal) int { return d.Minus(other).Sign() }

// String prints the number without an exponent.
func (d Decimal) String() string { return string(d.Append(nil)) }

// Append appends the number without an exponent.
func (d Decimal) Append(dst []byte) []byte {
	if d.Sign() < 0 {
		dst = append(dst, '-')
	}
	var room [2 * shortDigits]byte
	digits := strconv.AppendInt(room[:0], max(d.short, -d.short), 10)
	if d.long != nil {
		digits = new(big.Int).Abs(d.long).Append(room[:0], 10)
	}
	point := len(digits) - d.scale
	if point <= 0 {
		dst = append(dst, '0')
	}
	dst = append(dst, digits[:max(point, 0)]...)
	if d.scale > 0 {
		dst = append(dst, '.')
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
		dst = append(dst, digits[point:]...)
	}
	return dst
}

// AppendNormal appends one spelling for all spellings of the same number.
func (d Decimal) AppendNormal(dst []byte) []byte {
	start := len(dst)
	dst = d.Append(dst)
	if d.scale > 0 {
		number := bytes.TrimSuffix(bytes.TrimRight(dst[start:], "0"), []byte("."))
		dst = dst[:start+len(number)]
	}
	return dst
}
