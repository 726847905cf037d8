package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"lowcap-cdc/sink/file"
)

// rotating returns a file sink that begins a new file with each burst, and its directory.
func (s *site) rotating() (url, dir string) {
	dir = filepath.Join(s.t.TempDir(), "rotated")
	return "file:" + dir + "?rotate=1MB", dir
}

// burst makes events of more than a megabyte in one transaction.
func (s *site) burst(word string) {
	s.t.Helper()
	s.exec(
		`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,notes}', to_jsonb(repeat(md5($1 || timeframe), 200)))`,
		word,
	)
}

// read returns what tail reads from a sink, with or without its options.
func (s *site) read(url string) []string {
	s.t.Helper()
	return strings.Split(strings.TrimSuffix(s.ok(url, "tail", "--json"), "\n"), "\n")
}

// segmentsIn returns the finished segments of a directory, each of which is there.
func segmentsIn(t *testing.T, dir string) []file.Segment {
	t.Helper()
	manifest, err := os.ReadFile(filepath.Join(dir, "manifest.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var segments []file.Segment
	for line := range bytes.Lines(manifest) {
		var s file.Segment
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		segments = append(segments, s)
	}
	files, err := filepath.Glob(filepath.Join(dir, "events-*"))
	if err != nil || len(files) != len(segments) {
		t.Errorf("%d segments are listed, there are %q, %v", len(segments), files, err)
	}
	return segments
}

// TestRotationKilled kills the sidecar at each step of a rotation and of a compression. What a reader gets, before and
// after the next start, equals what an undisturbed run on a second slot wrote into one file.
func TestRotationKilled(t *testing.T) {
	for _, point := range []string{"before-rotate-rename:1", "after-rotate-rename:1", "before-archive-rename:1",
		"after-archive-rename:1", "before-archive-rename:2", "after-archive-rename:2"} {
		t.Run(point, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(250)
			rotated, dir := s.rotating()
			reference, written := s.file("reference")
			s.drain("k", rotated)
			s.drain("f", reference)
			s.burst("first")
			s.drain("k", rotated)
			s.burst("second")
			before := s.read(rotated)
			s.crash(rotated, point)
			if got := s.read(rotated); !slices.Equal(got[:len(before)], before) {
				t.Fatalf("%d events after the crash, %d before, or others", len(got), len(before))
			}
			s.drain("k", rotated)
			s.drain("f", reference)
			sameEvents(t, streamed(t, s.read(rotated)), streamed(t, written()))
			if out := s.ok(rotated, "audit", "verify"); !strings.Contains(out, "every event once") {
				t.Error(out)
			}
			segmentsIn(t, dir)
		})
	}
}

// TestRotatedIsRead asks the reading verbs about segments, and then about a directory from which they are removed.
func TestRotatedIsRead(t *testing.T) {
	s := newSite(t)
	s.seedPositions(250)
	rotated, dir := s.rotating()
	s.drain("k", rotated)
	for _, word := range []string{"first", "second", "third"} {
		s.burst(word)
		s.drain("k", rotated)
	}
	segments := segmentsIn(t, dir)
	events, plain := s.read(rotated), "file:"+dir
	if len(segments) < 2 || len(events) != 1000 {
		t.Fatalf("%d segments, %d events", len(segments), len(events))
	}
	if got := s.read(plain); !slices.Equal(got, events) {
		t.Error("without the options other events are read")
	}
	if out := s.ok(plain, "status"); !strings.Contains(out, "history.unknown_key") {
		t.Error(out)
	}
	if out := s.ok(plain, "audit", gjson.Get(events[0], "data.entity.token_contract").String()); !strings.Contains(
		out,
		"history.unknown_key",
	) {
		t.Error(out)
	}
	s.checkReplay(plain, events)
	s.checkRemoval(dir, segments)
}

// checkRemoval tells the oldest segment, which may go, from one in the middle.
func (s *site) checkRemoval(dir string, segments []file.Segment) {
	s.t.Helper()
	oldest, middle := filepath.Join(dir, segments[0].File), filepath.Join(dir, segments[1].File)
	if err := os.Rename(middle, middle+".away"); err != nil {
		s.t.Fatal(err)
	}
	out, code := s.verb("file:"+dir, "audit", "verify")
	if code != 3 || !strings.Contains(out, segments[1].File+" is missing, though older segments are there") {
		s.t.Errorf("exit %d: %s", code, out)
	}
	if out, code := s.verb("file:"+dir, "tail", "--type", "trade.opened"); code != 3 || !strings.Contains(out, "restore it from a backup") {
		s.t.Errorf("exit %d: %s", code, out)
	}
	if err := errors.Join(os.Rename(middle+".away", middle), os.Remove(oldest)); err != nil {
		s.t.Fatal(err)
	}
	want := fmt.Sprintf("1 segments with %d events before it were removed", segments[0].Events)
	if out := s.ok("file:"+dir, "audit", "verify"); !strings.Contains(out, want) {
		s.t.Error(out)
	}
	if n := len(s.read("file:" + dir)); n != 1000-segments[0].Events {
		s.t.Errorf("%d events are left", n)
	}
}
