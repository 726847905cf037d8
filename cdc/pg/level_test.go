package pg

import "testing"

// TestWALLevel: what counts is what is effective, and from Postgres 19 on a server that is set to replica becomes logical with
// its first slot.
func TestWALLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level walLevel
		is    bool
		says  string
	}{
		{walLevel{"logical", ""}, true, "logical"},
		{walLevel{"replica", ""}, false, "replica"},
		{walLevel{"minimal", ""}, false, "minimal"},
		{walLevel{"logical", "logical"}, true, "logical"},
		{walLevel{"replica", "replica"}, true, "replica, and logical as soon as there is a slot"},
		{walLevel{"replica", "logical"}, true, "logical, set to replica"},
		{walLevel{"minimal", "minimal"}, false, "minimal"},
	} {
		if c.level.isLogical() != c.is || c.level.String() != c.says {
			t.Errorf("%+v: %v %q", c.level, c.level.isLogical(), c.level)
		}
	}
}
