package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/decode"
)

// Standing is what the server says of the slot and the publication at one moment.
type Standing struct {
	At        time.Time  // the server's clock
	Version   string     // the server's
	WALEnd    decode.LSN // up to where the server has written
	Exists    bool       // the slot does; the fields from here to Safe are zero when it does not
	Active    bool       // an instance reads from it
	WALStatus string     // reserved, extended, unreserved, lost
	Confirmed decode.LSN // everything before it is in the sink
	Restart   decode.LSN // the server keeps WAL from here on
	Retained  int64      // bytes of WAL kept for the slot
	Safe      *int64     // bytes that may still be written before needed WAL is removed; nil without a limit
	Missing   []string   // watched tables that the publication does not bring
}

// Tables returns the names of the watched tables.
func Tables() []string {
	names := make([]string, 0, len(watched))
	for _, t := range watched {
		names = append(names, t.String())
	}
	return names
}

// Behind returns how many bytes of WAL are not confirmed yet.
func (s *Standing) Behind() int64 {
	if !s.Exists || s.WALEnd < s.Confirmed {
		return 0
	}
	return int64(s.WALEnd - s.Confirmed)
}

// Watch asks the server for the slot's standing, on a connection of its own that it opens when it is needed. It is for
// one goroutine.
type Watch struct {
	config Config
	conn   *pgx.Conn
}

// NewWatch returns a watch; it does not connect.
func NewWatch(config Config) *Watch { return &Watch{config: config} }

// Look returns the standing of now. After an error the next call connects anew.
func (w *Watch) Look(ctx context.Context) (s Standing, err error) {
	if w.conn == nil {
		if w.conn, err = w.config.connect(ctx); err != nil {
			return s, err
		}
	}
	if err = w.read(ctx, &s); err != nil {
		w.Close()
		return s, fmt.Errorf("read standing of slot %q: %s", w.config.Slot, message(err))
	}
	return s, nil
}

func (w *Watch) read(ctx context.Context, s *Standing) error {
	var end, confirmed, restart string
	err := w.conn.QueryRow(ctx, `select clock_timestamp(), current_setting('server_version'), pg_current_wal_lsn()::text,
		slot_name is not null, coalesce(active, false), coalesce(wal_status, ''), coalesce(confirmed_flush_lsn, '0/0')::text,
		coalesce(restart_lsn, '0/0')::text, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint, safe_wal_size
		from (select $1::text as wanted) w left join pg_replication_slots on slot_name = wanted`, w.config.Slot).
		Scan(&s.At, &s.Version, &end, &s.Exists, &s.Active, &s.WALStatus, &confirmed, &restart, &s.Retained, &s.Safe)
	if err != nil {
		return err
	}
	for to, text := range map[*decode.LSN]string{&s.WALEnd: end, &s.Confirmed: confirmed, &s.Restart: restart} {
		if *to, err = parseLSN(text); err != nil {
			return err
		}
	}
	p, err := readCatalog(ctx, w.conn, w.config)
	for _, t := range watched {
		if !p.tables[t].published {
			s.Missing = append(s.Missing, t.String())
		}
	}
	return err
}

// SystemID returns the server's system identifier, or nothing where the role may not read it.
func (w *Watch) SystemID(ctx context.Context) (id string) {
	if w.conn == nil || w.conn.QueryRow(ctx, `select system_identifier::text from pg_control_system()`).Scan(&id) != nil {
		return ""
	}
	return id
}

// Close ends the connection. It is idempotent, and Look may be called again.
func (w *Watch) Close() {
	if w.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		w.conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
		w.conn = nil
	}
}
