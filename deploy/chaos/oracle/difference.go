package oracle

import (
	"fmt"
	"io"
	"slices"
)

// Difference is how what was got differs from what was wanted.
type Difference struct {
	Total    int // wanted
	Lost     int
	Doubled  int // got more often than wanted, or never wanted
	Disorder int // neither lost nor doubled, and yet not in its place
}

// Clean reports that there is none.
func (d Difference) Clean() bool { return d.Lost+d.Doubled+d.Disorder == 0 }

// Compare compares two sequences.
func Compare[T comparable](got, want []T) Difference {
	d := Difference{Total: len(want)}
	count := make(map[T]int, len(want))
	for _, v := range want {
		count[v]++
	}
	for _, v := range got {
		count[v]--
	}
	for _, n := range count {
		d.Lost += max(0, n)
		d.Doubled += max(0, -n)
	}
	if d.Clean() {
		for i := range want {
			if got[i] != want[i] {
				d.Disorder++
			}
		}
	}
	return d
}

// CompareSteps compares row by row, and prints the first rows that differ.
func CompareSteps(got, want Steps, out io.Writer) Difference {
	var sum Difference
	shown := 0
	for entity := range union(got, want) {
		d := Compare(got[entity], want[entity])
		if sum.Add(d); !d.Clean() && shown < 3 {
			shown++
			explain(out, entity, got[entity], want[entity])
		}
	}
	return sum
}

func union(a, b Steps) map[string]bool {
	all := make(map[string]bool)
	for key := range a {
		all[key] = true
	}
	for key := range b {
		all[key] = true
	}
	return all
}

// Add counts another one too.
func (d *Difference) Add(other Difference) {
	d.Total += other.Total
	d.Lost += other.Lost
	d.Doubled += other.Doubled
	d.Disorder += other.Disorder
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
