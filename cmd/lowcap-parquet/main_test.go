package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
	"lowcap-cdc/sink/sinktest"
)

const recording = "../../schemas/testdata/events.jsonl"

// recorded returns the recorded events.
func recorded(t *testing.T) []cdc.Event {
	t.Helper()
	events, err := sinktest.Recorded(recording)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// filesOf commits events a few at a time to a file sink whose segments hold size bytes, and returns its directory.
func filesOf(t *testing.T, events []cdc.Event, size int64) string {
	t.Helper()
	dir := t.TempDir()
	f, err := file.New(dir, file.Options{RotateSize: size})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()                                                           //nolint:errcheck // a second time
	if err := sinktest.Fill(context.Background(), f, events, 5); err != nil { // its end waits for the compression
		t.Fatal(err)
	}
	return dir
}

// segmentsOf returns the finished segments in dir and how many events are in them.
func segmentsOf(t *testing.T, dir string) (segments []file.Segment, events int) {
	t.Helper()
	f, err := file.New(dir, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if segments, _, err = f.Segments(); err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		events += s.Events
	}
	return segments, events
}

// read returns all rows below out, in the order of sequence, each of which lies where its event belongs.
func read(t *testing.T, out string) []row {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, "type=*", "day=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for _, file := range files {
		part, err := parquet.ReadFile[row](file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, r := range part {
			want := fmt.Sprintf("type=%s/day=%s/", typeOf(r.Event), r.Time.UTC().Format(time.DateOnly))
			if !strings.Contains(file, want) {
				t.Errorf("event %s lies in %s", r.ID, file)
			}
		}
		rows = append(rows, part...)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.Sequence, b.Sequence) })
	return rows
}

func typeOf(event string) string {
	_, rest, _ := strings.Cut(event, `"type":"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

// same fails unless the rows are the first n events, byte for byte.
func same(t *testing.T, rows []row, events []cdc.Event, n int) {
	t.Helper()
	if len(rows) != n {
		t.Fatalf("%d rows, want %d", len(rows), n)
	}
	for i := range rows {
		if rows[i].Event != string(events[i].Value) {
			t.Fatalf("row %d\n%s\nwant\n%s", i, rows[i].Event, events[i].Value)
		}
	}
}

func converted(t *testing.T, dir, out string) (printed string) {
	t.Helper()
	var text, errors bytes.Buffer
	if code := run([]string{dir, out}, &text, &errors); code != 0 {
		t.Fatalf("exit %d: %s", code, &errors)
	}
	return text.String()
}

// TestConverted writes every finished segment once, and what is finished later when it is run again.
func TestConverted(t *testing.T) {
	events, out := recorded(t), filepath.Join(t.TempDir(), "made", "here")
	dir := filesOf(t, events, 20_000)
	segments, n := segmentsOf(t, dir)
	if len(segments) < 5 {
		t.Fatalf("only %d segments", len(segments))
	}
	if printed := converted(t, dir, out); strings.Count(printed, "\n") != len(segments) {
		t.Errorf("printed %s", printed)
	}
	same(t, read(t, out), events, n)
	if printed := converted(t, dir, out); printed != "" {
		t.Errorf("the second run printed %s", printed)
	}
	same(t, read(t, out), events, n)
}

// TestColumns compares a row with what the event says.
func TestColumns(t *testing.T) {
	for _, e := range recorded(t) {
		if e.Type != "lowcap.emergency_exit.executed.v1" {
			continue
		}
		r, at, err := rowOf(&sink.Stored{Value: e.Value})
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := schemas.Parse(nil, e.Value)
		if err != nil {
			t.Fatal(err)
		}
		exit := parsed.Data.(*schemas.EmergencyExitExecuted)
		position := exit.Entity.(schemas.Position)
		when, err := time.Parse(time.RFC3339Nano, string(exit.OccurredAt))
		if err != nil || r.OccurredAt == nil || !r.OccurredAt.Equal(when) {
			t.Errorf("occurred at %v, want %v, %v", r.OccurredAt, when, err)
		}
		got := []any{r.ID, r.Sequence, r.Number, r.Chain, r.Kind, r.ProceedsUSD, r.Price, r.PositionID, r.TokenContract, at.typ, at.day}
		want := []any{e.ID, e.Sequence, e.Number, e.Chain, exit.Kind, string(exit.ProceedsUSD), string(exit.Price),
			position.ID, *position.TokenContract, e.Type, e.Time[:10]}
		if !slices.Equal(got, want) {
			t.Errorf("columns %v, want %v", got, want)
		}
	}
}

// TestRefuses what would write rows twice or lose some.
func TestRefuses(t *testing.T) {
	events, out := recorded(t), t.TempDir()
	dir := filesOf(t, events, 20_000)
	other, err := openTarget(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"two at once":  {[]string{dir, out}, exitFailed, "another lowcap-parquet writes there"},
		"no arguments": {nil, exitUsage, "lowcap-parquet [-follow] DIR OUT"},
		"no sink":      {[]string{filepath.Join(t.TempDir(), "nothing"), t.TempDir()}, exitFailed, "no such file or directory"},
		"unknown flag": {[]string{"-x", dir, out}, exitUsage, "not defined"},
	} {
		var errors bytes.Buffer
		if code := run(c.args, &errors, &errors); code != c.code || !strings.Contains(errors.String(), c.says) {
			t.Errorf("%s: exit %d: %s", name, code, &errors)
		}
	}
	other.close()
	segments, _ := segmentsOf(t, dir)
	if err := os.Remove(filepath.Join(dir, segments[1].File)); err != nil {
		t.Fatal(err)
	}
	var errors bytes.Buffer
	code := run([]string{dir, out}, &errors, &errors)
	if code != exitRepair || !strings.Contains(errors.String(), "is missing, though older segments are there") {
		t.Errorf("hole: exit %d: %s", code, &errors)
	}
}

// TestRefusesAlteredSegment puts another text of as many events into a segment.
func TestRefusesAlteredSegment(t *testing.T) {
	dir, out := filesOf(t, recorded(t), 20_000), t.TempDir()
	segments, _ := segmentsOf(t, dir)
	path := filepath.Join(dir, segments[0].File)
	packed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // it was only read
	zip, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	var altered bytes.Buffer
	again := gzip.NewWriter(&altered)
	text = bytes.Replace(text, []byte(`"severity":"info"`), []byte(`"severity":"page"`), 1)
	if _, err := again.Write(text); err != nil || again.Close() != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, altered.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var errors bytes.Buffer
	if code := run([]string{dir, out}, &errors, &errors); code != exitRepair || !strings.Contains(errors.String(), "the manifest says") {
		t.Errorf("exit %d: %s", code, &errors)
	}
	if files, _ := filepath.Glob(filepath.Join(out, "type=*", "day=*", "*.parquet")); len(files) > 0 {
		t.Errorf("written all the same: %q", files)
	}
}

// TestKeepsToItself: the lock outlives its file, and no one else reads what was written.
func TestKeepsToItself(t *testing.T) {
	dir, out := filesOf(t, recorded(t), 20_000), filepath.Join(t.TempDir(), "out")
	first, err := openTarget(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(out, doneName, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := openTarget(out); err == nil {
		t.Error("a second writer got in")
	}
	first.close()
	var said bytes.Buffer
	if code := run([]string{dir, out}, &said, &said); code != 0 {
		t.Fatalf("exit %d: %s", code, &said)
	}
	err = filepath.WalkDir(out, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var helper = flag.Bool("helper", false, "be lowcap-parquet")

// TestMain makes the test's binary the program itself, for the test that kills it.
func TestMain(m *testing.M) {
	flag.Parse()
	if *helper {
		os.Exit(run(flag.Args(), os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestFollow writes a segment that is finished while it runs.
func TestFollow(t *testing.T) {
	events, out := recorded(t), t.TempDir()
	dir := filesOf(t, events[:50], 20_000)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-helper", "--", "-follow", dir, out)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := file.New(dir, file.Options{RotateSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // everything is committed
	if err := f.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for batch := range slices.Chunk(events[50:], 10) {
		if err := f.Commit(t.Context(), &cdc.Batch{Events: batch}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, func() bool {
		segments, _ := segmentsOf(t, dir)
		marks, _ := filepath.Glob(filepath.Join(out, doneName, strings.Repeat("?", 32)))
		return len(segments) > 8 && len(marks) == len(segments)
	})
	_, n := segmentsOf(t, dir)
	same(t, read(t, out), events, n)
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}
