package monitor

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestCollectorHasRoom: where as much is alive as the limit allows, the collector does not run without an end.
func TestCollectorHasRoom(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { limits = nil; debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "")
	LimitMemory()
	kept := make([][]byte, 60)
	for i := range kept {
		kept[i] = make([]byte, 1<<20)
	}
	runtime.GC()
	for deadline := time.Now().Add(time.Minute); debug.SetMemoryLimit(-1) < 60<<20; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the limit stays below what is alive")
		}
	}
	const garbage = 256 << 20
	was := collections()
	for range garbage / 4096 {
		sunk = make([]byte, 4096)
	}
	if n := collections() - was; n > garbage/leastRoom*2 {
		t.Errorf("%d collections for %d MB of garbage", n, garbage>>20)
	}
	runtime.KeepAlive(kept)
	for deadline := time.Now().Add(time.Minute); debug.SetMemoryLimit(-1) > workingMemory; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("the limit stays up when nothing is alive any more")
		}
	}
}

var sunk []byte

func collections() uint32 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.NumGC
}

func TestLimitFor(t *testing.T) {
	const mb = 1 << 20
	for _, test := range []struct {
		name                 string
		images, live, beside int64
		want                 int64
	}{
		{"a start", 0, 3 * mb, 5 * mb, 40 * mb},
		{"usual work", 2 * mb, 16 * mb, 10 * mb, 42 * mb},
		{"what a large batch leaves", 3 * mb, 32 * mb, 12 * mb, (32 + 4 + 1 + 1 + 12) * mb},
		{"a million images", 308 * mb, 320 * mb, 12 * mb, 348 * mb},
		{"a verb that has read all events", 0, 320 * mb, 12 * mb, (320 + 64 + 10 + 1 + 12) * mb},
	} {
		if got := limitFor(test.images, test.live, test.beside); got != test.want {
			t.Errorf("%s: %d MB, want %d", test.name, got/mb, test.want/mb)
		}
	}
}

// TestEnvironmentHasPrecedence: who sets GOMEMLIMIT has the limit.
func TestEnvironmentHasPrecedence(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	t.Setenv("GOMEMLIMIT", "100MiB")
	LimitMemory()
	limits.holds(1000000, 1<<30)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		t.Errorf("the limit is %d", limit)
	}
}
