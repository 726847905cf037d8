//go:debug randseednop=0

package simulate

import (
	"context"
	"flag"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seeds  = flag.Uint64("seeds", 2_500, "how many seeds TestSeeds runs")
	first  = flag.Uint64("first", 1, "the first of them")
	within = flag.Duration("within", 2*time.Minute, "end TestSeeds after this time even if seeds are left; 0 for never")
	shrunk = flag.Bool("shrink", true, "look for the fewest faults with which a seed still fails")
	whole  = flag.String("trace", "", "a file that gets every message of the last seed")
	worker = flag.Int("worker", -1, "which part of the seeds this process runs; TestSeeds sets it")
	parts  = flag.Uint64("parts", uint64(runtime.NumCPU()), "how many processes run seeds")
)

// TestMain leaves one processor, so that what runs between two messages runs in one order.
func TestMain(m *testing.M) {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(1600) // a process takes 170 MB
	os.Exit(m.Run())
}

// TestSeeds runs seeds, each process its part of them. An interrupt ends it after the seeds under way.
func TestSeeds(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *within > 0 {
		if raceDetector {
			*within /= 6
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *within)
		defer cancel()
	}
	if *worker < 0 && *seeds > 1 {
		runParts(ctx, t)
		return
	}
	var sum report
	for seed := *first + uint64(max(*worker, 0)); seed < *first+*seeds && ctx.Err() == nil; seed += *parts {
		o := simulate(t, seed, nil)
		if sum.add(o); len(o.Failures) > 0 {
			sum.print(t.Output())
			if *shrunk {
				o = shrink(o, func(only map[string]bool) Outcome { return simulate(t, seed, only) })
			}
			t.Fatal(o.explain())
		}
		if sum.Seeds%50 == 0 {
			sum.print(t.Output())
			sum = report{}
		}
	}
	sum.print(t.Output())
}

// TestSameSeed: the same seed is the same schedule, message for message. On a machine so busy that the runtime takes a goroutine
// off its processor in between, one run of three may differ.
func TestSameSeed(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector shuffles goroutines")
	}
	for n := range uint64(10) {
		one, two := simulate(t, *first+n, nil), simulate(t, *first+n, nil)
		if one.Hash == two.Hash {
			continue
		}
		if three := simulate(t, *first+n, nil); three.Hash != one.Hash && three.Hash != two.Hash {
			t.Errorf("seed %d: %d messages, then %d, then %d", one.Seed, one.Messages, two.Messages, three.Messages)
		}
	}
}

func simulate(t *testing.T, seed uint64, only map[string]bool) (o Outcome) {
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
	synctest.Test(t, func(*testing.T) { o = run(seed, only, all) })
	return o
}
