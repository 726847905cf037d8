// Command bench measures lowcap-cdc beside pg_recvlogical, which only reads: the limit. Each contender drains the same
// backlog from a slot of its own, in turns, from private servers that the program starts; what came out is counted and
// compared. It prints one Markdown table, and JSON if told where to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
	rivalRuns  int
	against    []string // workloads that rivals take part in
	base       string
	runs       int
	scale      float64
	seconds    time.Duration
	rates      []int
	highest    int
	json       string
	draw       string
	docs       string
	soak       time.Duration
	samples    string
}

func main() {
	o := readFlags()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch {
	case o.soak > 0:
		err = soak(ctx, o, planFor(o.soak), os.Stdout)
	case o.samples != "":
		err = tellSoak(o, os.Stdout)
	case o.draw != "":
		err = writePicture(o.json, o.draw)
	case o.docs != "":
		err = writeDocs(o.json, o.docs)
	default:
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) // run has cleaned up
	}
}

func readFlags() options {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/lowcap-cdc", "the sidecar")
	workloads := flag.String("workloads", "", "names with commas between them, all when empty: "+strings.Join(names(), " "))
	contenders := flag.String("contenders", "limit,file,kafka", "limit (pg_recvlogical), file, kafka; limit-binary, limit-columns, kafka-columns: of a publication of columns")
	flag.StringVar(&o.rivals, "rivals", "", "other programs: NAME=COMMAND, several with ; between them (see docs/performance.md)")
	flag.IntVar(&o.rivalRuns, "rival-runs", 1, "turns that the rivals take part in")
	against := flag.String("rival-workloads", "", "workloads that the rivals take part in, all when empty")
	flag.StringVar(&o.base, "base", "", "another build of the sidecar, to be compared in pairs with this one")
	flag.IntVar(&o.runs, "runs", 5, "runs of each contender, in turns")
	flag.Float64Var(&o.scale, "scale", 1, "part of each workload's rows")
	flag.DurationVar(&o.seconds, "latency-for", time.Minute, "how long each latency rate lasts, and the exits of notify")
	flag.StringVar(&o.json, "json", "", "file to write every single run to, and for -docs to read from")
	flag.StringVar(&o.docs, "docs", "", "write the tables of the file that -json names into this document, and measure nothing")
	flag.StringVar(&o.draw, "draw", "", "draw what -json has written as this SVG file, and measure nothing")
	flag.DurationVar(&o.soak, "soak", 0, "instead of all this, run one sidecar for so long, and fail when it grows; wants -samples")
	flag.StringVar(&o.samples, "samples", "", "file that a soak writes its samples to; without -soak -draw and -docs tell what it holds")
	flag.Parse()
	o.contenders, o.against = split(*contenders), split(*against)
	if o.workloads = split(*workloads); len(o.workloads) == 0 {
		o.workloads = names()
	}
	if o.base != "" {
		o.contenders = []string{"limit", "base", "kafka"}
	}
	o.rates, o.highest = []int{1, 100, 1000}, 64000
	return o
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// run measures the workloads one after the other and prints the report.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	s, err := startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &report{options: o, started: time.Now(), machine: thisMachine(), versions: s.versions(ctx)}
	for _, name := range o.workloads {
		if err := s.measure(ctx, o, r, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.writeJSON(); err != nil { // what was measured is kept when a later workload fails
			return err
		}
	}
	r.document().print(out)
	return nil
}

func (s *servers) measure(ctx context.Context, o options, r *report, name string) error {
	switch name {
	case latencyName, latencyTLSName:
		rows, highest, err := s.latencies(ctx, o, name == latencyTLSName)
		r.latencies, r.highest = append(r.latencies, rows...), append(r.highest, highest...)
		return err
	case notifyName:
		rows, err := s.notify(ctx, o)
		r.notified = rows
		return err
	}
	for _, size := range idleSizes {
		if size.name == name {
			rows, err := s.idle(ctx, o, size)
			r.idles = append(r.idles, rows...)
			return err
		}
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
