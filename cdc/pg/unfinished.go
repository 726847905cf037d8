package pg

import (
	"context"
	"errors"
	"fmt"

	"lowcap-cdc/decode"
)

// unfinished is the slot of a snapshot that the sink may not have. Left alone it holds WAL back until the disk is full.
type unfinished struct {
	point decode.LSN // consistent point: tells the slot from one that another instance made since under the same name
	left  bool       // the slot is there, and no commit of its snapshot was heard of
	whole bool       // all of the snapshot was handed on, so that it may have been committed
}

// giveBack removes the slot of a snapshot that ended early: nothing of that can be in the sink, and the next start makes another.
// What stays it tells of.
func (s *Source) giveBack(ctx context.Context) {
	if !s.unfinished.left {
		return
	}
	s.unfinished.left = false
	why := errors.New("whether the sink has its snapshot is not known")
	if !s.unfinished.whole {
		why = s.dropUnfinished(ctx)
	}
	if why != nil {
		s.config.notice(fmt.Sprintf("slot %q stays on the server and holds WAL back: %v; to go on, start again; to give up, run: lowcap-cdc teardown",
			s.config.Slot, why))
	}
}

func (s *Source) dropUnfinished(ctx context.Context) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	dropped, err := conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots
		where slot_name = $1 and confirmed_flush_lsn = $2::text::pg_lsn and not active`, s.config.Slot, s.unfinished.point.String())
	if err != nil {
		return fmt.Errorf("drop it: %s", message(err))
	}
	if dropped.RowsAffected() > 0 {
		return nil
	}
	slot, exists, err := readSlot(ctx, conn, s.config.Slot)
	if err == nil && exists && slot.confirmed == s.unfinished.point {
		err = errors.New("the server still counts it as in use")
	}
	return err
}
