// Package model holds runs of the sidecar against the executable specification of the commit protocol, docs/model/commit.pml.
package model

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// step is one line of a trace: what a process did or saw, in the order of the file.
type step struct {
	process int
	name    string
	args    []string
}

// place is where a checkpoint stands. Its order is that of the WAL.
type place struct {
	lsn     uint64 // everything that was committed before it is done; of a cut transaction its commit
	changes uint64 // that are done of a cut transaction
	events  uint64 // that are done of the change after those
	time    int64  // the database's clock; an idle stream moves only that
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.lsn, q.lsn), cmp.Compare(p.changes, q.changes), cmp.Compare(p.events, q.events), cmp.Compare(p.time, q.time))
}

// checkpoint is what a trace says of one.
type checkpoint struct {
	place
	cut    bool
	number uint64 // of the last event before it
}

// parseTrace reads a trace as the sidecar writes it, when it is built with failpoints and LOWCAP_CDC_TRACE names a file. What
// the traces of other tests have beside the steps of the protocol is passed over.
func parseTrace(text string) (steps []step, err error) {
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(line, "\n") {
			break // its process was killed while it wrote
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return nil, fmt.Errorf("trace: %q is no step", line)
		}
		process, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("trace: %q: %w", line, err)
		}
		steps = append(steps, step{process, fields[1], fields[2:]})
	}
	return steps, nil
}

// checkpointOf reads what a step says of a checkpoint; found is false for one that says nothing.
func (s *step) checkpointOf() (c checkpoint, found bool, err error) {
	args := s.args
	if s.name == "commit" {
		args = args[1:]
	}
	if len(args) == 0 {
		return c, false, nil
	}
	if len(args) != 7 {
		return c, false, fmt.Errorf("trace: %v is no checkpoint", s)
	}
	var n [6]int64
	for i := range n {
		if n[i], err = strconv.ParseInt(args[i], 10, 64); err != nil {
			return c, false, fmt.Errorf("trace: %v: %w", s, err)
		}
	}
	c = checkpoint{place: place{lsn: uint64(n[0]), time: n[4]}, number: uint64(n[5])}
	if n[1] != 0 {
		c.cut, c.place = true, place{lsn: uint64(n[1]), changes: uint64(n[2]), events: uint64(n[3])}
	}
	return c, n[0] != 0, nil
}

// places gives each checkpoint of a trace a number, from 1 on, in the order of the WAL.
type places struct {
	all []checkpoint
}

// placesOf collects them. Two that are one place must be after the same event, and later ones not before an earlier one: the same
// WAL gives the same events.
func placesOf(steps []step) (p places, err error) {
	for i := range steps {
		if s := &steps[i]; s.name == "commit" || s.name == "read" {
			c, found, err := s.checkpointOf()
			if err != nil {
				return p, err
			}
			if found {
				p.all = append(p.all, c)
			}
		}
	}
	slices.SortFunc(p.all, func(a, b checkpoint) int { return a.compare(b.place) })
	var kept []checkpoint
	for _, c := range p.all {
		if len(kept) > 0 {
			last := kept[len(kept)-1]
			same := last.place == c.place
			if c.number < last.number || (same && c.number != last.number) {
				return p, fmt.Errorf("the checkpoints %+v and %+v count other events", last, c)
			}
			if same {
				continue
			}
		}
		kept = append(kept, c)
	}
	p.all = kept
	if len(p.all) > 9999 {
		return p, errors.New("the trace has more places than the model counts")
	}
	return p, nil
}

// rank returns a checkpoint's number.
func (p *places) rank(c checkpoint) int {
	i, _ := slices.BinarySearchFunc(p.all, c.place, func(a checkpoint, b place) int { return a.compare(b) })
	return i + 1
}

// between returns the places, 0 among them, after which an event with this number is the next one.
func (p *places) between(number uint64) (least, most int) {
	least, most = len(p.all)+1, -1
	for i := range len(p.all) + 1 {
		before := uint64(0)
		if i > 0 {
			before = p.all[i-1].number
		}
		if before == number-1 {
			least, most = min(least, i), i
		}
	}
	return least, most
}

// endAt returns the first place from one on that is not inside a transaction.
func (p *places) endAt(rank int) int {
	for rank <= len(p.all) && p.all[rank-1].cut {
		rank++
	}
	return rank
}

// bounds is what the model has to know of a trace.
func (p *places) bounds() string {
	last := p.endAt(max(len(p.all), 1))
	text := fmt.Sprintf("#define N %d\n#define ENDS(v) (true", last)
	for i, c := range p.all {
		if c.cut {
			text += fmt.Sprintf(" && (v) != %d", i+1)
		}
	}
	return text + ")\n"
}
