// Command chaos puts the sidecar through faults while the source writes, and counts at the end what was lost, doubled or
// out of order, by two oracles that share no code with it. See docs/chaos.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	o := options{out: os.Stdout, seals: true, pages: true, changes: true}
	flag.StringVar(&o.binary, "binary", "bin/lowcap-cdc", "the sidecar")
	flag.Uint64Var(&o.seed, "seed", 0, "of the load and the faults; 0 draws one")
	flag.IntVar(&o.kills, "kills", 0, "end after so many kills; 0 for no such limit")
	flag.DurationVar(&o.duration, "duration", 0, "end after this time; 0 for no such limit")
	flag.IntVar(&o.brokers, "cluster", 1, "brokers: 1, or 3 for leader changes")
	flag.IntVar(&o.rate, "rate", 60, "transactions a second")
	flag.StringVar(&o.trace, "trace", "", "where a sidecar that is built with failpoints writes the steps of its protocol")
	flag.Parse()
	if o.kills == 0 && o.duration == 0 {
		o.duration = time.Minute
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	enough, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(enough, stop) // a second signal ends the program
	o.enough = enough.Done()
	v, err := run(context.Background(), o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "chaos: seed %d: %v\n", o.seed, err)
		os.Exit(1)
	}
	v.print(os.Stdout)
	if !v.clean() {
		fmt.Fprintf(os.Stderr, "chaos: not clean; the same faults again: make chaos SEED=%d\n", o.seed)
		os.Exit(1)
	}
}
