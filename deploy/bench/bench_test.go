package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSmoke runs every workload, small. It fails when a contender cannot drain a backlog or its events are not exactly
// those that the backlog is, and never because something took long.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	dir, binary := t.TempDir(), builtSidecar(t)
	report, err := os.Create(filepath.Join(dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close() //nolint:errcheck // it was read
	o := options{binary: binary, workloads: names(), contenders: []string{"limit", "file", "kafka"}, runs: 1, scale: 0.002,
		seconds: time.Second, rates: []int{10, 1000}, highest: 2000, json: filepath.Join(dir, "runs.json")}
	if err := run(t.Context(), o, report); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(report.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	for _, w := range workloads(o.scale) {
		want := len(o.contenders)
		if w.tls {
			want-- // there is no file
		}
		if n := strings.Count(string(text), "| "+w.name+": "); n != want {
			t.Errorf("%s has %d lines in the report, want %d", w.name, n, want)
		}
	}
}

// builtSidecar builds the sidecar and returns its path.
func builtSidecar(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "lowcap-cdc")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "lowcap-cdc/cmd/lowcap-cdc").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return binary
}

// TestGoPqCdcKafka: this rival drains the backlogs that it is measured with, and its rows are counted, each once. It is no
// component of the product: where its modules cannot be had, nothing is tested, in CI neither.
func TestGoPqCdcKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	out, err := exec.CommandContext(t.Context(), "go-pq-cdc/run.sh", "build").CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.ExitCode() == 69 {
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	const name = "go-pq-cdc-kafka"
	drained, followed := 0, 0
	d := measuredBeside(t, name+"=go-pq-cdc/run.sh", "w1", "w3-quiet", "w5", latencyName)
	for _, r := range d.Runs {
		if r.Contender != name {
			continue
		}
		if drained++; r.Events != r.Rows {
			t.Errorf("%s: %d records, the backlog has %d rows", r.Workload, r.Events, r.Rows)
		}
	}
	for _, l := range d.Latencies {
		if l.Contender != name {
			continue
		}
		if followed++; l.Read != l.Written || l.P50 <= 0 {
			t.Errorf("%d/s: %d of %d read, p50 %.1f ms", l.Rate, l.Read, l.Written, l.P50)
		}
	}
	if drained != 3 || followed != 2 {
		t.Errorf("it drained %d of 3 backlogs, and its latency was measured at %d of 2 rates", drained, followed)
	}
}

// measuredBeside runs workloads, small, with a rival.
func measuredBeside(t *testing.T, rival string, workloads ...string) (d document) {
	o := options{workloads: workloads, contenders: []string{"limit"}, rivals: rival, rivalRuns: 1, runs: 1, scale: 0.002,
		seconds: time.Second, rates: []int{10, 1000}, highest: 2000, json: filepath.Join(t.TempDir(), "runs.json")}
	if err := run(t.Context(), o, io.Discard); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(o.json)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestCountNoticesWhatIsWrong: a doubled or a late event must not pass for one that is right.
func TestCountNoticesWhatIsWrong(t *testing.T) {
	event := func(n string) []byte { return []byte(`{"sequence":"` + strings.Repeat("0", 31) + n + `"}`) }
	for name, events := range map[string][][]byte{"doubled": {event("1"), event("1")}, "late": {event("2"), event("1")},
		"not an event": {[]byte("{}")}} {
		var r result
		var order ordered
		var err error
		for _, e := range events {
			if err == nil {
				err = r.count(e, &order)
			}
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMedianOfRuns(t *testing.T) {
	runs := []result{{usage: usage{Seconds: 4}}, {usage: usage{Seconds: 1}}, {usage: usage{Seconds: 2}}}
	if got := spread(runs, 1, func(r result) float64 { return r.Seconds }); got != "2.0 (1.0–4.0)" {
		t.Errorf("spread is %s", got)
	}
}
