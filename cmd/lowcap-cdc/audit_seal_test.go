package main

import (
	"testing"
	"time"
)

// TestPatience: who is to know that nothing is sealed is told once, after three failures, and not before a minute has gone by.
func TestPatience(t *testing.T) {
	for every, want := range map[time.Duration][]bool{
		5 * time.Minute:  {false, false, true, true},
		20 * time.Second: {false, false, false, true},
	} {
		p, begun := patience{every: every}, time.Now()
		for n, isDue := range want {
			if got := p.isAtItsEnd(begun.Add(time.Duration(n) * every)); got != isDue {
				t.Errorf("every %s, failure %d: told %t", every, n+1, got)
			}
		}
		p.isTold = true
		if p.isAtItsEnd(begun.Add(time.Hour)) {
			t.Errorf("every %s: told again", every)
		}
	}
}
