package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// slotState is a row of pg_replication_slots.
type slotState struct {
	plugin, kind, database, wal string
	invalidation                string // the server's own word for why it is invalid, from Postgres 17 on
	active                      int32
	user                        string // who uses it: process, host and application
	confirmed                   decode.LSN
	retained                    int64 // bytes of WAL kept for it
}

func readSlot(ctx context.Context, conn *pgx.Conn, name string) (slotState, bool, error) {
	var s slotState
	var confirmed string
	err := conn.QueryRow(ctx, `select coalesce(plugin, ''), slot_type, coalesce(database, ''), coalesce(wal_status, ''),
		coalesce(active_pid, 0), `+processOf("active_pid")+`, coalesce(confirmed_flush_lsn, '0/0')::text,
		coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn), 0)::bigint,
		coalesce(to_jsonb(r) ->> 'invalidation_reason', '')
		from pg_replication_slots r where slot_name = $1`, name).
		Scan(&s.plugin, &s.kind, &s.database, &s.wal, &s.active, &s.user, &confirmed, &s.retained, &s.invalidation)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read slot %q: %s", name, message(err))
	}
	s.confirmed, err = decode.ParseLSN(confirmed)
	return s, true, err
}

// lost returns why nothing can be read from the slot any more, empty when it can.
func (s *slotState) lost() string {
	switch {
	case s.invalidation != "":
		return fmt.Sprintf("the server invalidated it (invalidation_reason %s)", s.invalidation)
	case s.wal == "lost":
		return "needed WAL was removed"
	}
	return ""
}

// processOf is SQL that names a backend for an operator: its process, host, application and role, as far as this role may
// see them.
func processOf(pid string) string {
	return `coalesce((select format('process %s (application %s, role %s, from %s)', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),
		coalesce(a.usename, 'unknown'), coalesce(host(a.client_addr), case when a.client_port = -1 then 'the same host' else 'a host that this role may not see' end))
		from pg_stat_activity a where a.pid = ` + pid + `), 'process ' || ` + pid + `, 'nobody')`
}

// madeSlot is what the server says of a slot that it has just created.
type madeSlot struct {
	point    decode.LSN // consistent point
	snapshot string     // name of the exported snapshot
}

// majorVersion returns the server's major version; 0 where it cannot be read.
func majorVersion(conn *pgconn.PgConn) int {
	digits := strings.IndexFunc(conn.ParameterStatus("server_version")+".", func(r rune) bool { return r < '0' || r > '9' })
	number, err := strconv.Atoi(conn.ParameterStatus("server_version")[:digits])
	if err != nil {
		return 0
	}
	return number
}

// hasFailover reports whether the server keeps slots on its standbys too, so that a promoted one can go on.
func hasFailover(conn *pgconn.PgConn) bool { return majorVersion(conn) >= 17 }

// createSlot creates a logical slot that exports its snapshot. The snapshot is there until the connection's next
// command.
func createSlot(ctx context.Context, conn *pgconn.PgConn, name, temporary string, failover bool) (madeSlot, error) {
	command := "CREATE_REPLICATION_SLOT " + quoteName(name) + " " + temporary + "LOGICAL pgoutput "
	if failover && temporary == "" {
		command += "(SNAPSHOT 'export', FAILOVER true)"
	} else {
		command += "EXPORT_SNAPSHOT" // the grammar that every supported version has
	}
	created, err := pglogrepl.ParseCreateReplicationSlot(conn.Exec(ctx, command))
	if err != nil {
		return madeSlot{}, err
	}
	point, err := decode.ParseLSN(created.ConsistentPoint)
	return madeSlot{point, created.SnapshotName}, err
}

// Free implements cdc.Source.
func (s *Source) Free(ctx context.Context) error {
	l := NewLookout(s.config)
	defer l.Close()
	return l.Free(ctx)
}

// makeWay removes the slot that an interrupted first snapshot of this sink left. Nothing of that snapshot was visible.
func (s *Source) makeWay(ctx context.Context, start *cdc.Start) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	slot, exists, err := readSlot(ctx, conn, s.config.Slot)
	if err != nil || !exists {
		return err
	}
	if slot.active != 0 {
		return s.config.activeError(slot.user)
	}
	if err := start.Held(ctx); err != nil {
		return fmt.Errorf("slot %q exists: look whether another instance has made it: %w", s.config.Slot, err)
	}
	if !start.Owned {
		return permanentf("slot %q exists, but the sink holds no state for it; if another sink uses it, choose another --slot; if nobody does, run: psql -c \"select pg_drop_replication_slot('%s')\"",
			s.config.Slot, s.config.Slot)
	}
	// Only the one that was seen: another instance may since have taken over, dropped it and made its own.
	dropped, err := conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots
		where slot_name = $1 and coalesce(confirmed_flush_lsn, '0/0') = $2::pg_lsn`, s.config.Slot, slot.confirmed.String())
	switch {
	case err != nil:
		return fmt.Errorf("drop slot %q of an interrupted snapshot: %s", s.config.Slot, message(err))
	case dropped.RowsAffected() == 0:
		return fmt.Errorf("drop slot %q of an interrupted snapshot: another instance was faster", s.config.Slot)
	}
	return s.config.hook("after-drop")
}

func (c Config) activeError(user string) error {
	return fmt.Errorf("slot %q is in use by %s: %w", c.Slot, user, ErrSlotActive)
}

// checkSlot makes sure that slot and publication can continue after the checkpoint without a gap.
func (s *Source) checkSlot(ctx context.Context, known cdc.Checkpoint) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	slot, exists, err := readSlot(ctx, conn, s.config.Slot)
	if err != nil {
		return err
	}
	name, resume := s.config.Slot, known.LSN
	switch {
	case !exists:
		return lostf("slot %q does not exist any more; changes after %s are lost to the stream", name, resume)
	case !slot.isOurs(s.identity.Database):
		return permanentf("%s; choose another --slot", slot.describe(name))
	case slot.lost() != "":
		return lostf("slot %q cannot be read from %s on: %s", name, resume, slot.lost())
	case slot.confirmed > resume:
		return slot.past(name, resume)
	case slot.active != 0:
		return s.config.activeError(slot.user)
	}
	found, err := readCatalog(ctx, conn, s.config)
	if err != nil {
		return err
	}
	s.knowParts(&found)
	return found.checkPublished(s.config, known.Publication)
}

// checkHeld looks at the slot once more, now that it is ours alone. Another instance may have dropped it and made it anew
// after checkSlot: the stream would then begin later, and what lies between would be missing without a word.
func (s *Source) checkHeld(ctx context.Context, resume decode.LSN) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	slot, _, err := readSlot(ctx, conn, s.config.Slot)
	if err == nil && slot.confirmed > resume {
		err = slot.past(s.config.Slot, resume)
	}
	return err
}

// past is the error of a slot whose changes behind the checkpoint are gone.
func (s slotState) past(name string, resume decode.LSN) error {
	return lostf("slot %q stands at %s, past the sink's checkpoint %s: somebody else has read from it", name, s.confirmed, resume)
}

// explainStart turns a failed START_REPLICATION into one line. A slot that was lost after checkSlot is looked at again by the next
// start, which says why.
func (s *Source) explainStart(err error) error {
	if sqlState(err) == codeObjectNotInState {
		return fmt.Errorf("start slot %q: %s", s.config.Slot, message(err))
	}
	return s.explainSlot("start", err)
}

// explainSlot turns a failed slot command into one line.
func (s *Source) explainSlot(verb string, err error) error {
	name := s.config.Slot
	switch sqlState(err) {
	case codeObjectInUse:
		return fmt.Errorf("%s slot %q: %s: %w", verb, name, message(err), ErrSlotActive)
	case codeNoPrivilege:
		return permanentf("%s slot %q: %s; run: alter role %s replication", verb, name, message(err), s.config.role())
	case codeConfigLimit:
		return permanentf("%s slot %q: %s; raise max_replication_slots and restart Postgres", verb, name, message(err))
	case codeObjectNotInState:
		return permanentf("%s slot %q: %s; run: alter system set wal_level = logical, and restart Postgres", verb, name, message(err))
	case codeDuplicateObject: // it was not there a moment ago: another instance starts too, or the next start refuses what it finds
		return fmt.Errorf("%s slot %q: %s", verb, name, message(err))
	}
	return fmt.Errorf("%s slot %q: %w", verb, name, err)
}
