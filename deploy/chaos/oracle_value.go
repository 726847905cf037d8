package main

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

// isWellFormed knows the two malformations of the load: a pool that is no object, and a basis that is no number.
func isWellFormed(key string, v any) bool {
	if key != "trim_pool" {
		return true
	}
	pool, ok := v.(map[string]any)
	if !ok {
		return false
	}
	_, text := pool["usd_basis"].(string)
	return !text
}

// sameValue compares numbers as numbers; an empty pool and no pool are one.
func sameValue(key string, a, b any) bool {
	if key == "trim_pool" && isEmptyPool(a) && isEmptyPool(b) {
		return true
	}
	return equal(a, b)
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
