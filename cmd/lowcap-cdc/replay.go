package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

type replayCommand struct {
	From       string `help:"Begin here: an age, a time, or an LSN; without it at the oldest event." placeholder:"1h|TIME|LSN"`
	To         string `help:"End before this; without it at the newest event." placeholder:"1h|TIME|LSN"`
	Into       string `help:"Where the copies go; --sink is where they come from." placeholder:"URL" required:""`
	IntoPrefix string `help:"What stands before each topic's name there, when it differs from --topic-prefix." placeholder:"PREFIX"`
}

const (
	replayBatch = 1000          // events of a commit
	replayBytes = 4 << 20       // or this many bytes
	replayKey   = "replay-done" // state record: the sequence of the last event that was copied
)

// Run copies committed events, unchanged. An interrupted replay goes on where it stopped.
func (c *replayCommand) Run(s *Settings, std *streams) error {
	now := time.Now()
	from, err := parsePoint(c.From, now)
	if err != nil {
		return err
	}
	to, err := parsePoint(c.To, now)
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.readUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	target, err := c.target(s, std)
	if err != nil {
		return err
	}
	r := &replay{to: target, progress: std.err}
	if err := r.run(ctx, reader, from, to); err != nil {
		return errors.Join(err, target.Close())
	}
	fmt.Fprintf(std.out, "%d events copied to %s, %d were there already\n", r.copied, redact(c.Into), r.skipped)
	return target.Close()
}

// target opens the sink that the copies go to. Its slot has another name, so that it neither fences a running instance
// nor touches its state.
func (c *replayCommand) target(s *Settings, std *streams) (cdc.Sink, error) {
	other := *s
	other.Sink, other.Slot = c.Into, s.Slot+"_replay"
	if c.IntoPrefix != "" {
		other.TopicPrefix = c.IntoPrefix
	}
	if other.Sink == s.Sink && other.TopicPrefix == s.TopicPrefix {
		return nil, &usageError{errors.New("--into is where the events are already; name another sink, or --into-prefix")}
	}
	return other.openSink(std.out)
}

// replay copies events in commits of its own.
type replay struct {
	to              cdc.Sink
	progress        io.Writer
	batch           cdc.Batch
	bytes           int
	done            string // sequence of the last event that is there
	copied, skipped int
}

func (r *replay) run(ctx context.Context, reader sink.Reader, from, to point) error {
	if k, ok := r.to.(*kafka.Sink); ok {
		if _, err := k.EnsureTopics(ctx); err != nil {
			return err
		}
	}
	err := r.to.Resume(ctx, func(key string, value []byte) error {
		if key != replayKey {
			return &usageError{fmt.Errorf("--into is the sink of a running pipeline (it holds %q); name an empty one", key)}
		}
		r.done = string(value)
		return nil
	})
	if err != nil {
		return err
	}
	err = reader.ReadEvents(ctx, sink.Range{Since: from.time}, func(e *sink.Stored) error {
		return r.take(ctx, e, from, to)
	})
	if err != nil {
		return err
	}
	return r.commit(ctx)
}

func (r *replay) take(ctx context.Context, e *sink.Stored, from, to point) error {
	a := e.Attributes()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !from.precedes(&a), to.isSet() && to.precedes(&a):
		return nil
	case a.Sequence <= r.done:
		r.skipped++
		return nil
	}
	r.batch.Events = append(r.batch.Events, cdc.Event{Attributes: a, Value: e.Value})
	r.bytes += len(e.Value)
	if len(r.batch.Events) < replayBatch && r.bytes < replayBytes {
		return nil
	}
	return r.commit(ctx)
}

func (r *replay) commit(ctx context.Context) error {
	n := len(r.batch.Events)
	if n == 0 {
		return nil
	}
	r.done = r.batch.Events[n-1].Sequence
	r.batch.State = []cdc.StateRecord{{Key: replayKey, Value: []byte(r.done)}}
	if err := r.to.Commit(ctx, &r.batch); err != nil {
		return err
	}
	r.copied += n
	if isTerminal(r.progress) {
		fmt.Fprintf(r.progress, "\r%d events copied", r.copied)
	}
	r.batch, r.bytes = cdc.Batch{}, 0
	return nil
}
