package simulate

import (
	"runtime"
	"syscall"
	"time"
)

// slice looks after what real time could change. Between two steps goroutines run in one order, as long as the runtime takes none of
// them off its processor. It does so for the garbage collector, which rests while a seed runs (see the test), and to whoever has run for
// 10 ms, by the machine's clock: hence a new slice at each step. If the machine gives the processor to others for so long, that helps
// nothing, and is counted.
type slice struct {
	begun  time.Duration
	broken int // how many goroutines may have been taken off the processor
}

// longestSlice is a little less than the runtime's (forcePreemptNS in runtime/proc.go).
const longestSlice = 9 * time.Millisecond

// next begins a slice, when nothing else can run.
func (s *slice) next() {
	runtime.Gosched()
	now := machineTime()
	if s.begun != 0 && now-s.begun >= longestSlice {
		s.broken++
	}
	s.begun = now
}

// machineTime is what the machine's clock shows, also in a bubble.
func machineTime() time.Duration {
	var t syscall.Timeval
	if err := syscall.Gettimeofday(&t); err != nil {
		panic(err) // it cannot fail
	}
	return time.Duration(t.Nano())
}
