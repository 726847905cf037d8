package cdc

import (
	"context"
)

// commit is a batch on its way into the sink.
type commit struct {
	batch      *Batch
	out        *outbox    // whose memory the batch is in
	checkpoint Checkpoint // what the sink has with it
	result     chan error
}

// commit gives the batch to the sink, and the machine another outbox: the next batch is filled in the meantime. There is
// never more than one commit under way, so order and fencing are the sink's as before.
func (p *Pipeline) commit(ctx context.Context, batch *Batch) {
	c := &commit{batch: batch, out: p.machine.out, checkpoint: p.state.Checkpoint, result: make(chan error, 1)}
	p.underway = c
	if !batch.More {
		p.sealed = c.checkpoint
	}
	if p.machine.out, p.spare = p.spare, nil; p.machine.out == nil {
		p.machine.out = newOutbox(&p.state.Checkpoint.Events, c.out.limit)
	}
	p.hooks.Committing(batch)
	go func() {
		err := p.Sink.Commit(ctx, batch)
		if err == nil {
			p.hooks.Durable(batch)
		}
		c.result <- err
	}()
}

// awaitCommit waits for the commit that is under way, if there is one, and then confirms it to the source.
func (p *Pipeline) awaitCommit() error {
	c := p.underway
	if c == nil {
		return nil
	}
	p.underway = nil
	if err := <-c.result; err != nil {
		return sinkFailed("commit to sink", err)
	}
	if !c.batch.More {
		p.last = c.checkpoint
		p.Source.Confirm(p.last.LSN)
	}
	rows, bytes := p.state.Images()
	p.hooks.Committed(Progress{Checkpoint: c.checkpoint, Events: c.batch.Events, Images: rows, ImageBytes: bytes,
		Snapshot: c.batch.More, Rows: c.batch.Rows})
	c.out.reset()
	p.spare = c.out
	return nil
}
