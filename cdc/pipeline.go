package cdc

import (
	"cmp"
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
	// Repair does the same if the source finds that changes are lost to the stream.
	Repair bool
	// Adopt makes the source's server, where it is another than the history's, go on with the history.
	Adopt bool
	// HandOver notes at the end, which Until sets, that nothing is written behind it any more: the server that is adopted next
	// then has everything, unless its rows say otherwise.
	HandOver bool
	// Batch is how many events, and how many rows, a batch holds at most; 0 is the usual number.
	Batch int
	// Hooks are told what Run does.
	Hooks Hooks

	hooks     Hooks // without a nil
	state     *State
	damage    error // what is wrong with it; a reconcile starts all the same
	machine   *machine
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
	return p.handOver(ctx)
}

// handOver commits that the place which was reached is the last one of this server.
func (p *Pipeline) handOver(ctx context.Context) error {
	if !p.HandOver {
		return nil
	}
	p.state.Checkpoint.HandedOver = true
	batch, err := p.machine.out.seal(p.state, false)
	if err != nil {
		return err
	}
	p.commit(context.WithoutCancel(ctx), batch)
	return p.awaitCommit()
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
	if p.damage != nil && p.Adopt {
		p.Reconcile = cmp.Or(p.Reconcile, p.damage.Error())
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
	start := Start{Resume: checkpoint.LSN, Known: *checkpoint, Owned: checkpoint.Slot == p.Slot, Held: p.held, Claim: p.claim,
		Extend: p.extend, Repair: p.Repair, Adopt: p.Adopt}
	if p.Reconcile != "" {
		start.Resume = 0
	}
	started, err := p.Source.Start(ctx, start)
	if err != nil {
		return err
	}
	if started.Adopted && !started.CameAlong || started.Lost != "" {
		start.Resume = 0
	}
	p.Reconcile = cmp.Or(p.Reconcile, started.Lost)
	p.hooks.Started(start)
	p.begin(&started, start.Resume == 0)
	p.Source.Await(p.state.agenda.next)
	return nil
}

// begin makes the machine for a source that has started.
func (p *Pipeline) begin(started *Started, snapshot bool) {
	c := &p.state.Checkpoint
	adopts := started.Adopted && (c.LSN != 0 || c.Events.Number != 0)
	if c.Slot = p.Slot; !adopts {
		c.Identity, c.HandedOver = started.Identity, false
	}
	if !c.Adoption.proves() {
		c.Adoption = nil // one that was begun on another server, and will not be finished
	}
	p.machine = newMachine(p.state, p.Reconcile)
	p.machine.damaged = p.damage != nil
	if p.Batch > 0 {
		p.machine.out.limit = p.Batch
	}
	if adopts {
		p.adopt(started)
	}
	p.sealed, p.last = *c, *c
	if snapshot {
		p.sealed.LSN, p.last.LSN = 0, 0 // the sink has nothing of this slot; its places may be far below those of the one before
	}
}

// extend moves the end of a run that has one.
func (p *Pipeline) extend(end decode.LSN) {
	if p.Until != 0 {
		p.Until = max(p.Until, end)
	}
}

// held commits the checkpoint as it is, which a sink refuses that another instance has taken over.
func (p *Pipeline) held(ctx context.Context) error {
	var value []byte
	if p.state.committed {
		var err error
		if value, err = p.state.Checkpoint.encode(); err != nil {
			return err
		}
	}
	return p.Sink.Commit(ctx, &Batch{State: []StateRecord{{Key: CheckpointKey, Value: value}}})
}

// claim makes durable that the slot belongs to this sink, before it is created: a slot that is found without its state
// can then be told from another program's, and a new one from the one that the checkpoint belongs to.
func (p *Pipeline) claim(ctx context.Context, s Started) error {
	claimed := p.state.Checkpoint
	claimed.Slot, claimed.Reconcile = p.Slot, cmp.Or(p.Reconcile, s.Lost)
	if claimed.Adoption = nil; s.Adopted {
		claimed.Adoption = &Adoption{To: s.Identity} // until it is done the history is that of the server before
	} else {
		claimed.Identity = s.Identity
	}
	value, err := claimed.encode()
	if err != nil {
		return err
	}
	return p.Sink.Commit(ctx, &Batch{State: []StateRecord{{Key: CheckpointKey, Value: value}}})
}

func (p *Pipeline) isFinished() bool {
	return p.Until != 0 && !p.open && p.last.LSN >= p.Until && p.last.Cut == Cut{}
}
