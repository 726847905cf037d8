package cdc

import (
	"context"
	"errors"

	"lowcap-cdc/decode"
)

// Pipeline moves a source's changes into a sink, every event once and in order.
type Pipeline struct {
	Source Source
	Sink   Sink
	Slot   string
	// Until ends Run when everything committed before it is in the sink and confirmed; 0 means never.
	Until decode.LSN
	// Reconcile, when not empty, starts with a new snapshot although the sink holds state, reports the differences,
	// and gives this as the reason of the gap.
	Reconcile string
	// Hooks are told what Run does.
	Hooks Hooks

	hooks     Hooks // without a nil
	state     *State
	damage    error // what is wrong with it; a reconcile starts all the same
	machine   *machine
	limit     int            // of a batch, for tests; 0 is the usual one
	sealed    Checkpoint     // what the sink has after the last batch handed to it
	last      Checkpoint     // what it is known to have
	underway  *commit        // nil when the sink has everything that was handed to it
	spare     *outbox        // that no batch is in
	open      bool           // inside a transaction
	committed bool           // that transaction is in the sink already
	again     decode.Message // a message that the last batch had no room for
}

// Run is the guarantee. State and checkpoint come from the sink, where they were committed with the events they
// belong to; the source continues from there; a batch is confirmed to the database after the sink has it, never before,
// and given to the sink after the sink has the one before it. While a batch is committed the next one is filled, from
// what the server has sent already. Whatever fails ends Run, and the next Run starts in the same way: there is no other
// recovery.
//
// Run returns nil when Until is reached, or when ctx is cancelled and the batch in hand is in the sink.
func (p *Pipeline) Run(ctx context.Context) error {
	p.state, p.hooks = NewState(), Tee(p.Hooks, nobody)
	p.hooks.Starting()
	if err := p.Source.Free(ctx); err != nil {
		return sourceFailed("start source", err)
	}
	if err := p.resume(ctx); err != nil {
		return sinkFailed("resume sink", err)
	}
	if err := p.start(ctx); err != nil {
		return sourceFailed("start source", err)
	}
	for !p.isFinished() {
		batch, err := p.fill(ctx)
		if err := errors.Join(err, p.awaitCommit()); err != nil || batch == nil {
			return err
		}
		p.commit(context.WithoutCancel(ctx), batch)
		if ctx.Err() != nil || p.isUntil() {
			err = p.awaitCommit() // nothing is to be filled meanwhile
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// resume takes the state from the sink, and makes sure that it is whole and of this slot. A reconcile reads every row anew,
// so it may begin with a damaged one: what the images say is not believed then.
func (p *Pipeline) resume(ctx context.Context) error {
	p.hooks.Resuming()
	p.damage = nil
	if err := p.Sink.Resume(ctx, p.load); err != nil {
		return err
	}
	if err := p.state.Checkpoint.CheckSource(p.Slot, Identity{}); err != nil {
		return err
	}
	if p.Reconcile == "" {
		p.Reconcile = p.state.Checkpoint.Reconcile // one that an earlier run began and did not finish
	}
	if p.damage == nil {
		p.damage = p.state.Verify()
	}
	if damage := new(StateError); p.damage != nil && (p.Reconcile == "" || !errors.As(p.damage, &damage) || damage.Unreadable) {
		return p.damage
	}
	p.hooks.Resumed()
	return nil
}

// load takes a record of the state that the sink holds.
func (p *Pipeline) load(key string, value []byte) error {
	err := p.state.Load(key, value)
	if damage := new(StateError); errors.As(err, &damage) && !damage.Unreadable {
		p.damage = err
		return nil
	}
	if err != nil {
		return err
	}
	p.hooks.Loaded(key, value)
	return nil
}

// start positions the source after the checkpoint, or at a new snapshot when there is none.
func (p *Pipeline) start(ctx context.Context) error {
	checkpoint := &p.state.Checkpoint
	start := Start{Resume: checkpoint.LSN, Known: *checkpoint, Owned: checkpoint.Slot == p.Slot, Claim: p.claim, Extend: p.extend}
	if p.Reconcile != "" {
		start.Resume = 0
	}
	identity, err := p.Source.Start(ctx, start)
	if err != nil {
		return err
	}
	p.hooks.Started(start)
	checkpoint.Identity, checkpoint.Slot = identity, p.Slot
	p.sealed, p.last = *checkpoint, *checkpoint
	p.machine = newMachine(p.state, p.Reconcile)
	p.machine.damaged = p.damage != nil
	p.Source.Await(p.state.agenda.next)
	if p.limit > 0 {
		p.machine.out.limit = p.limit
	}
	return nil
}

// extend moves the end of a run that has one.
func (p *Pipeline) extend(end decode.LSN) {
	if p.Until != 0 {
		p.Until = max(p.Until, end)
	}
}

// claim makes durable that the slot belongs to this sink, before it is created: a slot that is found without its state
// can then be told from another program's, and a new one from the one that the checkpoint belongs to.
func (p *Pipeline) claim(ctx context.Context, identity Identity) error {
	claimed := p.state.Checkpoint
	claimed.Identity, claimed.Slot, claimed.Reconcile = identity, p.Slot, p.Reconcile
	value, err := claimed.encode()
	if err != nil {
		return err
	}
	return p.Sink.Commit(ctx, &Batch{State: []StateRecord{{Key: CheckpointKey, Value: value}}})
}

func (p *Pipeline) isFinished() bool {
	return p.Until != 0 && !p.open && p.last.LSN >= p.Until && p.last.Cut == Cut{}
}
