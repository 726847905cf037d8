package trades

import (
	"math/big"
	"strconv"
	"strings"

	"lowcap-cdc/schemas"
)

// Sum adds decimals exactly. It prints as many decimals as the addend that had the most, and a single one as it was received.
type Sum struct {
	total   big.Rat
	count   int
	unknown int // addends that no event knows
	scale   int
	only    schemas.Number
}

// Add adds a number; one that is null, or none, is counted as unknown.
func (s *Sum) Add(n schemas.Number) {
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

// Take subtracts.
func (s *Sum) Take(n schemas.Number) {
	switch {
	case n == "":
		s.Add(n)
	case n[0] == '-':
		s.Add(n[1:])
	default:
		s.Add("-" + n)
	}
}

// Sign returns −1, 0 or 1.
func (s *Sum) Sign() int { return s.total.Sign() }

// Unknown returns how many of the addends no event knows.
func (s *Sum) Unknown() int { return s.unknown }

// Rat returns the exact sum of what is known. The caller must not change it.
func (s *Sum) Rat() *big.Rat { return &s.total }

// Number returns the sum, null when all that was added is unknown.
func (s *Sum) Number() schemas.Number {
	switch {
	case s.count == 1 && s.Sign() != 0:
		return s.only
	case s.Sign() == 0 && s.count == 0 && s.unknown > 0:
		return ""
	case s.Sign() == 0:
		return "0"
	}
	return schemas.Number(s.total.FloatString(s.scale))
}

// plus returns the sum and one more.
func (s *Sum) plus(n schemas.Number) schemas.Number {
	more := Sum{count: s.count, unknown: s.unknown, scale: s.scale, only: s.only}
	more.total.Set(&s.total)
	if base, ok := n.Rat(); ok && base.Sign() != 0 {
		more.Add(n)
	}
	return more.Number()
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
