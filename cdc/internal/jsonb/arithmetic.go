package jsonb

import "math/big"

// Plus returns d + other with the longer of the two fractions.
func (d Decimal) Plus(other Decimal) Decimal { return d.Minus(Decimal{}.Minus(other)) }

// Times returns d × other, exactly.
func (d Decimal) Times(other Decimal) Decimal {
	return Decimal{long: new(big.Int).Mul(d.times(0), other.times(0)), scale: d.scale + other.scale}
}

// Millionth returns d ÷ 1,000,000, exactly.
func (d Decimal) Millionth() Decimal {
	d.scale += 6
	return d
}

// Normal prints the number without an exponent, and without zeros at the end of its fraction.
func (d Decimal) Normal() string { return string(d.AppendNormal(nil)) }
