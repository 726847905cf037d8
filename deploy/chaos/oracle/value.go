package oracle

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

// exitGuard is left out of the first oracle: beside a new exit record its stamp is not reported on its own.
const exitGuard = "last_emergency_exit_ts"

// parse reads JSON and keeps every digit; nil for nothing and for what is not JSON.
func parse(raw []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	return v
}

// kinds are what a field that the load spoils must be.
var kinds = map[string]func(any) bool{
	"usd_basis": isNumber, "price": isNumber, "size_frac": isNumber,
	"dx_count":         func(v any) bool { return isNumber(v) && rational(v.(json.Number)).IsInt() },
	"recovery_started": func(v any) bool { _, ok := v.(bool); return ok },
}

func isNumber(v any) bool { _, ok := v.(json.Number); return ok }

// isWellFormed reports whether a value can be read as a whole. A field that cannot be read is a part of its own.
func isWellFormed(key string, v any) bool {
	fields, isObject := v.(map[string]any)
	switch {
	case key == "prev_state":
		_, ok := v.(string)
		return ok
	case key == "trim_pool":
		return isObject
	case isTimed(key):
		_, ok := instantOf(fields)
		return ok
	}
	return true
}

func isTimed(key string) bool {
	return key == "last_trim" || key == "last_emergency_exit" || strings.HasPrefix(key, "last_") && strings.HasSuffix(key, "_buy")
}

func instantOf(record map[string]any) (time.Time, bool) {
	text, _ := record["timestamp"].(string)
	at, err := time.Parse(time.RFC3339, withZone(text))
	return at, err == nil
}

// effective returns a value without the fields that cannot be read, and with what those were before in the same record.
func effective(key string, v, before any) any {
	fields, ok := v.(map[string]any)
	if !ok {
		return v
	}
	known, _ := before.(map[string]any)
	if at, dated := instantOf(fields); dated {
		if was, _ := instantOf(known); !was.Equal(at) {
			known = nil // another record
		}
	}
	if key == "trim_pool" && isEmptyPool(before) {
		known = nil
	}
	readable := make(map[string]any)
	for name, field := range fields {
		if isKind := kinds[name]; isKind == nil || field == nil || isKind(field) {
			readable[name] = field
		} else if was, there := known[name]; there {
			readable[name] = was
		}
	}
	return readable
}

// sameValue compares numbers as numbers. An empty pool and no pool are one, and so are the fields of a pool that it lacks and
// what those are then.
func sameValue(key string, a, b any) bool {
	if key != "trim_pool" {
		return equal(a, b)
	}
	return isEmptyPool(a) && isEmptyPool(b) || equal(withDefaults(a), withDefaults(b))
}

// SameText reports whether two values of a part of a row, as steps print them, say the same: 1.50 and 1.5 do, and a pool without a
// field and one with what the field is then.
func SameText(part, a, b string) bool {
	return a == b || json.Valid([]byte(a)) && json.Valid([]byte(b)) && sameValue(part, parse([]byte(a)), parse([]byte(b)))
}

func withDefaults(v any) any {
	pool, ok := v.(map[string]any)
	if !ok {
		return v
	}
	whole := map[string]any{"usd_basis": json.Number("0"), "dx_count": json.Number("0"), "recovery_started": false}
	for name, field := range pool {
		if field != nil {
			whole[name] = field
		}
	}
	return whole
}

func isEmptyPool(v any) bool {
	pool, ok := v.(map[string]any)
	return v == nil || ok && isZero(pool["usd_basis"]) && isZero(pool["dx_count"]) && pool["recovery_started"] != true
}

func isZero(v any) bool {
	n, ok := v.(json.Number)
	return v == nil || ok && rational(n).Sign() == 0
}

func rational(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(n.String())
	if !ok {
		return new(big.Rat)
	}
	return r
}

func equal(a, b any) bool {
	switch x := a.(type) {
	case json.Number:
		y, ok := b.(json.Number)
		return ok && rational(x).Cmp(rational(y)) == 0
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for key, v := range x {
			if w, both := y[key]; !both || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		return canonical(a) == canonical(b)
	case string:
		y, ok := b.(string)
		return ok && (x == y || sameInstant(x, y))
	}
	return a == b
}

// sameInstant compares timestamps in each form that the source writes; one without a zone is UTC.
func sameInstant(a, b string) bool {
	x, errA := time.Parse(time.RFC3339, withZone(a))
	y, errB := time.Parse(time.RFC3339, withZone(b))
	return errA == nil && errB == nil && x.Equal(y)
}

func withZone(timestamp string) string {
	if strings.ContainsAny(timestamp, "+Z") {
		return timestamp
	}
	return timestamp + "Z"
}
