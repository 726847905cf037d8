package pg

import (
	"context"
	"fmt"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// startAdopting starts with a server that may be another than that of the history.
func (s *Source) startAdopting(ctx context.Context, start cdc.Start) (cdc.Started, error) {
	known := &start.Known
	stands, err := stand(ctx, s.config, s.repl, known)
	if err != nil {
		return cdc.Started{}, err
	}
	s.identity = stands.Identity
	begun := known.Adoption.IsOf(s.identity) && !known.Adoption.CameAlong
	switch {
	case (!start.Adopt && !begun) || stands.Way == Goes:
		if stands.Why != nil {
			return cdc.Started{}, stands.Why
		}
		if known.Adoption != nil && known.Adoption.CameAlong && start.Resume != 0 {
			started, err := s.lookForLoss(ctx, start)
			if err != nil || started.Lost != "" {
				return started, err
			}
			return s.startProof(ctx, started, start.Known)
		}
		return s.startKnown(ctx, start)
	case stands.Way == Anew || start.Resume == 0:
		return s.adoptAnew(ctx, start, stands)
	}
	started := cdc.Started{Identity: s.identity, Adopted: true, CameAlong: true, Resume: stands.resume, Tables: stands.tables,
		Publication: stands.publication}
	from := start.Known
	from.LSN, from.Time, from.Publication = started.Resume.LSN, started.Resume.Time, started.Publication
	for t, id := range started.Tables {
		if from.Tables[t].ID = id; from.Tables[t].Missing {
			from.Tables[t].ID = known.Tables[t].ID
		}
		s.setTable(decode.Table(t), from.Tables[t])
	}
	return s.startProof(ctx, started, from)
}

// adoptAnew adopts a server without the slot.
func (s *Source) adoptAnew(ctx context.Context, start cdc.Start, stands *Standing) (cdc.Started, error) {
	if stands.exists && !stands.slot.isOurs(s.identity.Database) {
		return cdc.Started{}, permanentf("%s, which is not the one to adopt; choose another server, or, if nobody reads from it, run: "+
			"psql -c \"select pg_drop_replication_slot('%s')\"", stands.slot.describe(s.config.Slot), s.config.Slot)
	}
	started := cdc.Started{Identity: s.identity, Adopted: true}
	start.Resume, start.Owned = 0, true
	if err := s.config.hook("before-adopt"); err != nil {
		return cdc.Started{}, err
	}
	return started, s.startSnapshot(ctx, start, started)
}

// proofWithin bounds how long the snapshot of a proof may wait for transactions that are writing.
const proofWithin = 10 * time.Minute

// startProof streams from a slot that came along, and takes a snapshot ahead of it: when the stream gets there, the rows must be
// what the images say.
func (s *Source) startProof(ctx context.Context, started cdc.Started, from cdc.Checkpoint) (cdc.Started, error) {
	if err := s.checkSlot(ctx, from); err != nil {
		return cdc.Started{}, err
	}
	if err := s.config.hook("before-proof"); err != nil {
		return cdc.Started{}, err
	}
	told := sayWaiting(ctx, s.config)
	proof, err := s.joinSnapshot(ctx, isInStream(&from), proofWithin)
	told()
	if err != nil {
		return cdc.Started{}, fmt.Errorf("take a snapshot of what is to be adopted: %w", err)
	}
	s.join.snapshot = proof
	s.extend(proof.point)
	return started, s.startStream(ctx, from)
}

// isInStream says of a table whether it is in the stream, as it is at a checkpoint. Of one that is missing, or has left since, nothing
// can be proved: what came and went meanwhile its rows do not tell. The watcher finds it, and says so behind the proof.
func isInStream(at *cdc.Checkpoint) reads {
	return func(e *tableEntry) bool {
		known := &at.Tables[e.table]
		return !known.Missing && e.isIn(known.ID)
	}
}
