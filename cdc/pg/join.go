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
	var tables []decode.Table
	for _, t := range decode.Tables {
		if s.watcher.back[t].Swap(false) && s.tables.get(t).Missing {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		s.join.retry = time.Time{}
		return
	}
	opened, err := s.joinSnapshot(ctx, tables, joinWithin)
	if err != nil {
		s.config.notice("snapshot of a table that is back: " + message(err))
		return
	}
	s.join = join{snapshot: opened}
	s.extend(opened.point)
}

// joinSnapshot takes a snapshot of tables at a place ahead of the stream.
func (s *Source) joinSnapshot(ctx context.Context, tables []decode.Table, atMost time.Duration) (*snapshot, error) {
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
	return openSnapshot(ctx, s.config, made, tables)
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

// know takes over which tables a snapshot holds. What the first one does not hold is missing.
func (s *Source) know(snap *snapshot) {
	s.knowParts(&snap.found)
	for _, t := range decode.Tables {
		if id := snap.begin.Tables[t]; id.OID != 0 {
			s.setTable(t, cdc.TableState{ID: id})
		} else if s.stream == nil {
			s.setTable(t, cdc.TableState{ID: s.tables.get(t).ID, Missing: true})
		}
	}
}
