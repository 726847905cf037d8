package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// A history moves to another sink in two parts: the events, which may be copied while an instance still writes, and then its
// state, in one commit, when it is certain that the events end where the state does. Until that commit a run there is refused.

// moving is a history on its way to another sink.
type moving struct {
	known   cdc.Checkpoint // before the events were read
	rows    int
	there   *cdc.State // what the other sink holds already
	last    schemas.Chain
	emptied emptied
	user    string // who reads from the slot, empty for nobody
}

// emptied are the places of events of which retention has removed every one.
type emptied map[string]bool

func placeOf(topic string, partition int) string { return fmt.Sprintf("%s/%d", topic, partition) }

// allowsState reports flags that do not fit --with-state.
func (c *replayCommand) allowsState(s *settings.Settings) error {
	switch {
	case !c.WithState:
		return nil
	case c.To != "":
		return settings.Usage(errors.New("--with-state moves the history up to its end; leave --to out"))
	case strings.HasPrefix(c.Into, "stdout:"):
		return settings.Usage(errors.New("--into stdout: keeps no state; name kafka://HOST:PORT or file:DIR"))
	}
	return s.Require()
}

// readMoving reads what the sink holds of a history, and looks whether an instance is at work.
func readMoving(ctx context.Context, s *settings.Settings, reader sink.Reader) (*moving, error) {
	state := cdc.NewState()
	if err := reader.ReadState(ctx, state.Load); err != nil {
		return nil, err
	}
	if err := errors.Join(state.Checkpoint.CheckSource(s.Slot, cdc.Identity{Schema: s.Schema}), state.Verify(), arrived(ctx, reader)); err != nil {
		return nil, err
	}
	m := &moving{known: state.Checkpoint, there: cdc.NewState(), emptied: make(emptied)}
	if m.known.Events.Number == 0 {
		return nil, settings.Repair(errors.New("--sink holds no history that could go on elsewhere; run with the other sink begins one"))
	}
	m.rows, _ = state.Images()
	kept, err := reader.Kept(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		if k.First > 0 || k.Late {
			m.emptied[placeOf(k.Topic, k.Partition)] = true
		}
	}
	return m, m.look(ctx, s)
}

// look asks who reads from the slot.
func (m *moving) look(ctx context.Context, s *settings.Settings) error {
	slot, err := pg.InspectOnce(ctx, s.Source())
	if m.user = ""; err == nil && slot.Active {
		m.user = "an instance"
	}
	return err
}

// isThere reports whether the other sink has the state already.
func (m *moving) isThere() bool { return m != nil && m.there.Checkpoint.Slot != "" }

// begin refuses a sink whose history has gone on.
func (m *moving) begin() error {
	if !m.isThere() || m.there.Checkpoint.Events == m.known.Events {
		return nil
	}
	return settings.Repair(fmt.Errorf("--into holds a history already, up to event %d, and --sink up to event %d: it went on after it was moved; "+
		"nothing was written; go on with the sink that is right, or name another one with --into or --into-prefix",
		m.there.Checkpoint.Events.Number, m.known.Events.Number))
}

// follow notes an event that was read.
func (m *moving) follow(e *sink.Stored, a *schemas.Attributes) {
	if m != nil {
		m.last.Add(a.Number, e.Value)
		delete(m.emptied, placeOf(e.Topic, e.Partition))
	}
}

// joins refuses an event that does not follow the one before it, when an earlier attempt has begun the copy: retention may have been
// faster than the next attempt, and there would be a hole.
func (m *moving) joins(before *uint64, a *schemas.Attributes) error {
	if m == nil || *before == 0 {
		return nil
	}
	if a.Number > *before+1 {
		return settings.Repair(fmt.Errorf("events %d to %d are not in --sink any more, and were not copied before; "+
			"delete the topics of --into, or name another --into-prefix, and run the same again", *before+1, a.Number-1))
	}
	*before = a.Number
	return nil
}

// moveState writes the state behind the events, when they end where it does.
func (r *replay) moveState(ctx context.Context, s *settings.Settings, reader sink.Reader, out io.Writer, into string) error {
	m := r.history
	if !m.isThere() {
		if err := m.isWhole(ctx, s); err != nil {
			return err
		}
		if err := r.copyState(ctx, reader); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "the state is there too, up to event %d: go on from there with run --sink %s\n", m.known.Events.Number, into)
	return err
}

// isWhole refuses to end a move while an instance may still write, or where events are missing.
func (m *moving) isWhole(ctx context.Context, s *settings.Settings) error {
	before := m.user
	if err := m.look(ctx, s); err != nil {
		return err
	}
	switch {
	case before != "" || m.user != "":
		return settings.Repair(fmt.Errorf("events up to number %d were copied, and the state was not: an instance reads from slot %q and writes to --sink; "+
			"stop it, and run the same again", m.last.Number, s.Slot))
	case m.last == m.known.Events, len(m.emptied) > 0 && m.last.Number < m.known.Events.Number:
		return nil
	}
	return fmt.Errorf("%w: the state ends with event %d, and the last event that is there has number %d; the state was not copied; "+
		"run: lowcap-cdc audit verify", audit.ErrAltered, m.known.Events.Number, m.last.Number)
}

// copyState commits the state, all of it at once, with word that the copy is one no longer.
func (r *replay) copyState(ctx context.Context, reader sink.Reader) error {
	state, size := cdc.NewState(), 0
	batch := &cdc.Batch{More: true}
	batch.Rows.Of = uint64(r.history.rows)
	err := reader.ReadState(ctx, func(key string, value []byte) error {
		if err := state.Load(key, value); err != nil {
			return err
		}
		batch.State = append(batch.State, cdc.StateRecord{Key: strings.Clone(key), Value: bytes.Clone(value)})
		batch.Rows.Read++
		if size += len(key) + len(value); size < replayBytes {
			return ctx.Err()
		}
		if err := r.to.Commit(ctx, batch); err != nil {
			return err
		}
		batch.State, size = nil, 0
		return nil
	})
	if err := errors.Join(err, state.Verify()); err != nil {
		return err
	}
	if now, was := &state.Checkpoint, &r.history.known; now.Events != was.Events || now.LSN != was.LSN {
		return settings.Repair(fmt.Errorf("an instance has written to --sink meanwhile, up to event %d; the state was not copied; stop it, and run the same again",
			now.Events.Number))
	}
	batch.State, batch.More = append(batch.State, cdc.StateRecord{Key: cdc.CopyKey}), false
	return r.to.Commit(ctx, batch)
}
