package main

import (
	"fmt"
	"io"
	"slices"
)

// difference is how what was got differs from what was wanted.
type difference struct {
	total    int // wanted
	lost     int
	doubled  int // got more often than wanted, or never wanted
	disorder int // neither lost nor doubled, and yet not in its place
}

func (d difference) clean() bool { return d.lost+d.doubled+d.disorder == 0 }

// compare compares two sequences.
func compare[T comparable](got, want []T) difference {
	d := difference{total: len(want)}
	count := make(map[T]int, len(want))
	for _, v := range want {
		count[v]++
	}
	for _, v := range got {
		count[v]--
	}
	for _, n := range count {
		d.lost += max(0, n)
		d.doubled += max(0, -n)
	}
	if d.clean() {
		for i := range want {
			if got[i] != want[i] {
				d.disorder++
			}
		}
	}
	return d
}

// compareSteps compares row by row, and prints the first rows that differ.
func compareSteps(got, want steps, out io.Writer) difference {
	var sum difference
	shown := 0
	for entity := range union(got, want) {
		d := compare(got[entity], want[entity])
		if sum.add(d); !d.clean() && shown < 3 {
			shown++
			explain(out, entity, got[entity], want[entity])
		}
	}
	return sum
}

func union(a, b steps) map[string]bool {
	all := make(map[string]bool)
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	return all
}

func (d *difference) add(other difference) {
	d.total += other.total
	d.lost += other.lost
	d.doubled += other.doubled
	d.disorder += other.disorder
}

// explain prints where two sequences part.
func explain(out io.Writer, entity string, got, want []string) {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	fmt.Fprintf(out, "%s: %d steps told, %d logged; from the %dth on\n", entity, len(got), len(want), at)
	for _, list := range []struct {
		name  string
		steps []string
	}{{"told", got}, {"logged", want}} {
		for _, s := range slices.Concat(list.steps[min(at, len(list.steps)):min(at+3, len(list.steps))]) {
			fmt.Fprintf(out, "  %s  %s\n", list.name, s)
		}
	}
}
