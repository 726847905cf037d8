// Command lowcap-cdc publishes what happens in a trading bot's two Postgres tables as typed events, each exactly once
// and in order.
package main

import (
	"os"

	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

func main() {
	monitor.LimitMemory()
	os.Exit(run(os.Args[1:], &settings.Output{File: os.Stdout}, os.Stderr))
}
