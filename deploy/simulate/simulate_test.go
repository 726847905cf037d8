//go:debug randseednop=0

package simulate

import (
	"context"
	"flag"
	"fmt"
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
	seeds  = flag.Uint64("seeds", 10_000, "how many seeds TestSeeds runs")
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
	debug.SetGCPercent(-1) // a seed takes up to 80 MB; see simulate
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

// TestSameSeed: the same seed is the same schedule, message for message. Two runs may differ only where the machine was so busy that the
// runtime may have taken a goroutine off its processor in between. Then it is run again, until two of them are the same.
func TestSameSeed(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector shuffles goroutines")
	}
	for n := range uint64(10) {
		if why := runTwice(t, *first+n); why != "" {
			t.Errorf("seed %d: %s", *first+n, why)
		}
	}
}

// mostSame bounds how often a seed is run until two runs are the same.
const mostSame = 12

func runTwice(t *testing.T, seed uint64) (why string) {
	whole, seen := map[uint64]bool{}, map[uint64]bool{}
	for range mostSame {
		o := simulate(t, seed, nil)
		if seen[o.Hash] {
			return ""
		}
		if seen[o.Hash] = true; o.Broken == 0 {
			whole[o.Hash] = true
		}
		if len(whole) > 1 {
			return "two undisturbed runs differ"
		}
		t.Logf("seed %d: %d messages, disturbed %d times", seed, o.Messages, o.Broken)
	}
	return fmt.Sprintf("no two of %d runs are the same", mostSame)
}

var simulated int // seeds that this process has run

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
	if simulated++; simulated%4 == 0 {
		runtime.GC() // now, and not while it runs: see slice
	}
	synctest.Test(t, func(*testing.T) { o = run(seed, only, all) })
	return o
}
