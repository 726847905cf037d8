package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// race lets every contender drain the same backlog, in turns.
func (s *servers) race(ctx context.Context, o options, w workload) (_ []result, err error) {
	database := "bench_" + strings.ReplaceAll(w.name, "-", "_")
	conn, err := s.postgres.CreateSource(ctx, database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.drop(context.WithoutCancel(ctx), conn, database)) }()
	if err := publish(ctx, conn, o.contenders); err != nil {
		return nil, err
	}
	progress("%s: preparing", w.name)
	if err := w.seed(ctx, conn); err != nil {
		return nil, fmt.Errorf("seed: %w", err)
	}
	lanes, err := s.lanes(o, w, database)
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		if err := l.prepare(ctx, conn); err != nil {
			return nil, err
		}
	}
	b := backlog{workload: w}
	if err := b.write(ctx, conn); err != nil {
		return nil, err
	}
	for _, l := range lanes {
		l.until = b.until
	}
	// The first run is not counted. It tells the size, and brings the WAL into the page cache for everybody.
	if b.bytes, err = lanes[0].pgoutputBytes(ctx); err != nil {
		return nil, err
	}
	if err := lanes[0].close(ctx, conn); err != nil {
		return nil, err
	}
	return s.runAll(ctx, conn, &b, lanes[1:])
}

// lanes returns one lane for each run of each contender in the order of the runs, behind one that measures the size. Rivals
// take part in the first turns, and not under TLS.
func (s *servers) lanes(o options, w workload, database string) ([]*lane, error) {
	all := []*lane{{kind: "limit", slot: database + "_size"}}
	rivals, err := o.rivalCommands(w.name)
	if err != nil {
		return nil, err
	}
	for run := range min(o.runs, cmp.Or(w.turns, o.runs)) {
		kinds := slices.Clone(o.contenders)
		if o.base != "" && run%2 == 1 {
			slices.Reverse(kinds) // neither build is always the first
		}
		for _, kind := range kinds {
			if kind == "file" && w.tls {
				continue // nothing of it is encrypted
			}
			all = append(all, &lane{kind: kind, turn: run, slot: fmt.Sprintf("%s_%s_%d", database, slotName(kind), run)})
		}
		for _, r := range rivals {
			if run < o.rivalRuns && !w.tls {
				all = append(all, &lane{kind: r.name, command: r.command, turn: run, slot: fmt.Sprintf("%s_%s_%d", database, slotName(r.name), run)})
			}
		}
	}
	for _, l := range all {
		l.servers, l.binary, l.database, l.tls = s, o.binary, database, w.tls
		if l.kind == "base" {
			l.binary = o.base
		}
	}
	return all, nil
}

type rival struct{ name, command string }

// slotName makes a contender's name one that a slot may have.
func slotName(contender string) string { return strings.ReplaceAll(contender, "-", "_") }

// rivalCommands returns the rivals that take part in a workload.
func (o options) rivalCommands(workload string) ([]rival, error) {
	var all []rival
	if len(o.against) > 0 && !slices.Contains(o.against, workload) {
		return nil, nil
	}
	for _, one := range strings.Split(o.rivals, ";") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		name, command, ok := strings.Cut(strings.TrimSpace(one), "=")
		if !ok || name == "" || command == "" {
			return nil, fmt.Errorf("rival %q is not NAME=COMMAND", one)
		}
		all = append(all, rival{name, command})
	}
	return all, nil
}

// backlog is what was written for everybody to drain.
type backlog struct {
	workload
	events int    // that it is
	until  string // LSN of its end
	bytes  int64  // of pgoutput
}

func (b *backlog) write(ctx context.Context, conn *pgx.Conn) error {
	progress("%s: writing %d row changes", b.name, b.rows)
	if err := execAll(ctx, conn, `set synchronous_commit = off`); err != nil {
		return err
	}
	var err error
	if b.events, err = b.workload.write(ctx, conn, b.rows); err != nil {
		return fmt.Errorf("write backlog: %w", err)
	}
	if err := execAll(ctx, conn, `set synchronous_commit = on`, `select pg_logical_emit_message(true, 'bench', '')`,
		`checkpoint`); err != nil {
		return err
	}
	return conn.QueryRow(ctx, `select pg_current_wal_flush_lsn()::text`).Scan(&b.until)
}

func (s *servers) runAll(ctx context.Context, conn *pgx.Conn, b *backlog, lanes []*lane) ([]result, error) {
	var results []result
	digests := make(map[uint64]bool)
	limits := make(map[int]float64) // seconds by turn
	for _, l := range lanes {
		u, err := l.drain(ctx, conn)
		if err != nil && l.command != "" && ctx.Err() == nil {
			progress("%s: %s is left out: %v", b.name, l.kind, err) // a rival's trouble is not ours
			if err := l.close(ctx, conn); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		r := result{Workload: b.name, Title: b.title, Contender: l.kind, Turn: l.turn, TLS: l.tls, Rows: b.rows, Bytes: b.bytes,
			Expected: b.events, usage: u}
		if err := l.verify(ctx, &r); err != nil {
			return nil, err
		}
		if l.kind == "limit" {
			limits[l.turn] = r.Seconds
		}
		r.OfLimit = limits[l.turn] / r.Seconds
		if l.isOurs() && l.kind != "base" {
			if digests[r.digest] = true; len(digests) > 1 {
				return nil, fmt.Errorf("%s did not publish the same events as the contenders before it", l.slot)
			}
		}
		progress("%s: %s", b.name, r)
		results = append(results, r)
		if err := l.close(ctx, conn); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (s *servers) drop(ctx context.Context, conn *pgx.Conn, database string) error {
	_, err := conn.Exec(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots
		where database = $1 and not active`, database)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	admin, err := pgx.Connect(ctx, s.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx) //nolint:errcheck // nothing was left undone on it
	return execAll(ctx, admin, "drop database "+pgx.Identifier{database}.Sanitize()+" with (force)", "checkpoint")
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...) }
