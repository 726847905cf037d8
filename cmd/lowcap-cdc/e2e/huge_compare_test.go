package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

// drainKilled runs the sidecar until it has handled what is committed now, killing it at each of some moments, and
// returns the most that any of its lives had resident.
func (s *site) drainKilled(slot, sink string, after ...time.Duration) int64 {
	s.t.Helper()
	most := int64(0)
	for _, moment := range after {
		cmd := s.command(slot, sink, "--until", "now")
		kill := time.AfterFunc(moment, func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
		peak, _, _ := s.peakOf(cmd)
		most = max(most, peak)
		kill.Stop()
	}
	return max(most, s.peakMemory(s.command(slot, sink, "--until", "now")))
}

// compareHuge drains a sidecar that is killed twice and one that is not, compares what they said, and returns how many
// events that were.
func (s *site) compareHuge(killed, whole hugeSink, images int64) int {
	s.t.Helper()
	begun := time.Now()
	peak := s.peakMemory(s.command("f", whole.sink, "--until", "now"))
	took := time.Since(begun)
	peak = max(peak, s.drainKilled("k", killed.sink, took/3, took/2))
	limit := *hugeMemory<<20 + images
	s.t.Logf("%v undisturbed, peak RSS %d MB of %d", took.Round(time.Millisecond), peak>>20, limit>>20)
	if peak > limit {
		s.t.Errorf("peak RSS is %d MB, want at most %d", peak>>20, limit>>20)
	}
	got, want := killed.told(), whole.told()
	for i := range min(len(got), len(want)) {
		if got[i].digest != want[i].digest {
			s.t.Fatalf("event %d of %d/%d is another: sequence %s, want %s", i, len(got), len(want), got[i].sequence, want[i].sequence)
		}
	}
	if len(got) != len(want) {
		s.t.Fatalf("%d events, want %d", len(got), len(want))
	}
	return len(want)
}

// told is what is kept of an event: there may be millions.
type told struct {
	sequence string
	digest   [sha256.Size]byte
}

// hugeSink is a sink and the events in it that two slots must say alike, in order.
type hugeSink struct {
	sink string
	told func() []told
}

func (s *site) hugeKafka() hugeSink {
	sink, _ := s.kafka()
	return hugeSink{sink, func() (all []told) {
		s.t.Helper()
		take := func(r *kgo.Record) { all = appendTold(all, r.Value) }
		if err := lab.EachCommitted(s.t.Context(), shared.started.Addr(), take, s.eventTopics()...); err != nil {
			s.t.Fatal(err)
		}
		slices.SortFunc(all, func(x, y told) int { return strings.Compare(x.sequence, y.sequence) })
		return all
	}}
}

func (s *site) hugeFile() hugeSink {
	dir := s.t.TempDir()
	return hugeSink{"file:" + dir, func() (all []told) {
		s.t.Helper()
		file, err := os.Open(filepath.Join(dir, "events.jsonl"))
		if err != nil {
			s.t.Fatal(err)
		}
		defer file.Close() //nolint:errcheck // it is only read
		lines, links := bufio.NewReader(file), lab.Links{}
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return all
			}
			event := bytes.TrimSuffix(line, []byte("\n"))
			if err := links.Follow(event); err != nil {
				s.t.Fatal(err)
			}
			all = appendTold(all, event)
		}
	}}
}

func appendTold(all []told, event []byte) []told {
	comparable, ok := lab.Comparable(event)
	if !ok {
		return all
	}
	return append(all, told{gjson.GetBytes(event, "sequence").String(), sha256.Sum256(comparable)})
}

// readState starts a sidecar that has nothing to do, and expects it to have read the state swiftly, with a word on the way
// where that takes a while. Other tests can only make it slower, so the fastest of some counts.
func (s *site) readState(sink string) {
	s.t.Helper()
	fastest := 0.0
	for tries := 0; tries < 5 && fastest < slowState; tries++ {
		fastest = max(fastest, s.speedOfState(sink))
	}
	if fastest < slowState {
		s.t.Errorf("the state is read at %.0f bytes/s", fastest)
	}
}

// speedOfState has a sidecar read the state, and returns how many bytes a second that were.
func (s *site) speedOfState(sink string) float64 {
	s.t.Helper()
	out, err := s.command("k", sink, "--until", "now").CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	var read struct {
		Records, Bytes int64
		Milliseconds   float64
		Message        string
	}
	said := strings.Count(string(out), `"message":"reading the state"`)
	for line := range bytes.Lines(out) {
		if json.Unmarshal(line, &read) == nil && read.Message == "state read" {
			break
		}
	}
	speed := float64(read.Bytes) / read.Milliseconds * 1000
	s.t.Logf(
		"state of %d records, %d MB, read in %.0f ms: %.0f MB/s, with %d lines on the way",
		read.Records,
		read.Bytes>>20,
		read.Milliseconds,
		speed/(1<<20),
		said,
	)
	if read.Records < int64(*hugeCopy) {
		s.t.Errorf("%d records", read.Records)
	}
	if said == 0 && read.Milliseconds > 4000 { // a line comes every two seconds
		s.t.Error("not a word on the way")
	}
	return speed
}
