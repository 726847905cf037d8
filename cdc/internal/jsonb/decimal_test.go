package jsonb

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOneSpelling compares the short way to a number's one spelling with the way over the number.
func TestOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,4})(\.[0-9]{1,6})?([eE][-+]?[0-9]{1,2})?`).Draw(t, "number")
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s is no JSON number", text)
		}
		d, ok := ParseDecimal([]byte(text))
		short, shortOK := appendNumber(nil, []byte(text))
		if ok != shortOK || string(short) != string(d.AppendNormal(nil)) {
			t.Fatalf("%s is spelled %s %v, want %s %v", text, short, shortOK, d.AppendNormal(nil), ok)
		}
		if whole := !strings.Contains(string(short), "."); IsInRange([]byte(text)) != ok || IsWhole([]byte(text)) != whole {
			t.Fatalf("%s: in range %v, whole %v", text, IsInRange([]byte(text)), IsWhole([]byte(text)))
		}
	})
}

// TestDecimal compares exact decimals with fractions of whole numbers.
func TestDecimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.StringMatching(`-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,19})?([eE][-+]?[0-9]{1,2})?`),
			rapid.SampledFrom([]string{"999999999999999999", "-99999999999999999.9", "100000000000000000", "0.000000000000000001", "-1", "0.07"}))
		texts := [2]string{number.Draw(t, "a"), number.Draw(t, "b")}
		if rapid.Bool().Draw(t, "near") {
			texts[1] = texts[0] + "0"
		}
		var d [2]Decimal
		var exact [2]*big.Rat
		for i, text := range texts {
			d[i], _ = ParseDecimal([]byte(text))
			exact[i], _ = new(big.Rat).SetString(text)
			if want := exact[i].FloatString(d[i].scale); d[i].String() != want || d[i].Sign() != exact[i].Sign() {
				t.Fatalf("%s is %s, sign %d, want %s", text, d[i], d[i].Sign(), want)
			}
		}
		difference := d[0].Minus(d[1])
		want := new(big.Rat).Sub(exact[0], exact[1]).FloatString(max(d[0].scale, d[1].scale))
		if difference.String() != want || d[0].Compare(d[1]) != exact[0].Cmp(exact[1]) {
			t.Fatalf("%s - %s is %s, want %s", texts[0], texts[1], difference, want)
		}
	})
}

// TestManyDigits: a few bytes that ask for many are written in a moment.
func TestManyDigits(t *testing.T) {
	d, ok := ParseDecimal([]byte("1e-999"))
	if text := d.String(); !ok || len(text) != 1001 || text[:3] != "0.0" || text[len(text)-1] != '1' {
		t.Errorf("%v, %d digits, %.10s", ok, len(text), text)
	}
	if d.Minus(Decimal{short: 1}).Sign() != -1 {
		t.Error("it is not less than 1")
	}
	for _, sign := range []string{"", "-"} {
		a, _ := ParseDecimal([]byte(sign + "999999999999999999"))
		b, _ := ParseDecimal([]byte("0.07"))
		want := map[string]string{"": "999999999999999998.93", "-": "-999999999999999999.07"}[sign]
		if got := a.Minus(b).String(); got != want {
			t.Errorf("%s - 0.07 is %s, want %s", a, got, want)
		}
	}
}
