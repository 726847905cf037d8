package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shortPlan is a soak of a quarter of a minute, with everything in it that one of hours has.
var shortPlan = soakPlan{lasting: 15 * time.Second, every: 250 * time.Millisecond, count: time.Second, say: 5 * time.Second, rate: 150,
	blocks: 1, tokens: 500, big: 4 * time.Second, idle: 6 * time.Second, idleFor: time.Second}

// TestSoak runs a short soak, too short to judge: each quantity is found, what was written is audited, and picture and document are
// made of the file.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	o := soakOptions(t)
	var out strings.Builder
	if err := soak(t.Context(), o, shortPlan, &out); err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	r, err := readSoak(o.samples)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.samples) < 5 || r.end.Interrupted {
		t.Errorf("%d samples, interrupted: %v", len(r.samples), r.end.Interrupted)
	}
	for _, v := range judge(soaked, r.samples) {
		if (v.most > 0) == (v.name == "restarts") {
			t.Errorf("%s is at most %v", v.name, v.most)
		}
	}
	if !strings.Contains(r.end.Compared, ": 0 differences") || !strings.Contains(r.end.Verified, "holds the hash of the one before") {
		t.Errorf("compared: %q; verified: %q", r.end.Compared, r.end.Verified)
	}
	isDrawn(t, o)
	text, err := os.ReadFile(o.docs)
	if err != nil || !strings.Contains(string(text), "| resident memory, MB ") || !strings.Contains(string(text), "](soak.svg)") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestSoakIsInterrupted: it ends in order, and tells what there is.
func TestSoakIsInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts servers")
	}
	o := soakOptions(t)
	plan := shortPlan
	plan.lasting = time.Hour
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		poll(ctx, time.Minute, func() (bool, error) { //nolint:errcheck // it is interrupted either way
			r, err := readSoak(o.samples)
			return err == nil && len(r.samples) > 3, nil
		})
		interrupt()
	}()
	var out strings.Builder
	if err := soak(ctx, o, plan, &out); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"It was interrupted; 1h0m0s were asked for.", "too short to judge"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in %s", part, out.String())
		}
	}
	isDrawn(t, o)
}

func soakOptions(t *testing.T) options {
	dir := t.TempDir()
	o := options{binary: builtSidecar(t), samples: filepath.Join(dir, "soak.jsonl"), draw: filepath.Join(dir, "soak.svg"),
		docs: filepath.Join(dir, "document.md")}
	if err := os.WriteFile(o.docs, []byte("<!-- bench:soak -->\nold\n<!-- bench:end -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return o
}

// isDrawn looks whether the picture is well-formed and has a panel for each series but the restarts, which there were none of.
func isDrawn(t *testing.T, o options) {
	t.Helper()
	picture, err := os.ReadFile(o.draw)
	if err != nil {
		t.Fatal(err)
	}
	panels := 0
	for d := xml.NewDecoder(strings.NewReader(string(picture))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, picture)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			panels++
		}
	}
	if panels != len(soaked)-1 || strings.Contains(string(picture), "NaN") {
		t.Errorf("%d panels:\n%s", panels, picture)
	}
}

// TestGrowthIsTold: a file whose memory grows fails by its name, in the table too, and is drawn nevertheless. A line
// that was cut is not read where it is the last one, and refused elsewhere.
func TestGrowthIsTold(t *testing.T) {
	dir := t.TempDir()
	o := options{samples: filepath.Join(dir, "soak.jsonl"), draw: filepath.Join(dir, "soak.svg")}
	file, err := os.Create(o.samples)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // each line was written
	lines := []any{soakHead{Tree: "<tree>", Started: time.Now(), Series: seriesNames()}}
	for at := 10.0; at <= 7200; at += 10 {
		sample := []float64{at}
		for i := range soaked {
			sample = append(sample, float64(i+1))
		}
		sample[1] = 40*mega + at*2000
		sample[len(sample)-1] = 0
		lines = append(lines, sample)
	}
	for _, line := range lines {
		if err := writeLine(file, line); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	err = tellSoak(o, &out)
	if err == nil || !strings.Contains(err.Error(), "rss (resident memory)") || strings.Count(err.Error(), "grew") != 1 {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "| resident memory, MB (at most 64) | 42.7 | 52.2 | **+9.5** | 2.1 | 53.7 | 10 min |") {
		t.Error(out.String())
	}
	isDrawn(t, o)
	if _, err := file.WriteString("[1,2"); err != nil {
		t.Fatal(err)
	}
	if r, err := readSoak(o.samples); err != nil || len(r.samples) != 720 {
		t.Errorf("%d samples, %v", len(r.samples), err)
	}
	if _, err := file.WriteString("]\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := readSoak(o.samples); err == nil || !strings.Contains(err.Error(), "[1,2]") {
		t.Error(err)
	}
}
