package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
)

// TestLeftovers stops between the steps of a segment, as a crash would: half a file, whole files without their mark.
func TestLeftovers(t *testing.T) {
	events, out := recorded(t), t.TempDir()
	dir := filesOf(t, events, 20_000)
	segments, n := segmentsOf(t, dir)
	converted(t, dir, out)
	to := target{dir: out}
	for _, s := range segments[1:] {
		if err := os.Remove(to.done(s)); err != nil {
			t.Fatal(err)
		}
	}
	halves, err := filepath.Glob(filepath.Join(out, "*", "*", segments[2].FirstSequence+".parquet"))
	if err != nil || len(halves) == 0 {
		t.Fatalf("%v: no file of %s", err, segments[2].FirstSequence)
	}
	for _, half := range halves {
		if err := os.Truncate(half, 100); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(half, half+partialSuffix); err != nil {
			t.Fatal(err)
		}
	}
	converted(t, dir, out)
	same(t, read(t, out), events, n)
}

// TestFailedSegment cannot give one file its name. The segment is written whole by the next run.
func TestFailedSegment(t *testing.T) {
	events, out := recorded(t), t.TempDir()
	dir := filesOf(t, events, 20_000)
	segments, n := segmentsOf(t, dir)
	obstacle := filepath.Join(out, "type=lowcap.position.baseline.v1", "day="+events[0].Time[:10], segments[0].FirstSequence+".parquet")
	if err := os.MkdirAll(obstacle, 0o755); err != nil {
		t.Fatal(err)
	}
	var errors bytes.Buffer
	if code := run([]string{dir, out}, &errors, &errors); code != exitFailed || !strings.Contains(errors.String(), segments[0].File) {
		t.Fatalf("exit %d: %s", code, &errors)
	}
	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	converted(t, dir, out)
	same(t, read(t, out), events, n)
}

// TestKilled kills the program at random moments until nothing is left to write. No row is doubled or lost.
func TestKilled(t *testing.T) {
	var events []cdc.Event
	for range 3 {
		events = append(events, recorded(t)...)
	}
	for i := range events {
		sequence := fmt.Sprintf("%032X", i+1)
		events[i].Value = bytes.Replace(events[i].Value, []byte(events[i].Sequence), []byte(sequence), 1)
		events[i].Sequence = sequence
	}
	dir, out := filesOf(t, events, 100_000), t.TempDir()
	_, n := segmentsOf(t, dir)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) // not a secret
	kills := 0
	for killedAfterOne(t, time.Duration(random.IntN(300))*time.Millisecond, dir, out) {
		kills++
	}
	t.Logf("%d kills", kills)
	if kills == 0 {
		t.Error("it was not killed")
	}
	same(t, read(t, out), events, n)
}

// killedAfterOne runs the program, and kills it some time after it has written a segment. It reports false when there was
// none to write.
func killedAfterOne(t *testing.T, after time.Duration, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-helper", "--"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return false
	}
	<-time.After(after) // the random moment of the kill
	cmd.Process.Kill()  //nolint:errcheck // it may have ended
	cmd.Wait()          //nolint:errcheck // it was killed
	return true
}
