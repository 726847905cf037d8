package lab

import "os"

// skipper is a test.
type skipper interface {
	Helper()
	Fatal(args ...any)
	Skip(args ...any)
}

// Missing ends a test that lacks something: it is skipped on a machine that has not got it, and fails in continuous
// integration, where everything has to be there.
func Missing(t skipper, what ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what...)
	}
	t.Skip(what...)
}
