package oracle

import (
	"slices"
	"testing"
)

// TestOracleCountsSteps: what the events of a change tell counts once, and an event that comes twice counts twice.
func TestOracleCountsSteps(t *testing.T) {
	recovery := Event{Type: "lowcap.trim_pool.recovery_started.v1", Subject: "p", Sequence: "00000000000000011000000000000000"}
	recovery.Data.Before, recovery.Data.After = []byte(`{"dx_count": 0}`), []byte(`{"dx_count": 1}`)
	bought := recovery
	bought.Type, bought.Sequence = "lowcap.trim_pool.dx_bought.v1", "00000000000000011000000000000001"
	for _, c := range []struct {
		name   string
		events []Event
		want   int
	}{
		{"two events of one step", []Event{recovery, bought}, 1},
		{"an event that came twice", []Event{recovery, recovery, bought}, 2},
	} {
		told := NewTold()
		for i := range c.events {
			told.Add(&c.events[i])
		}
		told.Flush()
		if got := told.Steps["p"]; len(got) != c.want || got[0] != `trim_pool: null -> {"dx_count":1}` {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// TestOracleReadsTheLog: what cannot be read, a value or a field of it, is remembered as it was before; an empty pool is none,
// 150 is 150.0.
func TestOracleReadsTheLog(t *testing.T) {
	known := make(map[string]row)
	history := func(text string) []byte { return []byte(`{"status":"active","trade":null,"history":` + text + `}`) }
	was := history(`{"trim_pool":{"usd_basis":0,"dx_count":0},"last_trim":{"timestamp":"2026-01-01T00:00:00Z","price":150}}`)
	const trim = `"last_trim":{"timestamp":"2026-01-01T00:00:00+00:00","price":`
	const later = `"last_trim":{"timestamp":"2026-01-01T00:00:01Z","price":`
	for _, c := range []struct {
		is   string
		want []string
	}{
		{`{` + trim + `150.0}}`, nil},
		{`{` + trim + `150.0},"trim_pool":{"usd_basis":7}}`, []string{`trim_pool: null -> {"usd_basis":7}`}},
		{`{` + later + `151},"trim_pool":[]}`, []string{
			`last_trim: {"price":150.0,"timestamp":"2026-01-01T00:00:00+00:00"} -> {"price":151,"timestamp":"2026-01-01T00:00:01Z"}`}},
		{`{` + later + `151},"trim_pool":{"usd_basis":8}}`, []string{`trim_pool: {"usd_basis":7} -> {"usd_basis":8}`}},
		{`{` + later + `"151"},"trim_pool":{"usd_basis":"9","dx_count":1}}`, []string{
			`trim_pool: {"usd_basis":8} -> {"dx_count":1,"usd_basis":8}`}},
		{`{` + trim + `true},"trim_pool":{"usd_basis":9,"dx_count":0.5}}`, []string{
			`last_trim: {"price":151,"timestamp":"2026-01-01T00:00:01Z"} -> {"timestamp":"2026-01-01T00:00:00+00:00"}`,
			`trim_pool: {"dx_count":1,"usd_basis":8} -> {"dx_count":1,"usd_basis":9}`}},
		{`null`, []string{`last_trim: {"timestamp":"2026-01-01T00:00:00+00:00"} -> null`, `trim_pool: {"dx_count":1,"usd_basis":9} -> null`}},
	} {
		got := positionSteps(known, "p", "UPDATE", was, history(c.is))
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.is, got, c.want)
		}
	}
}

// TestSameText: a value that is written in another way is the same; what is no value is only itself.
func TestSameText(t *testing.T) {
	for _, c := range []struct {
		part, a, b string
		same       bool
	}{
		{"trim_pool", `{"usd_basis":5,"recovery_started":false}`, `{"usd_basis":5.0}`, true},
		{"trim_pool", `{"usd_basis":5,"recovery_started":true}`, `{"usd_basis":5}`, false},
		{"trim_pool", `{"usd_basis":5}`, `null`, false},
		{"last_trim", `{"timestamp":"2026-01-01T00:00:00Z","price":1.50}`, `{"price":1.5,"timestamp":"2026-01-01T00:00:00+00:00"}`, true},
		{"last_trim", `{"recovery_started":false}`, `{}`, false},
		{"row", "row: new", "row: gone", false},
		{"flags", `{"S1":true,"S2":false}`, "", false},
	} {
		if SameText(c.part, c.a, c.b) != c.same {
			t.Errorf("%s: %q and %q", c.part, c.a, c.b)
		}
	}
}

// TestDifference counts what is lost, doubled and out of order.
func TestDifference(t *testing.T) {
	for _, c := range []struct {
		got  string
		want Difference
	}{
		{"abcd", Difference{Total: 4}},
		{"abd", Difference{Total: 4, Lost: 1}},
		{"abccd", Difference{Total: 4, Doubled: 1}},
		{"abcx", Difference{Total: 4, Lost: 1, Doubled: 1}},
		{"abdc", Difference{Total: 4, Disorder: 2}},
	} {
		if d := Compare([]byte(c.got), []byte("abcd")); d != c.want {
			t.Errorf("%s: %+v", c.got, d)
		}
	}
}
