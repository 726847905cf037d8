package cdc

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds what is taken for a number: jsonb itself prints at most 131,072 digits before the point and 16,383
// behind it, so only a double-encoded or hand-made document can hold more, and then a few bytes could ask for gigabytes.
const maxDigits = 1 << 18

// decimal is an exact decimal number: coefficient × 10^-scale. Binary floats would turn 61.355 − 38.9 into
// 22.454999999999998.
type decimal struct {
	coefficient big.Int
	scale       int
}

// parseDecimal reads a JSON number.
func parseDecimal(text []byte) (d decimal, ok bool) {
	mantissa, exponent := text, 0
	if i := exponentAt(text); i >= 0 {
		e, err := strconv.Atoi(strings.TrimPrefix(string(text[i+1:]), "+"))
		if err != nil || e > maxDigits || e < -maxDigits {
			return d, false
		}
		mantissa, exponent = text[:i], e
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	if len(whole)+len(fraction) > maxDigits {
		return d, false
	}
	if short, ok := parseShort(whole, fraction); ok {
		d.coefficient.SetInt64(short)
	} else if _, ok := d.coefficient.SetString(string(whole)+string(fraction), 10); !ok {
		return d, false
	}
	d.scale = len(fraction) - exponent
	if d.scale < 0 {
		d.coefficient.Mul(&d.coefficient, power(-d.scale))
		d.scale = 0
	}
	return d, true
}

// parseShort reads the digits of a number that has few.
func parseShort(whole, fraction []byte) (n int64, ok bool) {
	digits, negative := bytes.CutPrefix(whole, []byte("-"))
	if len(digits) == 0 || len(digits)+len(fraction) > 18 {
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
		d, ok := parseDecimal(text)
		if !ok {
			return dst, false
		}
		return d.appendNormal(dst), true
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
func isPlain(text []byte) bool { return len(text) <= maxDigits && exponentAt(text) < 0 }

// exponentAt returns where the exponent of a number begins, -1 when it has none.
func exponentAt(text []byte) int {
	for i, b := range text {
		if b|0x20 == 'e' {
			return i
		}
	}
	return -1
}

// isInRange reports whether a JSON number can be read.
func isInRange(text []byte) bool {
	if isPlain(text) {
		return true
	}
	_, ok := parseDecimal(text)
	return ok
}

// isWhole reports whether a number that is in range has no fraction.
func isWhole(text []byte) bool {
	var room [64]byte
	spelled, _ := appendNumber(room[:0], text)
	return bytes.IndexByte(spelled, '.') < 0
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func (d decimal) sign() int { return d.coefficient.Sign() }

// minus returns d − other with the longer of the two fractions.
func (d decimal) minus(other decimal) decimal {
	a, b := new(big.Int).Set(&d.coefficient), new(big.Int).Set(&other.coefficient)
	scale := max(d.scale, other.scale)
	if d.scale < scale {
		a.Mul(a, power(scale-d.scale))
	} else if other.scale < scale {
		b.Mul(b, power(scale-other.scale))
	}
	result := decimal{scale: scale}
	result.coefficient.Sub(a, b)
	return result
}

func (d decimal) compare(other decimal) int { return d.minus(other).sign() }

// String prints the number without an exponent.
func (d decimal) String() string {
	digits := new(big.Int).Abs(&d.coefficient).String()
	if missing := d.scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	if d.scale > 0 {
		point := len(digits) - d.scale
		digits = digits[:point] + "." + digits[point:]
	}
	if d.sign() < 0 {
		return "-" + digits
	}
	return digits
}

// appendNormal appends one spelling for all spellings of the same number.
func (d decimal) appendNormal(dst []byte) []byte {
	text := d.String()
	if d.scale > 0 {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return append(dst, text...)
}
