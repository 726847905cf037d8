package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// feed brings events from a sink to lanes, each from its own place.
type feed interface {
	// follow reads for a lane until ctx ends; then it returns nil. placed is called when the lane has its place, which may
	// be several times.
	follow(ctx context.Context, l *lane, placed func()) error
	// waiting hands to take what a lane has not handled.
	waiting(ctx context.Context, l *lane, take func(*sink.Stored) error) error
	// checkpoint returns the newest checkpoint in the sink; its slot is empty when there is none.
	checkpoint(ctx context.Context) (cdc.Checkpoint, error)
}

// kafkaFeed has each lane's place in a consumer group of that name.
type kafkaFeed struct {
	kafka *kafka.Sink
	since time.Time // where a lane without a place begins; zero for now

	mu     sync.Mutex
	cursor *kafka.CheckpointCursor
	newest cdc.Checkpoint
}

func newKafkaFeed(k *kafka.Sink, since time.Time) *kafkaFeed {
	return &kafkaFeed{kafka: k, since: since, cursor: k.CheckpointCursor()}
}

func (f *kafkaFeed) follow(ctx context.Context, l *lane, placed func()) error {
	return f.kafka.Consume(ctx, l.place, l.topics(), kafka.Member{
		Since: f.since, Deliver: l.deliver,
		Assigned: func(a kafka.Assignment) {
			l.assigned(a.Partitions)
			if a.Removed > 0 {
				l.owe(recordsRemoved(a.Removed, a.Oldest))
			}
			placed()
		},
		Interrupted: l.interrupted,
	})
}

func (f *kafkaFeed) waiting(ctx context.Context, l *lane, take func(*sink.Stored) error) error {
	return f.kafka.Waiting(ctx, l.place, l.topics(), take)
}

func (f *kafkaFeed) checkpoint(ctx context.Context) (cdc.Checkpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.cursor.Read(ctx, func(value []byte) error { return loadCheckpoint(&f.newest)(cdc.CheckpointKey, value) })
	return f.newest, err
}

// loadCheckpoint takes the checkpoint from among state records.
func loadCheckpoint(to *cdc.Checkpoint) func(key string, value []byte) error {
	return func(key string, value []byte) error {
		if key != cdc.CheckpointKey || value == nil {
			return nil
		}
		*to = cdc.Checkpoint{}
		if err := json.Unmarshal(value, to); err != nil {
			return fmt.Errorf("read checkpoint: %w", err)
		}
		return nil
	}
}

// fileFeed has each lane's place in a file.
type fileFeed struct {
	reader sink.Reader
	places *places
	since  time.Time
}

const (
	roundEvents = 500                    // at most
	roundWait   = 100 * time.Millisecond // for the first event of a round
	againAfter  = time.Second            // when the files cannot be read

	complainEvery = 5 * time.Minute
)

func (f *fileFeed) follow(ctx context.Context, l *lane, placed func()) error {
	begun := sync.OnceFunc(func() { l.assigned(1); placed() })
	var stale string // the place in another history, which says nothing of this one
	var last *place  // where it stood
	for ctx.Err() == nil {
		at, err := f.place(ctx, l, last)
		if err == nil && !at.isIn(stale) {
			err = f.checkHistory(ctx, at)
		}
		if err == nil {
			begun()
			l.forget()
			if at.isIn(stale) {
				at = &place{}
			}
			last = at
			err = f.read(ctx, l, at)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errAnother):
			stale = at.Sequence
			l.owe(historyReplaced(at))
			continue
		case err != nil && !errors.Is(err, fs.ErrNotExist) && sink.IsPermanent(err):
			return err
		case err != nil:
			l.interrupted(err)
		}
		sleep(ctx, againAfter)
	}
	return nil
}

// place reads where a lane goes on. One that is new begins at now, or since a time. One that was there, and is lost since,
// is no new one: last is where it stood.
func (f *fileFeed) place(ctx context.Context, l *lane, last *place) (*place, error) {
	at, isNew, err := f.places.read(l.place)
	switch {
	case err != nil || !isNew:
		return at, err
	case last != nil:
		l.log.Error().Uint64("number", last.Number).Msg("the file of the route's place was removed; it is written anew")
		return last, f.places.write(l.place, last)
	}
	err = f.reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		a := e.Attributes()
		if committed, err := time.Parse(time.RFC3339Nano, a.Time); f.since.IsZero() || (err == nil && committed.Before(f.since)) {
			at.Sequence, at.Number = a.Sequence, a.Number
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // of a sink that is not there yet everything is new
		return nil, err
	}
	return at, f.places.write(l.place, at)
}

// read follows the files from the place on and hands out rounds.
func (f *fileFeed) read(ctx context.Context, l *lane, at *place) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	events, failed := make(chan sink.Stored, roundEvents), make(chan error, 1)
	from, begun := *at, at.Sending
	go func() {
		failed <- f.reader.ReadEvents(ctx, sink.Range{Follow: true}, func(e *sink.Stored) error {
			if sequence := e.Sequence(); sequence <= from.Sequence {
				return from.holds(e, sequence)
			}
			select {
			case events <- *e:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	at.Sending = ""
	for {
		found, err := nextRound(events, failed)
		if err != nil || ctx.Err() != nil {
			return err
		}
		for i := range found {
			if number := found[i].Attributes().Number; at.Number > 0 && number > at.Number+uint64(i)+1 {
				l.owe(eventsRemoved(at.Number+uint64(i)+1, number-1))
				break
			}
		}
		round := f.round(l, at, found, begun)
		if err := l.deliver(ctx, round); err != nil {
			return err
		}
		if n := len(found); n > 0 {
			at.Sequence, at.Number = found[n-1].Sequence(), found[n-1].Attributes().Number
		}
	}
}

// nextRound collects what is there, or nothing after a moment.
func nextRound(events <-chan sink.Stored, failed <-chan error) (found []sink.Stored, err error) {
	select {
	case e := <-events:
		found = append(found, e)
	case err := <-failed:
		return nil, err
	case <-time.After(roundWait):
	}
	for len(found) > 0 && len(found) < roundEvents {
		select {
		case e := <-events:
			found = append(found, e)
			continue
		default:
		}
		break
	}
	return found, nil
}

func (f *fileFeed) round(l *lane, at *place, found []sink.Stored, begun string) *sink.Round {
	before := *at
	return &sink.Round{Events: found, Begun: func(e *sink.Stored) bool { return begun != "" && e.Attributes().ID == begun },
		Handled: func(_ context.Context, n int, sending bool) error {
			next := before
			if n > 0 {
				next.Sequence, next.Number = found[n-1].Sequence(), found[n-1].Attributes().Number
			}
			if sending {
				next.Sending = found[n].Attributes().ID
			}
			return f.places.write(l.place, &next)
		}}
}

func (f *fileFeed) waiting(ctx context.Context, l *lane, take func(*sink.Stored) error) error {
	at, isNew, err := f.places.read(l.place)
	if err != nil || isNew {
		return err
	}
	return f.reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		if e.Sequence() <= at.Sequence {
			return nil
		}
		return take(e)
	})
}

func (f *fileFeed) checkpoint(ctx context.Context) (newest cdc.Checkpoint, err error) {
	err = f.reader.ReadState(ctx, loadCheckpoint(&newest))
	return newest, err
}

// interrupted says why reading stopped; the same again only now and then, as an outage may last for hours.
func (l *lane) interrupted(err error) {
	l.health.stop(err.Error())
	if now := time.Now(); err.Error() != l.complaint || now.Sub(l.complained) > complainEvery {
		l.complaint, l.complained = err.Error(), now
		l.log.Warn().Err(err).Msg("reading was interrupted; it begins again")
	}
}

// forget prepares a lane to read again from its place: what was gathered comes again.
func (l *lane) forget() {
	if l.gather != nil {
		l.gather.total = 0
	}
}

// assigned prepares a lane to read what it was given.
func (l *lane) assigned(partitions int) {
	l.forget()
	l.health.reads(time.Time{})
	l.health.goOn()
	l.log.Info().Int("partitions", partitions).Msg("partitions assigned")
}
