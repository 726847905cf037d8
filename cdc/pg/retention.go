package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc/check"
)

// retention is how long the server keeps WAL for a sidecar that does not run, and what that costs.
type retention struct {
	limit     string  // max_slot_wal_keep_size; "-1" is without end
	keeps     float64 // the same in bytes
	idle      string  // idle_replication_slot_timeout, from Postgres 18 on; empty before, "0" for never
	written   float64
	seconds   float64 // in which that many bytes of WAL were written
	directory string  // of the data, where the role may know it
}

// checkRetention says what an outage costs: without a limit the WAL that is kept fills the disk, and with it the bot stops.
func checkRetention(ctx context.Context, conn *pgx.Conn, c Config, p *provider) check.Finding {
	const name = "outage"
	var r retention
	err := conn.QueryRow(ctx, `select current_setting('max_slot_wal_keep_size'), coalesce(current_setting('idle_replication_slot_timeout', true), ''),
		case current_setting('max_slot_wal_keep_size') when '-1' then -1 else pg_size_bytes(current_setting('max_slot_wal_keep_size')) end::float8,
		wal_bytes::float8, extract(epoch from clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8,
		case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') else '' end from pg_stat_wal`).
		Scan(&r.limit, &r.idle, &r.keeps, &r.written, &r.seconds, &r.directory)
	if err != nil {
		return warning(name, "", fmt.Errorf("read what Postgres keeps for a slot: %s", message(err)), "psql with the same --postgres")
	}
	cost := r.cost()
	switch {
	case r.idle != "" && r.idle != "0":
		return warning(name, "", fmt.Errorf("a slot that nobody reads is lost after %s (idle_replication_slot_timeout); %s", r.idle, cost),
			p.set("idle_replication_slot_timeout", "0", false))
	case r.limit == "-1":
		return warning(name, "", errors.New("max_slot_wal_keep_size is unlimited: "+cost+full(r.rate(), freeSpace(c, r.directory))),
			p.set("max_slot_wal_keep_size", "50GB", false))
	case r.isShort():
		return warning(name, "", fmt.Errorf("max_slot_wal_keep_size is only %s: the slot is lost in less than an hour without the sidecar; %s", r.limit, cost),
			p.set("max_slot_wal_keep_size", "50GB", false))
	}
	return finding(name, fmt.Sprintf("%s; after %s the slot is lost and run reconciles", cost, r.limit), nil, "")
}

// longEnough is how long WAL must have been measured before it tells what an hour costs, in seconds: a server that has just
// been started or filled has written more than it will.
const longEnough = 15 * 60

// leastKept is what no outage of a busy server fits into, in bytes: four segments of WAL.
const leastKept = 64 << 20

// isShort reports whether an outage of an hour is too long.
func (r *retention) isShort() bool {
	return r.keeps >= 0 && (r.keeps < leastKept || r.keeps < 3600*r.rate())
}

// rate is how many bytes of WAL are written in a second; 0 where that is not known yet.
func (r *retention) rate() float64 {
	if r.seconds < longEnough {
		return 0
	}
	return r.written / r.seconds
}

// cost says what the server keeps while nobody reads.
func (r *retention) cost() string {
	if r.seconds < longEnough {
		return fmt.Sprintf("what an hour without the sidecar keeps is not known yet: %s of WAL were written in the last %s", size(r.written), span(max(r.seconds, 0)))
	}
	return fmt.Sprintf("an hour without the sidecar keeps %s of WAL, as measured over the last %s", size(r.rate()*3600), span(r.seconds))
}

// saidOf returns what is to be done about a finding, empty for one that is fine.
func saidOf(f check.Finding) string {
	switch {
	case f.Severity == check.OK:
		return ""
	case f.Repair == "":
		return f.Detail
	}
	return f.Detail + "; run: " + f.Repair
}

// full says when the disk is full.
func full(rate float64, free uint64) string {
	switch {
	case free == 0:
		return ""
	case rate <= 0:
		return fmt.Sprintf("; %s are free", size(float64(free)))
	}
	return fmt.Sprintf("; %s are free, enough for %s", size(float64(free)), span(float64(free)/rate))
}

// freeSpace returns how many bytes are free on the disk of the WAL; 0 where that is another machine's or cannot be read.
func freeSpace(c Config, directory string) uint64 {
	config, err := parseDSN(c.DSN)
	if err != nil || directory == "" {
		return 0
	}
	if ip := net.ParseIP(config.Host); config.Host != "localhost" && !strings.HasPrefix(config.Host, "/") && (ip == nil || !ip.IsLoopback()) {
		return 0
	}
	var disk syscall.Statfs_t
	if syscall.Statfs(filepath.Join(directory, "pg_wal"), &disk) != nil && syscall.Statfs(directory, &disk) != nil {
		return 0
	}
	return disk.Bavail * uint64(disk.Bsize)
}

// size prints bytes with the unit that fits.
func size(bytes float64) string {
	unit := 0
	for units := len("kMGTP"); bytes >= 1000 && unit < units; unit++ {
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g %sB", bytes, strings.TrimSpace(" kMGTP"[unit:unit+1]))
}

// span prints seconds with the unit that fits.
func span(seconds float64) string {
	switch d := time.Duration(min(seconds, 1e9) * float64(time.Second)); {
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	default:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
}
