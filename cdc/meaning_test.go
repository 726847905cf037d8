package cdc

import "testing"

// TestMeaning tells values apart as events do.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		key, a, b string
		same      bool
	}{
		{"last_trim", `{"timestamp":"2026-01-18T11:00:00Z","price":150}`, `{"price":150.0,"timestamp":"2026-01-18T11:00:00+00:00"}`, true},
		{"last_trim", `{"timestamp":"2026-01-18T11:00:00Z","price":150}`, `{"timestamp":"2026-01-18T11:00:00Z","price":151}`, false},
		{"last_trim", `{"timestamp":"2026-01-18T11:00:00Z"}`, `null`, false},
		{"trim_pool", `{}`, `{"usd_basis":0.0,"dx_count":0,"recovery_started":false,"dx_last_price":null}`, true},
		{"trim_pool", `{"usd_basis":1}`, `null`, false},
		{"prev_state", `"S1"`, `"S2"`, false},
		{"last_emergency_exit_ts", `"2026-01-18T11:00:00Z"`, `"2026-01-18T11:00:00.000+00:00"`, true},
	} {
		var a, b Meanings
		if !a.Set(c.key, []byte(c.a)) || !b.Set(c.key, []byte(c.b)) || (a == b) != c.same {
			t.Errorf("%s: %s and %s: the same is %v", c.key, c.a, c.b, a == b)
		}
		history, err := ReadHistory([]byte(`{"` + c.key + `":` + c.a + `}`))
		if err != nil || history != a {
			t.Errorf("%s: a history with it says something else than an event with it: %v", c.key, err)
		}
	}
	var bad Meanings
	if bad.Set("trim_pool", []byte(`[]`)); !bad.Get("trim_pool").IsUnread() || bad.Get("trim_pool").IsEmpty() {
		t.Error("what cannot be read passes for nothing")
	}
	if bad.Set("last_hedge", []byte(`1`)) {
		t.Error("an unknown key is known")
	}
}

// TestPoolIsEmpty: a field that cannot be read does not make an empty pool hold something.
func TestPoolIsEmpty(t *testing.T) {
	for pool, want := range map[string]bool{
		`null`: true, `{}`: true, `{"usd_basis": 0, "recovery_started": false, "dx_count": 0}`: true,
		`{"usd_basis": 0, "recovery_started": "yes", "dx_count": 0}`: true,
		`[]`: true, `{"usd_basis": "60.0"}`: false, `{"usd_basis": 60.0}`: false,
		`{"usd_basis": 0, "recovery_started": true, "dx_count": 1}`: false,
	} {
		if got := PoolIsEmpty([]byte(pool), true); got != want {
			t.Errorf("%s: %v", pool, got)
		}
	}
	if !PoolIsEmpty([]byte(`{"usd_basis": "60.0"}`), false) {
		t.Error("a pool holds something at first sight, by a basis that cannot be read")
	}
}
