// Command bench measures lowcap-cdc beside pg_recvlogical, which only reads: the limit. Each contender drains the same
// backlog from a slot of its own, in turns, from private servers that the program starts; what came out is counted and
// compared. It prints one Markdown table, and JSON if told where to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	binary     string
	workloads  []string
	contenders []string
	rivals     string
	runs       int
	scale      float64
	seconds    time.Duration
	rates      []int
	json       string
	draw       string
}

func main() {
	o := readFlags()
	if o.draw != "" {
		if err := writePicture(o.json, o.draw); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) // run has cleaned up
	}
}

func readFlags() options {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/lowcap-cdc", "the sidecar")
	workloads := flag.String("workloads", "", "names with commas between them, all when empty: "+strings.Join(names(), " "))
	contenders := flag.String("contenders", "limit,file,kafka", "limit (pg_recvlogical), file, kafka")
	flag.StringVar(&o.rivals, "rivals", "", "other programs: NAME=COMMAND, several with ; between them (see docs/performance.md)")
	flag.IntVar(&o.runs, "runs", 5, "runs of each contender, in turns")
	flag.Float64Var(&o.scale, "scale", 1, "part of each workload's rows")
	flag.DurationVar(&o.seconds, "latency-for", time.Minute, "how long each latency rate lasts, and the exits of notify")
	flag.StringVar(&o.json, "json", "", "file to write every single run to")
	flag.StringVar(&o.draw, "draw", "", "draw what -json has written as this SVG file, and measure nothing")
	flag.Parse()
	o.contenders = split(*contenders)
	if o.workloads = split(*workloads); len(o.workloads) == 0 {
		o.workloads = names()
	}
	o.rates = []int{1, 100, 1000, 20000}
	return o
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// run measures the workloads one after the other and prints the report.
func run(ctx context.Context, o options, out *os.File) (err error) {
	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &report{options: o, started: time.Now()}
	r.versions = s.versions(ctx)
	for _, name := range o.workloads {
		if err := s.measure(ctx, o, r, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	r.print(out)
	return r.writeJSON()
}

func (s *servers) measure(ctx context.Context, o options, r *report, name string) error {
	switch name {
	case latencyName:
		rows, err := s.latency(ctx, o)
		r.latencies = rows
		return err
	case notifyName:
		rows, err := s.notify(ctx, o)
		r.notified = rows
		return err
	case idleName:
		rows, err := s.idle(ctx, o)
		r.idles = rows
		return err
	}
	for _, w := range workloads(o.scale) {
		if w.name == name {
			results, err := s.race(ctx, o, w)
			r.results = append(r.results, results...)
			return err
		}
	}
	return fmt.Errorf("there is no such workload; the names are: %s", strings.Join(names(), " "))
}
