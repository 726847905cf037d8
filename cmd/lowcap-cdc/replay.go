package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

type replayCommand struct {
	From       string `help:"Begin here: an age, a time, or an LSN; without it at the oldest event." placeholder:"1h|TIME|LSN"`
	To         string `help:"End before this; without it at the newest event." placeholder:"1h|TIME|LSN"`
	Into       string `help:"Where the copies go; --sink is where they come from." placeholder:"URL" required:""`
	IntoPrefix string `help:"The prefix of each topic's name there, when it differs from --topic-prefix." placeholder:"PREFIX"`
	WithState  bool   `help:"Move the history: the state follows the events, and run goes on there. run must be stopped for the end of it."`
}

const (
	replayBatch = 1000    // events of a commit
	replayBytes = 4 << 20 // or this many bytes
)

// Run copies committed events, unchanged. An interrupted replay continues where it stopped.
func (c *replayCommand) Run(s *settings.Settings, std *settings.Streams) error {
	now := time.Now()
	from, err := settings.ParsePoint(c.From, now)
	if err != nil {
		return err
	}
	to, err := settings.ParsePoint(c.To, now)
	if err != nil {
		return err
	}
	if err := c.allowsState(s); err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	if from, err = from.On(ctx, reader); err != nil {
		return err
	}
	if to, err = to.On(ctx, reader); err != nil {
		return err
	}
	target, err := c.target(s, std)
	if err != nil {
		return err
	}
	r := &replay{to: target, progress: std.Err, old: make(map[string]int)}
	if c.WithState {
		if r.history, err = readMoving(ctx, s, reader); err != nil {
			return errors.Join(err, target.Close())
		}
	}
	if err := r.run(ctx, reader, from, to); err != nil {
		return errors.Join(err, target.Close())
	}
	if k, ok := target.(*kafka.Sink); ok {
		r.tellOld(std.Err, k)
	}
	said := std.Out
	if strings.HasPrefix(c.Into, "stdout:") {
		said = std.Err // standard output is for the events
	}
	r.tell(said, settings.Redact(c.Into))
	if c.WithState {
		err = r.moveState(ctx, s, reader, std.Out, settings.Redact(c.Into))
	}
	return errors.Join(err, target.Close())
}

// tell says what was copied, and what was not.
func (r *replay) tell(out io.Writer, into string) {
	fmt.Fprintf(out, "%d events copied to %s, %d were there already\n", r.copied, into, r.skipped)
	if r.done.hole != "" {
		fmt.Fprintf(out, "the copy has a hole: events %s are not in --sink any more, or stand before --from\n", r.done.hole)
	}
	if number := r.links.LeftOut(); number > 0 {
		fmt.Fprintf(out, "more was committed meanwhile, and is left out: event %d was not there yet; run the same again\n", number)
	}
}

// target opens the sink that the copies go to. Without the state its slot has another name, so that it neither fences a running
// instance nor touches its state.
func (c *replayCommand) target(s *settings.Settings, std *settings.Streams) (cdc.Sink, error) {
	other := *s
	if other.Sink, other.Copy = c.Into, c.WithState; !c.WithState {
		other.Slot = settings.Derived(s.Slot, "_replay")
	}
	if c.IntoPrefix != "" {
		other.TopicPrefix = c.IntoPrefix
	}
	if other.Sink == s.Sink && other.TopicPrefix == s.TopicPrefix {
		return nil, settings.Usage(errors.New("--into is where the events are already; name another sink, or --into-prefix"))
	}
	return other.OpenSink(std.Out)
}

// replay copies events in commits of its own.
type replay struct {
	to              cdc.Sink
	progress        io.Writer
	batch           cdc.Batch
	bytes           int
	done            done // what is there
	copied, skipped int
	links           *audit.Links
	history         *moving // whose state follows; nil where only events are copied

	keeps map[string]time.Duration // how long a topic keeps records, where that is known
	old   map[string]int           // copies that are older, by topic
}

func (r *replay) run(ctx context.Context, reader sink.Reader, from, to settings.Point) error {
	if k, ok := r.to.(*kafka.Sink); ok {
		if _, err := k.EnsureTopics(ctx); err != nil {
			return err
		}
		var err error
		if r.keeps, err = k.Keeps(ctx); err != nil {
			return err
		}
	}
	if err := r.to.Resume(ctx, r.load); err != nil {
		return err
	}
	if err := r.history.begin(); err != nil || r.history.isThere() {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	err := audit.Reread(ctx, func() error { return r.read(ctx, reader, from, to) })
	if errors.Is(err, audit.ErrAltered) {
		return fmt.Errorf("replay stopped before it: %w; what was copied up to there is whole", err)
	}
	return err
}

// begin refuses topics that hold what is no part of this copy. A file sink that has lost its state refuses it itself.
func (r *replay) begin(ctx context.Context) error {
	k, ok := r.to.(*kafka.Sink)
	if !ok || r.done.last != "" {
		return nil
	}
	newest, err := k.Newest(ctx)
	if err == nil && newest.Number > 0 {
		return settings.Repair(fmt.Errorf("--into holds events already, up to number %d, that are no part of this %s; delete the topics there, "+
			"or name another --into-prefix", newest.Number, r.kind()))
	}
	return err
}

// kind says what is being made.
func (r *replay) kind() string {
	if r.history != nil {
		return "move"
	}
	return "copy"
}

// read copies what is there. What was read before an error is whole, and copied.
func (r *replay) read(ctx context.Context, reader sink.Reader, from, to settings.Point) error {
	var err error
	if r.links, err = audit.NewLinks(ctx, reader, from.IsSet(), r.links); err != nil {
		return err
	}
	r.skipped = -r.copied // those come once more when it is read again
	r.done.begin()
	err = reader.ReadEvents(ctx, sink.Range{Since: from.Time}, func(e *sink.Stored) error {
		return r.copy(ctx, e, from, to)
	})
	if err == nil {
		err = cmp.Or(r.links.End(), r.done.end())
	}
	if err != nil && !errors.Is(err, audit.ErrAltered) {
		return err
	}
	return errors.Join(err, r.commit(ctx))
}

// load takes a record of the state that the other sink holds.
func (r *replay) load(key string, value []byte) error {
	switch {
	case key == cdc.CopyKey:
		r.done = parseDone(string(value))
	case r.history == nil:
		return settings.Usage(fmt.Errorf("--into is the sink of a running pipeline (it holds %q); name an empty one", key))
	case key == cdc.CheckpointKey:
		return r.history.there.Load(key, value)
	}
	return nil
}

func (r *replay) copy(ctx context.Context, e *sink.Stored, from, to settings.Point) error {
	a := e.Attributes()
	left, err := r.links.Follow(&a, e.Value)
	if err != nil || left {
		return err // an altered event must not get a second home
	}
	r.history.follow(e, &a)
	if err := r.done.pass(&a, e.Value); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !from.Precedes(&a), to.IsSet() && to.Precedes(&a):
		return nil
	}
	there, err := r.done.isThere(&a)
	if err != nil {
		return err
	}
	if there {
		r.skipped++
		return nil
	}
	if err := r.history.joins(&r.done.number, &a); err != nil {
		return err
	}
	r.note(&a)
	r.batch.Events = append(r.batch.Events, cdc.Event{Attributes: a, Value: e.Value})
	r.bytes += len(e.Value)
	if len(r.batch.Events) < replayBatch && r.bytes < replayBytes {
		return nil
	}
	return r.commit(ctx)
}

// note counts copies that are older than their topic keeps records: a copy has the time of its event.
func (r *replay) note(a *schemas.Attributes) {
	topic := schemas.TopicOf(a.Type)
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	if keeps, limited := r.keeps[topic]; limited && err == nil && time.Since(at) > keeps {
		r.old[topic]++
	}
}

// tellOld says of which topics the broker will soon delete copies.
func (r *replay) tellOld(out io.Writer, k *kafka.Sink) {
	for _, topic := range slices.Sorted(maps.Keys(r.old)) {
		fmt.Fprintf(out, "lowcap-cdc: %d copies in topic %s are older than it keeps records, and the broker may delete them at any time; run: %s\n",
			r.old[topic], topic, k.KeepForEver(topic))
	}
}

func (r *replay) commit(ctx context.Context) error {
	n := len(r.batch.Events)
	if n == 0 {
		return nil
	}
	r.done.reach(&r.batch.Events[0].Attributes, &r.batch.Events[n-1])
	r.batch.State = []cdc.StateRecord{{Key: cdc.CopyKey, Value: []byte(r.done.String())}}
	if err := r.to.Commit(ctx, &r.batch); err != nil {
		return err
	}
	r.copied += n
	if settings.IsTerminal(r.progress) {
		fmt.Fprintf(r.progress, "\r%d events copied", r.copied)
	}
	r.batch, r.bytes = cdc.Batch{}, 0
	return nil
}
