// Command lowcap-cdc publishes what happens in a trading bot's two Postgres tables as typed events, each exactly once
// and in order.
package main

import (
	"os"
	"runtime/debug"
)

// memoryLimit makes the garbage collector work harder before the process grows past what the sidecar promises (64 MB
// resident). It is a soft limit: more images than fit simply take what they need.
const memoryLimit = 40 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
