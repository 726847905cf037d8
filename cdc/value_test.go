package cdc

import "testing"

// TestTwoTimestamps: only a double-encoded document can have two. The last one counts, as it does for the bot.
func TestTwoTimestamps(t *testing.T) {
	parse := func(first string) value {
		text := `{"timestamp": "2026-01-01T00:00:0` + first + `Z", "timestamp": "2026-01-01T00:00:09Z"}`
		v, bad := new(valueParser).read(lastTrim, []byte(text))
		if bad != nil {
			t.Fatal(bad)
		}
		return v
	}
	if a, b := parse("1"), parse("2"); a.at != b.at || a.at%10000000 != 9000000 || !a.same(&b) {
		t.Errorf("%d and %d: same %v", a.at, b.at, a.same(&b))
	}
}
