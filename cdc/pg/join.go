package pg

import (
	"context"
	"encoding/binary"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

const (
	// joinWithin bounds how long the stream waits for the snapshot of a table that is back. A slot's creation waits for
	// transactions that are writing, and the other table's events must not.
	joinWithin = 2 * time.Second
	// joinAgain is when the next attempt is made.
	joinAgain = 20 * time.Second
)

// join is the snapshot of tables that are back, which is delivered when the stream has reached its consistent point.
type join struct {
	snapshot *snapshot // nil when none waits
	retry    time.Time
}

// openJoin takes a snapshot of the missing tables that exist again, at a place ahead of the stream: whatever is
// committed after it is still to come. That it fails ends nothing: the next attempt does the same. A table that exists and
// is not in the publication yet is not back: its changes would be missing from here on.
func (s *Source) openJoin(ctx context.Context) {
	if time.Now().Before(s.join.retry) {
		return
	}
	s.join.retry = time.Now().Add(joinAgain)
	var back [decode.Positions + 1]bool
	for _, t := range decode.Tables {
		back[t] = s.watcher.back[t].Swap(false) && s.tables.get(t).Missing
	}
	if !back[decode.Blocks] && !back[decode.Positions] {
		s.join.retry = time.Time{}
		return
	}
	opened, err := s.joinSnapshot(ctx, func(e *tableEntry) bool { return back[e.table] }, joinWithin)
	if err != nil {
		s.config.notice("snapshot of a table that is back: " + message(err))
		return
	}
	s.join = join{snapshot: opened}
	s.extend(opened.point)
}

// joinSnapshot takes a snapshot of tables at a place ahead of the stream.
func (s *Source) joinSnapshot(ctx context.Context, of reads, atMost time.Duration) (*snapshot, error) {
	within, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	conn, err := s.config.connectReplication(within)
	if err != nil {
		return nil, err
	}
	// The temporary slot goes with the connection; the transaction that took its snapshot over stays.
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	name := s.config.Slot[:min(len(s.config.Slot), 58)] + "_join"
	made, err := createSlot(within, conn, name, "TEMPORARY ", false)
	if err != nil {
		return nil, err
	}
	return openSnapshot(ctx, s.config, made, of)
}

// isDue reports whether the frame is of a place behind the waiting snapshot's.
func (j *join) isDue(f frame) bool {
	if j.snapshot == nil {
		return false
	}
	if f.data == nil {
		return f.walEnd >= j.snapshot.point
	}
	const finalLSN = 1 // in a Begin message, behind its type
	return len(f.data) >= finalLSN+8 && f.data[0] == 'B' && decode.LSN(binary.BigEndian.Uint64(f.data[finalLSN:])) >= j.snapshot.point
}

// know takes over which tables a snapshot holds, as the machine does: the first one of all, also which it does not hold; a later one
// only of those that were missing.
func (s *Source) know(snap *snapshot) {
	s.knowParts(&snap.found)
	for _, t := range decode.Tables {
		id, known := snap.begin.Tables[t], s.tables.get(t)
		switch {
		case id.OID != 0 && (s.stream == nil || known.Missing):
			s.setTable(t, cdc.TableState{ID: id})
		case s.stream == nil:
			s.setTable(t, cdc.TableState{ID: known.ID, Missing: true})
		}
	}
}
