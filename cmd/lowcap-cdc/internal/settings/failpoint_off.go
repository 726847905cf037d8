//go:build !failpoint

package settings

// failpoint returns the hook that tests crash the process with; a production build has none.
func failpoint() func(string) error { return nil }
