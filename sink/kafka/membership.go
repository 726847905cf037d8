package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/sink"
)

// sendingNote is what a committed offset carries while the event there is on its way to its receiver.
const sendingNote = "sending"

// membership is a member of a group in one generation.
type membership struct {
	k          *Sink
	generation *kafka.Generation
	member     Member
	topics     []string        // full names
	missing    map[string]bool // topics that an earlier generation of this process looked for and did not find
	grown      map[string]bool // topics that have got partitions since the group has had its places

	begun     map[partition]int64 // where an earlier member was sending
	handled   map[partition]int64 // where the next member would continue
	committed map[partition]int64
}

// consume reads until the generation ends.
func (m *membership) consume(ctx context.Context) error {
	at, loss, err := m.assigned(ctx)
	if err != nil {
		return err // which ends the generation; to stay a member would keep others from reading
	}
	m.member.Assigned(Assignment{len(at), loss.records, loss.oldest})
	if len(at) == 0 {
		<-ctx.Done() // a member without partitions stays one: it takes over
		return nil
	}
	return m.k.follow(ctx, at, nil, func(f found) error {
		for _, one := range f.foreign {
			if err := m.k.tellForeign(one); err != nil {
				return err
			}
		}
		before := maps.Clone(m.handled)
		if err := m.member.Deliver(ctx, m.round(f, before)); err != nil {
			return err
		}
		m.handled = before
		maps.Copy(m.handled, f.moved)
		return nil
	})
}

// round is what was found, as the member gets it; before is where the member after this one would continue without it.
func (m *membership) round(f found, before map[partition]int64) *sink.Round {
	return &sink.Round{Events: f.events, Begun: m.isBegun, Handled: func(ctx context.Context, n int, sending bool) error {
		m.handled = maps.Clone(before)
		for _, e := range f.events[:n] {
			m.handled[partition{e.Topic, e.Partition}] = e.Offset + 1
		}
		if n == len(f.events) {
			maps.Copy(m.handled, f.moved)
		}
		if sending {
			return m.commit(ctx, &f.events[n])
		}
		return m.commit(ctx, nil)
	}}
}

func (m *membership) isBegun(e *sink.Stored) bool {
	offset, ok := m.begun[partition{e.Topic, e.Partition}]
	return ok && offset == e.Offset
}

// loss is what was removed before the group had read it.
type loss struct {
	records, oldest int64
	in              map[partition]bool
}

func (l *loss) add(p partition, records, oldest int64) {
	l.records, l.oldest, l.in[p] = l.records+records, l.oldest+oldest, true
}

// assigned returns where each partition continues, and what was lost before that. Where the group has never
// been, that is the end of now, and it is committed at once: an event that comes before the first delivery would
// otherwise be passed over by a crash. In a topic or a partition that was not there yet it is the beginning.
func (m *membership) assigned(ctx context.Context) (at map[partition]int64, lost loss, err error) {
	at, m.begun, m.handled = make(map[partition]int64), make(map[partition]int64), make(map[partition]int64)
	lost.in = make(map[partition]bool)
	notes, err := m.notes(ctx)
	if err == nil {
		err = m.findGrown(ctx)
	}
	if err != nil {
		return nil, lost, err
	}
	for topic, assignments := range m.generation.Assignments {
		for _, a := range assignments {
			p := partition{topic, a.ID}
			first, stable, err := m.k.offsets(ctx, topic, a.ID)
			if err != nil {
				return nil, lost, fmt.Errorf("read offsets of %s/%d: %w", topic, a.ID, err)
			}
			switch {
			case a.Offset < 0:
				if at[p], err = m.beginning(ctx, p, first, stable); err != nil {
					return nil, lost, err
				}
			case a.Offset < first: // retention has passed by
				at[p] = first
				lost.add(p, first-a.Offset, first)
			case a.Offset > stable: // another topic of that name
				at[p] = first
				lost.add(p, max(1, first), first)
			default:
				at[p] = a.Offset
			}
			if notes[p] == sendingNote && !lost.in[p] {
				m.begun[p] = at[p]
			}
		}
	}
	for _, topic := range m.topics {
		m.missing[topic] = len(m.generation.Assignments[topic]) == 0
	}
	m.committed = make(map[partition]int64)
	m.handled = maps.Clone(at)
	return at, lost, m.commitFresh(ctx, at, lost.in)
}

// firstGeneration is the number of a new group's first generation. Its members get their places beside each other: that one has some
// then says nothing of another's partitions.
const firstGeneration = 1

// findGrown finds the topics in which the group has places, but none in a partition that this member was given: that is a new one,
// and all of it has come since.
func (m *membership) findGrown(ctx context.Context) error {
	m.grown = make(map[string]bool)
	for topic, assignments := range m.generation.Assignments {
		isNew := slices.ContainsFunc(assignments, func(a kafka.PartitionAssignment) bool { return a.Offset < 0 })
		if !isNew || m.generation.ID <= firstGeneration {
			continue
		}
		leaders, err := m.k.leaders(ctx, []string{topic})
		if err != nil {
			return err
		}
		var ids []int
		for p := range leaders {
			ids = append(ids, p.id)
		}
		places, err := m.k.places(ctx, m.generation.GroupID, map[string][]int{topic: ids})
		if err != nil {
			return err
		}
		for _, place := range places {
			m.grown[topic] = m.grown[topic] || place.CommittedOffset >= 0
		}
	}
	return nil
}

// beginning is where a partition begins that the group has never been in.
func (m *membership) beginning(ctx context.Context, p partition, first, stable int64) (int64, error) {
	switch {
	case m.missing[p.topic], m.grown[p.topic]:
		return first, nil
	case m.member.Since.IsZero():
		return stable, nil
	}
	return m.k.offsetSince(ctx, p, m.member.Since, stable)
}

// commitFresh commits the places that are not committed, and leaves the notes at the others. Where something was lost the place
// stays, so that whoever continues after a crash knows of it too.
func (m *membership) commitFresh(ctx context.Context, at map[partition]int64, lost map[partition]bool) error {
	for topic, assignments := range m.generation.Assignments {
		for _, a := range assignments {
			if p := (partition{topic, a.ID}); at[p] == a.Offset || lost[p] {
				m.committed[p] = at[p]
			}
		}
	}
	err := m.commit(ctx, nil)
	for p := range lost {
		delete(m.committed, p)
	}
	return err
}

// notes reads what is noted at the committed offsets.
func (m *membership) notes(ctx context.Context) (map[partition]string, error) {
	wanted := make(map[string][]int)
	for topic, assignments := range m.generation.Assignments {
		for _, a := range assignments {
			wanted[topic] = append(wanted[topic], a.ID)
		}
	}
	notes := make(map[partition]string)
	if len(wanted) == 0 {
		return notes, nil
	}
	found, err := m.k.places(ctx, m.generation.GroupID, wanted)
	for p, place := range found {
		notes[p] = place.Metadata
	}
	return notes, err
}

// places returns where a group stands, by the committed offsets of its topics' partitions.
func (k *Sink) places(ctx context.Context, group string, partitions map[string][]int) (
	places map[partition]kafka.OffsetFetchPartition, err error,
) {
	err = k.retry(ctx, func() error {
		response, err := k.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: partitions})
		if err == nil {
			err = response.Error
		}
		if err != nil {
			return err
		}
		places = make(map[partition]kafka.OffsetFetchPartition)
		for topic, list := range response.Topics {
			for _, p := range list {
				if p.Error != nil {
					return p.Error
				}
				places[partition{topic, p.Partition}] = p
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read places of group %q: %w", group, explainGroup(err))
	}
	return places, nil
}

// commit commits where the next member would continue, as far as that has moved; sending, when not nil, is on its way.
func (m *membership) commit(ctx context.Context, sending *sink.Stored) error {
	offsets, moved := make(map[string][]kafka.OffsetCommit), make(map[partition]int64)
	for p, offset := range m.handled {
		commit := kafka.OffsetCommit{Partition: p.id, Offset: offset}
		isSending := sending != nil && p == partition{sending.Topic, sending.Partition}
		if isSending {
			commit.Offset, commit.Metadata = sending.Offset, sendingNote
		}
		if last, ok := m.committed[p]; ok && last == commit.Offset && !isSending {
			continue
		}
		offsets[p.topic], moved[p] = append(offsets[p.topic], commit), commit.Offset
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := m.commitOffsets(ctx, offsets); err != nil {
		return fmt.Errorf("commit consumer offsets: %w", err)
	}
	maps.Copy(m.committed, moved)
	return nil
}

func (m *membership) commitOffsets(ctx context.Context, offsets map[string][]kafka.OffsetCommit) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	response, err := m.k.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: m.generation.GroupID,
		GenerationID: int(m.generation.ID), MemberID: m.generation.MemberID, Topics: offsets})
	if err != nil {
		return err
	}
	for _, partitions := range response.Topics {
		if at := slices.IndexFunc(partitions, func(p kafka.OffsetCommitPartition) bool { return p.Error != nil }); at >= 0 {
			return partitions[at].Error
		}
	}
	return nil
}

// Waiting hands to take what a group has not handled yet, in the order of sequence. A group without a place has nothing
// waiting.
func (k *Sink) Waiting(ctx context.Context, group string, topics []string, take func(*sink.Stored) error) error {
	leaders, err := k.leaders(ctx, k.eventTopics(topics))
	if err != nil {
		return err
	}
	wanted := make(map[string][]int)
	for p := range leaders {
		wanted[p.topic] = append(wanted[p.topic], p.id)
	}
	places, err := k.places(ctx, group, wanted)
	if err != nil {
		return err
	}
	cursors, err := k.cursors(ctx, leaders, time.Time{})
	if err != nil {
		return err
	}
	for _, c := range cursors {
		c.foreign = k.tellForeign
		place, ok := places[c.partition]
		if !ok || place.CommittedOffset < 0 {
			c.next = c.end
			continue
		}
		c.next = max(c.next, place.CommittedOffset)
	}
	return merge(ctx, cursors, take)
}
