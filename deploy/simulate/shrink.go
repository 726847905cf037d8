package simulate

import (
	"slices"
	"strings"
)

// judges are the words by which the failures differ.
var judges = [][2]string{{"steps", "steps of a row"}, {"chain:", "chain"}, {"sequence", "order in a partition"}, {"a gap", "a gap that is none"},
	{"tables:", "tables that go and come"}, {"adoption:", "adoption"}, {"asks for an operator", "asks for an operator"}, {"not everything is told", "stands still"}, {"disturbed", "disturbs in peace"},
	{"the sidecar has confirmed", "confirms too far"}}

// kindOf says which judge has found a fault.
func kindOf(failure string) string {
	for _, j := range judges {
		if strings.Contains(failure, j[0]) {
			return j[1]
		}
	}
	return failure
}

// mostRuns bounds the search for the fewest misfortunes.
const mostRuns = 400

// shrink looks for the fewest misfortunes and faults with which a seed still fails in the same way, and returns that run. It is
// delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) without its first half: ever
// smaller pieces are left out.
func shrink(o Outcome, again func(only map[string]bool) Outcome) Outcome {
	all, runs := len(o.Struck), 0
	fails := func(names []string) bool {
		only := make(map[string]bool)
		for _, name := range names {
			only[name] = true
		}
		runs++
		smaller := again(only)
		if len(smaller.Failures) == 0 || kindOf(smaller.Failures[0]) != kindOf(o.Failures[0]) {
			return false
		}
		o = smaller
		return true
	}
	names := o.Struck
	for piece := len(names); piece > 0; piece /= 2 {
		for at := 0; at < len(names) && runs < mostRuns; {
			if without := slices.Delete(slices.Clone(names), at, min(at+piece, len(names))); fails(without) {
				names = without
			} else {
				at += piece
			}
		}
	}
	o.Of = all
	return o
}
