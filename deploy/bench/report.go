package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// result is one run of one contender.
type result struct {
	Workload   string `json:"workload"`
	Title      string `json:"title"`
	Contender  string `json:"contender"`
	Rows       int    `json:"rows"`
	Bytes      int64  `json:"pgoutput_bytes"`
	Expected   int    `json:"events_expected"`
	Events     int    `json:"events"`
	EventBytes int64  `json:"event_bytes"`
	usage
	digest uint64
}

func (r result) String() string {
	return fmt.Sprintf("%-6s %6.2f s, CPU %5.2f s, sender %5.2f s, %3d MB, %d events", r.Contender, r.Seconds, r.CPU,
		r.SenderCPU, r.PeakRSS>>20, r.Events)
}

// report is what the program prints.
type report struct {
	options   options
	started   time.Time
	versions  string
	results   []result
	latencies []latency
	notified  []notified
	idles     []idle
}

// print writes the Markdown tables.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s. Started %s; %d runs in turns, scale %g: median (min–max).\n", r.versions,
		r.started.Format("2006-01-02 15:04"), r.options.runs, r.options.scale)
	if len(r.results) > 0 {
		fmt.Fprintf(out, "\n| workload | contender | seconds | of the limit | rows/s | MB/s | events/s | CPU s | sender's CPU s | peak RSS MB |"+
			" events, verified |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	}
	for i, first := range r.results {
		if i == 0 || r.results[i-1].Workload != first.Workload {
			r.printWorkload(out, first.Workload)
		}
	}
	if len(r.latencies) > 0 {
		fmt.Fprintf(out, "\n| changes/s | events read | p50 ms | p99 ms | p99.9 ms | max ms | the write itself p50 ms | p99 ms | CPU s |"+
			" peak RSS MB |\n|---|---|---|---|---|---|---|---|---|---|\n")
	}
	for _, l := range r.latencies {
		fmt.Fprintf(out, "| %d | %d of %d | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.2f | %d |\n", l.Rate, l.Read, l.Written,
			l.at(0.5), l.at(0.99), l.at(0.999), l.at(1), l.Write50, l.Write99, l.CPU, l.PeakRSS>>20)
	}
	if len(r.notified) > 0 {
		fmt.Fprintf(out, "\n| emergency exits | other changes a second | visible p50 / p99 ms | read | posted | posted, max |\n|---|---|---|---|---|---|\n")
	}
	for _, n := range r.notified {
		fmt.Fprintf(out, "| %d of %d | %d | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f | %.1f |\n", n.Taken, n.Written, n.Load, n.Visible.P50, n.Visible.P99,
			n.Read.P50, n.Read.P99, n.Posted.P50, n.Posted.P99, n.Posted.Max)
	}
	if len(r.idles) > 0 {
		fmt.Fprintf(out, "\n| idle | images | start to streaming ms | RSS MB | peak RSS MB |\n|---|---|---|---|---|\n")
	}
	for _, i := range r.idles {
		fmt.Fprintf(out, "| %s | %d | %.0f | %d | %d |\n", i.Contender, i.Images, i.StartMS, i.RSS>>20, i.PeakRSS>>20)
	}
}

// printWorkload prints a row for each contender of a workload, in their order.
func (r *report) printWorkload(out io.Writer, workload string) {
	runs := make(map[string][]result)
	var order []string
	for _, one := range r.results {
		if one.Workload != workload {
			continue
		}
		if runs[one.Contender] == nil {
			order = append(order, one.Contender)
		}
		runs[one.Contender] = append(runs[one.Contender], one)
	}
	for _, contender := range order {
		of := runs[contender]
		first := of[0]
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", workload+": "+first.Title, contender,
			spread(of, 2, func(x result) float64 { return x.Seconds }), ratios(of, runs["limit"]),
			middle(of, func(x result) float64 { return float64(x.Rows) / x.Seconds }),
			middle(of, func(x result) float64 { return float64(x.Bytes) / 1e6 / x.Seconds }),
			middle(of, func(x result) float64 { return float64(x.Events) / x.Seconds }),
			spread(of, 2, func(x result) float64 { return x.CPU }), spread(of, 2, func(x result) float64 { return x.SenderCPU }),
			spread(of, 0, func(x result) float64 { return float64(x.PeakRSS) / (1 << 20) }), verdict(contender, of))
	}
}

func verdict(contender string, of []result) string {
	if contender == "limit" {
		return "–"
	}
	return fmt.Sprintf("%d of %d", of[0].Events, of[0].Expected)
}

// ratios compares each run with the limit's run of the same turn: 1 is as fast, more is faster.
func ratios(of, limit []result) string {
	if len(of) != len(limit) {
		return "–"
	}
	i := -1
	return spread(of, 2, func(x result) float64 {
		i++
		return limit[i].Seconds / x.Seconds
	})
}

func middle(of []result, value func(result) float64) string {
	return fmt.Sprintf("%.0f", median(values(of, value)))
}

// spread prints median (min–max).
func spread(of []result, digits int, value func(result) float64) string {
	v := values(of, value)
	if len(v) == 1 {
		return fmt.Sprintf("%.*f", digits, v[0])
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, median(v), digits, v[0], digits, v[len(v)-1])
}

func values(of []result, value func(result) float64) []float64 {
	var all []float64
	for _, x := range of {
		all = append(all, value(x))
	}
	slices.Sort(all)
	return all
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// writeJSON writes every run, for a tool that compares.
func (r *report) writeJSON() error {
	if r.options.json == "" {
		return nil
	}
	content, err := json.MarshalIndent(map[string]any{"versions": r.versions, "started": r.started, "scale": r.options.scale,
		"command": strings.Join(os.Args, " "), "runs": r.results, "latencies": r.latencies, "notify": r.notified, "idle": r.idles}, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.options.json, append(content, '\n'), 0o644)
}
