package schemas

import (
	"encoding/json"
	"math/big"
	"strings"
)

// UnmarshalJSON keeps the value as it is; null becomes empty.
func (r *Raw) UnmarshalJSON(text []byte) error {
	*r = nil
	if string(text) != "null" {
		*r = append(*r, text...)
	}
	return nil
}

// MarshalJSON returns the value as it was received, null when it is empty.
func (r Raw) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps the digits; null becomes empty. A string holds what a JSON number cannot, e.g. NaN.
func (n *Number) UnmarshalJSON(text []byte) error {
	var number json.Number
	switch {
	case string(text) == "null":
		*n = ""
		return nil
	case text[0] == '"':
		return json.Unmarshal(text, (*string)(n))
	}
	if err := json.Unmarshal(text, &number); err != nil {
		return err
	}
	*n = Number(number)
	return nil
}

// MarshalJSON returns the digits, null when there are none, and a string for what a JSON number cannot hold.
func (n Number) MarshalJSON() ([]byte, error) {
	o := object{}
	o.numberValue(n)
	return o.dst, nil
}

// MarshalJSON returns the timestamp, null when there is none.
func (i Instant) MarshalJSON() ([]byte, error) {
	o := object{}
	o.instantValue(i)
	return o.dst, nil
}

// maxExponent bounds what Rat makes of a number that somebody wrote by hand: 1e999999999 would take gigabytes.
const maxExponent = 4 // digits

// Rat returns the exact value, and false for null and for what is no finite number. Sums of USD are exact with it;
// binary floats would turn 61.355 - 38.9 into 22.454999999999998.
func (n Number) Rat() (*big.Rat, bool) {
	if at := strings.IndexAny(string(n), "eE"); at >= 0 && len(strings.TrimLeft(string(n[at+1:]), "+-0")) > maxExponent {
		return nil, false
	}
	if n == "" || !isNumber(string(n)) {
		return nil, false
	}
	return new(big.Rat).SetString(string(n))
}
