package cdc

import (
	"bytes"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// amountOf reads a numeric column; NULL is 0. It is not ok for what is no finite number: NaN, Infinity.
func amountOf(text []byte) (d jsonb.Decimal, ok bool) {
	if text == nil {
		return d, true
	}
	return jsonb.ParseDecimal(text)
}

// dust is the quantity up to which nothing is held: a millionth of the largest of the tokens bought, before and after the
// change, and the quantity before.
func dust(was, now *positionImage) jsonb.Decimal {
	var largest jsonb.Decimal
	for _, text := range [...][]byte{was.column(decode.TotalTokensBought), now.column(decode.TotalTokensBought),
		was.column(decode.TotalQuantity)} {
		if d, ok := amountOf(text); ok && d.Compare(largest) > 0 {
			largest = d
		}
	}
	return largest.Millionth()
}

// isHeld reports whether a position holds more than dust. A quantity that is no number is held: books that are broken
// must not silence an alarm.
func isHeld(was, now *positionImage) bool {
	quantity, ok := amountOf(now.column(decode.TotalQuantity))
	return !ok || (quantity.Sign() > 0 && quantity.Compare(dust(was, now)) > 0)
}

// growth returns by how much a sum grew, 0 when it did not. It is not ok when the sum has become no finite number.
func growth(was, now []byte) (d jsonb.Decimal, ok bool) {
	if bytes.Equal(was, now) {
		return d, true
	}
	before, read := amountOf(was)
	after, ok := amountOf(now)
	if !ok {
		return d, !read
	}
	if grown := after.Minus(before); read && grown.Sign() > 0 {
		return grown, true
	}
	return d, true
}

// valueOf returns what a quantity is worth at a price, null when one of the two is no number.
func valueOf(quantity, price []byte) schemas.Number {
	q, ok := jsonb.ParseDecimal(quantity)
	p, priced := jsonb.ParseDecimal(price)
	if !ok || !priced {
		return ""
	}
	return numberOf([]byte(q.Times(p).Normal()))
}
