package page

import (
	"context"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// keeper owns the board. The pipeline hands it each change; visitors get copies. It waits for no one, so a commit
// never waits for a visitor.
type keeper struct {
	changes chan func(*board)
	ended   <-chan struct{}
	feed    *feed
}

// changesAhead is how many changes the pipeline may be ahead of the keeper.
const changesAhead = 64

func newKeeper(ctx context.Context) *keeper {
	return &keeper{changes: make(chan func(*board), changesAhead), ended: ctx.Done(), feed: newFeed()}
}

// keep makes the changes until the keeper's context ends.
func (k *keeper) keep() {
	b := newBoard()
	for {
		select {
		case change := <-k.changes:
			change(b)
		case <-k.ended:
			return
		}
	}
}

// change has a change made, soon. What it needs must be its own.
func (k *keeper) change(f func(*board)) {
	select {
	case k.changes <- f:
	case <-k.ended:
	}
}

// shown returns what the page shows, of the lists those that have changed since; false after the end.
func (k *keeper) shown(since changes) (shown, bool) {
	answer := make(chan shown, 1)
	k.change(func(b *board) { answer <- b.shown(since) })
	select {
	case s := <-answer:
		return s, true
	case <-k.ended:
		return shown{}, false
	}
}

// hooks follow what the sink holds.
func (k *keeper) hooks() cdc.Hooks {
	return cdc.Hooks{Resuming: k.reset, Loaded: k.load, Durable: k.commit}
}

// reset forgets the rows: a sink hands out its state from the beginning.
func (k *keeper) reset() {
	k.change(func(b *board) { b.rows, b.changed.rows = readable.NewBoard(), b.changed.rows+1 })
}

// load shows a state record. One that cannot be read ends the pipeline in another place.
func (k *keeper) load(key string, value []byte) {
	row, _ := readable.ReadRow(key, value)
	k.change(func(b *board) { b.put(row) })
}

// commit shows what a commit made durable. Of a large batch only the end is made readable.
func (k *keeper) commit(batch *cdc.Batch) {
	rows := make([]readable.Row, len(batch.State))
	for i := range batch.State {
		rows[i], _ = readable.ReadRow(batch.State[i].Key, batch.State[i].Value)
	}
	var events severities
	for i := range batch.Events {
		events.add(batch.Events[i].Severity)
	}
	lines := endOf(batch.Events)
	k.change(func(b *board) {
		b.events = severities{b.events.Page + events.Page, b.events.Warn + events.Warn, b.events.Info + events.Info}
		for _, row := range rows {
			b.put(row)
		}
		k.show(b, lines)
	})
}

// endOf makes the last events readable, and the last of those that have a list of their own.
func endOf(events []cdc.Event) []pageLine {
	lines, notable := make([]pageLine, 0, min(len(events), shownLines)), make(map[string]int)
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		topic := schemas.TopicOf(e.Type)
		kept := i >= len(events)-shownLines
		if notable[topic] < keptOf(topic) {
			notable[topic]++
			kept = true
		}
		if kept {
			lines = append(lines, lineOf(&sink.Stored{Value: e.Value}, e.Type))
		}
	}
	slices.Reverse(lines)
	return lines
}

// show puts lines on the board, and tells who listens.
func (k *keeper) show(b *board, lines []pageLine) {
	for _, l := range lines {
		b.show(l)
	}
	k.feed.lines(lines[max(0, len(lines)-shownLines):])
}

// keptOf returns how many events of a topic have a list of their own.
func keptOf(topic string) int {
	switch topic {
	case schemas.EmergencyExits:
		return shownExits
	case schemas.Control, schemas.Quarantine:
		return shownNotable
	}
	return 0
}

func lineOf(e *sink.Stored, t schemas.Type) pageLine {
	l := pageLine{Line: readable.Describe(e).Short(), topic: schemas.TopicOf(t)}
	if l.topic == schemas.Quarantine {
		l.Raw = readable.Printable(readable.Cut(gjson.GetBytes(e.Value, "data.raw").Raw, shownRaw))
	}
	return l
}

// recall fills the lists with what the sink holds from before this process, so that a restart hides no exit.
func (k *keeper) recall(ctx context.Context, reader sink.Reader) error {
	put := func(e *sink.Stored) error {
		l := lineOf(e, e.Attributes().Type)
		k.change(func(b *board) { b.show(l) })
		return ctx.Err()
	}
	err := reader.ReadEvents(ctx, sink.Range{Topics: []string{schemas.EmergencyExits, schemas.Control, schemas.Quarantine}}, put)
	if err != nil {
		return err
	}
	return reader.ReadEvents(ctx, sink.Range{Since: time.Now().Add(-time.Hour)}, put)
}
