package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// result is one run of one contender.
type result struct {
	Workload   string  `json:"workload"`
	Title      string  `json:"title"`
	Contender  string  `json:"contender"`
	Turn       int     `json:"turn"`
	TLS        bool    `json:"tls"`
	OfLimit    float64 `json:"of_limit"` // seconds of the limit's run in the same turn, divided by those of this one; 0 without
	Rows       int     `json:"rows"`
	Bytes      int64   `json:"pgoutput_bytes"`
	Expected   int     `json:"events_expected"` // of the sidecar
	Events     int     `json:"events"`
	EventBytes int64   `json:"event_bytes"`
	usage
	digest uint64
}

func (r result) String() string {
	return fmt.Sprintf("%-6s %6.2f s, CPU %5.2f s, sender %5.2f s, %3d MB, %d events", r.Contender, r.Seconds, r.CPU,
		r.SenderCPU, r.PeakRSS>>20, r.Events)
}

// report is what the program measured.
type report struct {
	options   options
	started   time.Time
	machine   machine
	versions  string
	results   []result
	latencies []latency
	highest   []saturation
	notified  []notified
	idles     []idle
}

// document is the report as JSON. Its names are read by the picture and the tables of docs/performance.md; a name is added,
// never changed.
type document struct {
	Machine    machine      `json:"machine"`
	Versions   string       `json:"versions"`
	Started    time.Time    `json:"started"`
	Scale      float64      `json:"scale"`
	Command    string       `json:"command"`
	Runs       []result     `json:"runs"`
	Latencies  []latency    `json:"latencies"`
	Saturation []saturation `json:"saturation"`
	Notify     []notified   `json:"notify"`
	Idle       []idle       `json:"idle"`
}

func (r *report) document() *document {
	return &document{Machine: r.machine, Versions: r.versions, Started: r.started, Scale: r.options.scale,
		Command: strings.Join(os.Args[1:], " "), Runs: r.results, Latencies: r.latencies, Saturation: r.highest, Notify: r.notified,
		Idle: r.idles}
}

// writeJSON writes every run, for a tool that compares.
func (r *report) writeJSON() error {
	if r.options.json == "" {
		return nil
	}
	content, err := json.MarshalIndent(r.document(), "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(r.options.json, append(content, '\n'), 0o644)
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// values returns what something is in each run, sorted.
func values(of []result, value func(result) float64) []float64 {
	var all []float64
	for _, x := range of {
		all = append(all, value(x))
	}
	slices.Sort(all)
	return all
}

func middle(of []result, value func(result) float64) string {
	return fmt.Sprintf("%.0f", median(values(of, value)))
}

// spread prints median (min–max).
func spread(of []result, digits int, value func(result) float64) string {
	return spreadOf(values(of, value), digits)
}

func spreadOf(sorted []float64, digits int) string {
	if len(sorted) == 0 {
		return "–"
	}
	if len(sorted) == 1 {
		return fmt.Sprintf("%.*f", digits, sorted[0])
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, median(sorted), digits, sorted[0], digits, sorted[len(sorted)-1])
}
