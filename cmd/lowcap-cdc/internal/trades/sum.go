package trades

import (
	"math/big"
	"strconv"
	"strings"

	"lowcap-cdc/schemas"
)

// sum adds decimals exactly. It prints as many decimals as the addend that had the most, and a single one as it was received.
type sum struct {
	total   big.Rat
	count   int
	unknown int // addends that no event knows
	scale   int
	only    schemas.Number
}

func (s *sum) add(n schemas.Number) {
	value, ok := n.Rat()
	if !ok {
		s.unknown++
		return
	}
	s.total.Add(&s.total, value)
	s.scale = max(s.scale, decimals(string(n)))
	s.only = n
	s.count++
}

// take subtracts.
func (s *sum) take(n schemas.Number) {
	switch {
	case n == "":
		s.add(n)
	case n[0] == '-':
		s.add(n[1:])
	default:
		s.add("-" + n)
	}
}

func (s *sum) sign() int { return s.total.Sign() }

// number returns the sum, null when all that was added is unknown.
func (s *sum) number() schemas.Number {
	switch {
	case s.count == 1 && s.sign() != 0:
		return s.only
	case s.sign() == 0 && s.count == 0 && s.unknown > 0:
		return ""
	case s.sign() == 0:
		return "0"
	}
	return schemas.Number(s.total.FloatString(s.scale))
}

// plus returns the sum and one more.
func (s *sum) plus(n schemas.Number) schemas.Number {
	more := sum{count: s.count, unknown: s.unknown, scale: s.scale, only: s.only}
	more.total.Set(&s.total)
	if base, ok := n.Rat(); ok && base.Sign() != 0 {
		more.add(n)
	}
	return more.number()
}

// decimals counts the digits behind the point of a number's plain form.
func decimals(n string) int {
	mantissa, exponent := n, 0
	if at := strings.IndexAny(n, "eE"); at >= 0 {
		mantissa = n[:at]
		exponent, _ = strconv.Atoi(n[at+1:]) // Rat has read it
	}
	_, fraction, _ := strings.Cut(mantissa, ".")
	return max(len(fraction)-exponent, 0)
}
