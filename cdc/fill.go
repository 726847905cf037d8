package cdc

import (
	"context"

	"lowcap-cdc/decode"
)

const (
	// idleCommit is how often, by the database's clock, a stream that brings nothing of interest still moves its
	// checkpoint and with it the slot, so that no WAL is kept for an idle publication.
	idleCommit = decode.Micros(10 * 1000000)
	// idleBytes does the same for a busy stream of uninteresting changes.
	idleBytes = 64 << 20
	// aliveCommit is how often a checkpoint is committed although its place has not moved, because the database is
	// entirely idle: by it others see that the stream lives. They are promised one every 30 s.
	aliveCommit = decode.Micros(20 * 1000000)
)

// fill collects a batch: what there is when the stream is quiet, as much as a batch holds when it is busy. It returns
// nil when ctx ended and nothing is worth a commit.
func (p *Pipeline) fill(ctx context.Context) (*Batch, error) {
	for !p.machine.out.isFull() {
		waits := !p.Source.Buffered()
		if waits {
			if err := p.awaitCommit(); err != nil {
				return nil, err // and nothing is left to do meanwhile
			}
			if p.isQuiet() {
				break
			}
		}
		message, err := p.next(ctx)
		if err != nil && ctx.Err() != nil {
			return p.leftover()
		}
		if err != nil {
			return nil, sourceFailed("read source", err)
		}
		if waits {
			p.hooks.Heard()
		}
		due, err := p.handle(message)
		if err != nil {
			return nil, err
		}
		if due {
			break
		}
	}
	return p.seal()
}

// isQuiet reports whether the batch should be committed although it is not full: nothing else is there.
func (p *Pipeline) isQuiet() bool {
	return !p.open && !p.machine.out.isEmpty() && !p.Source.Buffered()
}

func (p *Pipeline) next(ctx context.Context) (decode.Message, error) {
	if message := p.again; message != nil {
		p.again = nil
		return message, nil
	}
	return p.Source.Next(ctx)
}

// handle applies a message and reports whether a commit is due.
func (p *Pipeline) handle(message decode.Message) (due bool, err error) {
	switch m := message.(type) {
	case nil:
		return false, nil
	case *decode.Begin:
		if m.Snapshot && !p.machine.out.isEmpty() {
			p.again = m // what the stream brought is a commit of its own
			return true, nil
		}
		// The server sends nothing that was confirmed; this is the one comparison that would notice if it did.
		p.open, p.committed = true, !m.Snapshot && m.CommitLSN < p.state.Checkpoint.LSN
		p.machine.begin(m)
		return false, nil
	case *decode.Commit:
		return p.handleCommit(m)
	case *decode.Progress:
		return p.handleProgress(m), nil
	case *decode.Annotation:
		p.machine.annotate(m)
		return false, nil
	case *decode.Session:
		p.machine.attribute(m)
		return false, nil
	}
	if p.committed {
		return false, nil
	}
	applied, err := p.machine.apply(message)
	if err != nil {
		return false, err
	}
	if !applied {
		p.again = message
	}
	return !applied, nil
}

func (p *Pipeline) handleCommit(m *decode.Commit) (due bool, err error) {
	snapshot := p.machine.rows != nil
	if snapshot {
		complete, err := p.machine.finishRows()
		if err != nil || !complete || !p.machine.out.isEmpty() {
			// The rows go first, as parts, so that a sink can tell every event of a snapshot from one of the stream.
			p.again = m
			return true, err
		}
	}
	if p.committed {
		p.open = false
		return false, nil
	}
	if told, err := p.machine.tellDue(); !told || err != nil {
		p.again = m
		return true, err
	}
	p.open = false
	p.machine.commit(m)
	return snapshot || p.isUntil() || m.EndLSN-p.sealed.LSN >= idleBytes, nil
}

func (p *Pipeline) handleProgress(m *decode.Progress) (due bool) {
	checkpoint := &p.state.Checkpoint
	if p.open || m.LSN < checkpoint.LSN {
		return false
	}
	checkpoint.LSN, checkpoint.Time = m.LSN, m.Time
	if m.LSN > checkpoint.Cut.CommitLSN {
		// Not before: while the server reads a cut transaction again, it reports places below its commit.
		checkpoint.Cut = Cut{}
	}
	return p.isUntil() || (m.LSN > p.sealed.LSN && p.isLongAgo(m)) || m.Time-p.sealed.Time >= aliveCommit
}

// isLongAgo reports whether the last commit is too old for a slot that should move. A database clock that was set back
// counts as old: waiting until it has caught up would keep WAL for as long.
func (p *Pipeline) isLongAgo(m *decode.Progress) bool {
	passed := m.Time - p.sealed.Time
	return passed < 0 || passed >= idleCommit || m.LSN-p.sealed.LSN >= idleBytes
}

func (p *Pipeline) isUntil() bool { return p.Until != 0 && p.state.Checkpoint.LSN >= p.Until }

// seal closes the batch at the place that was reached.
func (p *Pipeline) seal() (*Batch, error) {
	inSnapshot := p.machine.rows != nil
	p.Source.Await(p.state.agenda.next)
	if p.open && !inSnapshot {
		p.machine.cut()
	}
	batch, err := p.machine.out.seal(p.state, inSnapshot)
	if err == nil && inSnapshot {
		batch.Rows = Rows{Read: p.machine.rows.compared, Of: p.machine.rows.of}
	}
	return batch, err
}

// leftover is the last batch of a run that was told to stop. Half a snapshot is not worth keeping: the next run starts
// it again, and nothing of this half was visible.
func (p *Pipeline) leftover() (*Batch, error) {
	if p.machine.out.isEmpty() || p.machine.rows != nil {
		return nil, nil
	}
	return p.seal()
}
