package schemas

import (
	"cmp"
	"strings"
)

// Compare orders events for slices.SortFunc: by sequence, which is the order of the WAL over all topics, also where another
// server was adopted (stream.adopted). Between sources that are not of one history the order means nothing; occurred_at and time
// are clocks and order nothing.
func (a *Attributes) Compare(b *Attributes) int {
	return cmp.Or(strings.Compare(a.Sequence, b.Sequence), strings.Compare(a.Source, b.Source))
}

// Dedup drops what a consumer has handled before. A topic holds each event once, so that a consumer gets an event twice
// only when it reads a part of the topic again: after a crash, or a rebalance, before its offsets were committed.
//
// It keeps one sequence for each stream, whatever the number of events. Store it together with the results, in one
// transaction; then each event has its effect once.
type Dedup map[Lane]string

// Lane is what is read in order: a partition of a topic, or a file (with the zero topic and partition), of one source.
type Lane struct {
	Source    string
	Topic     string
	Partition int32
}

// First reports whether the event was not handled before, and remembers that it is now. Events of a lane must come in the
// order in which they stand there.
func (d Dedup) First(topic string, partition int32, a *Attributes) bool {
	lane := Lane{a.Source, topic, partition}
	if last, ok := d[lane]; ok && a.Sequence <= last {
		return false
	}
	d[lane] = a.Sequence
	return true
}
