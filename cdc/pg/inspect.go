package pg

import (
	"context"
	"fmt"
	"time"

	"lowcap-cdc/decode"
)

// Inspection is what the server says of the slot and the publication at one moment.
type Inspection struct {
	At        time.Time  // the server's clock
	Version   string     // the server's
	Slot      string     // its name
	WALEnd    decode.LSN // up to where the server has written
	Exists    bool       // the slot does; the fields from here to Safe are zero when it does not
	Active    bool       // an instance reads from it
	WALStatus string     // reserved, extended, unreserved, lost
	Invalid   string     // the server's invalidation_reason, from Postgres 17 on; empty for a slot that can be read
	Confirmed decode.LSN // everything before it is in the sink
	Restart   decode.LSN // the server keeps WAL from here on
	Retained  int64      // bytes of WAL kept for the slot
	Safe      *int64     // bytes that may still be written before needed WAL is removed; nil without a limit
	Missing   []string   // watched tables that the publication does not bring
	Outage    string     // how an outage may end badly, with what to do about it; empty when it cannot
}

// Tables returns the names of the watched tables.
func Tables() []string {
	names := make([]string, 0, len(decode.Tables))
	for _, t := range decode.Tables {
		names = append(names, t.String())
	}
	return names
}

// Behind returns how many bytes of WAL are not confirmed yet.
func (s *Inspection) Behind() int64 {
	if !s.Exists || s.WALEnd < s.Confirmed {
		return 0
	}
	return int64(s.WALEnd - s.Confirmed)
}

// Lost returns why nothing can be read from the slot any more, empty when it can.
func (s *Inspection) Lost() string {
	slot := slotState{wal: s.WALStatus, invalidation: s.Invalid}
	switch lost := slot.lost(); {
	case !s.Exists:
		return fmt.Sprintf("slot %q does not exist any more", s.Slot)
	case lost != "":
		return fmt.Sprintf("slot %q is lost: %s", s.Slot, lost)
	}
	return ""
}

// Inspector asks the server about the slot and the publication, on a connection of its own that it opens when it needs
// one. It is for one goroutine.
type Inspector struct {
	kept
	provider *provider // nil before it was asked for
}

// NewInspector returns an Inspector; it does not connect.
func NewInspector(config Config) *Inspector { return &Inspector{kept: kept{config: config}} }

// InspectOnce returns what the server says now, on a connection for that alone.
func InspectOnce(ctx context.Context, config Config) (Inspection, error) {
	i := NewInspector(config)
	defer i.Close()
	return i.Inspect(ctx)
}

// Inspect returns what the server says now. After an error the next call connects anew.
func (i *Inspector) Inspect(ctx context.Context) (s Inspection, err error) {
	if err = i.open(ctx); err != nil {
		return s, err
	}
	if err = i.read(ctx, &s); err != nil {
		i.Close()
		return s, fmt.Errorf("inspect slot %q: %s", i.config.Slot, message(err))
	}
	return s, nil
}

func (i *Inspector) read(ctx context.Context, s *Inspection) error {
	var end, confirmed, restart string
	err := i.conn.QueryRow(ctx, `select clock_timestamp(), current_setting('server_version'),
		case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text,
		slot_name is not null, coalesce(active, false), coalesce(wal_status, ''), coalesce(confirmed_flush_lsn, '0/0')::text,
		coalesce(restart_lsn, '0/0')::text, coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn), 0)::bigint, safe_wal_size,
		coalesce(to_jsonb(r) ->> 'invalidation_reason', '')
		from (select $1::text as wanted) w left join pg_replication_slots r on slot_name = wanted`, i.config.Slot).
		Scan(&s.At, &s.Version, &end, &s.Exists, &s.Active, &s.WALStatus, &confirmed, &restart, &s.Retained, &s.Safe, &s.Invalid)
	if err != nil {
		return err
	}
	for to, text := range map[*decode.LSN]string{&s.WALEnd: end, &s.Confirmed: confirmed, &s.Restart: restart} {
		if *to, err = decode.ParseLSN(text); err != nil {
			return err
		}
	}
	s.Slot = i.config.Slot
	if i.provider == nil {
		i.provider = readProvider(ctx, i.conn, i.config)
	}
	s.Outage = saidOf(checkRetention(ctx, i.conn, i.config, i.provider))
	p, err := readCatalog(ctx, i.conn, i.config)
	for _, t := range decode.Tables {
		if !p.tables[t].published {
			s.Missing = append(s.Missing, t.String())
		}
	}
	return err
}

// SystemID returns the server's system identifier, or nothing where the role may not read it.
func (i *Inspector) SystemID(ctx context.Context) (id string) {
	if i.conn == nil || i.conn.QueryRow(ctx, `select system_identifier::text from pg_control_system()`).Scan(&id) != nil {
		return ""
	}
	return id
}
