//go:debug randseednop=0

package simulate

import (
	"flag"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Int("seeds", 20, "how many seeds TestSeeds runs")
	whole = flag.String("trace", "", "a file that gets every message of the last seed")
	first = flag.Uint64("first", 1, "the first of them")
)

// TestMain leaves one processor, so that what runs between two messages runs in one order.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

// TestSeeds runs seeds.
func TestSeeds(t *testing.T) {
	messages, events := 0, 0
	for n := range *seeds {
		o := simulate(t, *first+uint64(n))
		messages += o.Messages
		events += o.Events
		for _, f := range o.Failures {
			t.Errorf("seed %d: %s", o.Seed, f)
		}
		if len(o.Failures) > 0 {
			t.Fatalf("%s\nagain: go test ./deploy/simulate -run TestSeeds -seeds 1 -first %d", o.Transcript, o.Seed)
		}
	}
	t.Logf("%d seeds, %d messages, %d events", *seeds, messages, events)
}

// TestSameSeed: the same seed is the same schedule, message for message.
func TestSameSeed(t *testing.T) {
	for n := range uint64(10) {
		one, two := simulate(t, *first+n), simulate(t, *first+n)
		if one.Hash != two.Hash {
			t.Errorf("seed %d: %d messages, then %d", one.Seed, one.Messages, two.Messages)
		}
	}
}

func simulate(t *testing.T, seed uint64) (o Outcome) {
	t.Helper()
	var all io.Writer
	if *whole != "" {
		file, err := os.Create(*whole)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close() //nolint:errcheck // it is for reading along
		all = file
	}
	synctest.Test(t, func(*testing.T) { o = run(seed, all) })
	return o
}
