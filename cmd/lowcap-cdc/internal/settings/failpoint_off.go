//go:build !failpoint

package settings

import "lowcap-cdc/cdc"

// failpoint returns the hook that tests crash the process with; a production build has none.
func failpoint() func(string) error { return nil }

// watch returns what sees the requests to Kafka; a production build has nothing.
func watch() func(string, any) func(any, error) { return nil }

// Traced returns hooks that write a trace; in a production build they hear nothing.
func Traced() cdc.Hooks { return cdc.Hooks{} }
