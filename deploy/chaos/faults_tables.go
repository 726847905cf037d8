package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// watched is one of the two tables, with statements that the load does not write.
type watched struct {
	name       string
	isPosition bool
	touched    string // of every row
	seeded     string // after a TRUNCATE, in the same transaction
	left       string // of kept rows, a third
	mended     string // when they are there again, and nobody looks yet
}

var tables = []watched{
	{
		name: "token_timeframe_blocks", touched: "blocked_s1 = not coalesce(blocked_s1, false)",
		left: "ascii(right(token_contract, 1)) %% 3 = %d", mended: "update token_timeframe_blocks set blocked_s2 = not coalesce(blocked_s2, false)",
	},
	{
		name: "lowcap_positions", isPosition: true, touched: "status = case status when 'active' then 'paused' else 'active' end",
		seeded: lab.SeedSQL(lab.LoadPositions),
		left:   "ascii(right(timeframe, 1)) %% 3 = %d",
		// What an engine wants out of since the table is back, each slot would see begin at a place of its own.
		mended: `update lowcap_positions set status = 'dormant', features = (case jsonb_typeof(features) when 'string'
				then (features #>> '{}')::jsonb else features end) - 'uptrend_engine_v4' #- '{pm_execution_history,trim_pool}';
			create trigger touch before update on lowcap_positions for each row execute function touch_lowcap_position()`,
	},
}

func someTable(random *rand.Rand) *watched { return &tables[random.IntN(len(tables))] }

func (t *watched) other() string {
	if t.isPosition {
		return tables[0].name
	}
	return tables[1].name
}

// truncateTable empties a table behind a change of every row, and fills it again, all in one transaction.
func truncateTable(ctx context.Context, w *world, random *rand.Rand) error {
	t := someTable(random)
	return w.migrate(ctx, fmt.Sprintf("begin; lock %[1]s; update %[1]s set %[2]s; truncate %[1]s; %[3]s; commit", t.name, t.touched, t.seeded), "")
}

// renameTable writes to a table while it has another name.
func renameTable(ctx context.Context, w *world, random *rand.Rand) error {
	t := someTable(random)
	return w.migrate(ctx, fmt.Sprintf("begin; alter table %[1]s rename to away; update away set %[2]s; alter table away rename to %[1]s; commit",
		t.name, t.touched), "")
}

// alterTable gives a table another column for a while.
func alterTable(ctx context.Context, w *world, random *rand.Rand) error {
	t := someTable(random)
	return errors.Join(w.migrate(ctx, fmt.Sprintf("alter table %s add column if not exists extra text default 'x'", t.name), ""),
		during(ctx, random, 0, time.Second),
		w.migrate(ctx, fmt.Sprintf("alter table %s drop column if exists extra", t.name), ""))
}

// remakeTable drops a table in the transaction that writes to it last, and makes it again with some of its rows, other than they
// were: in the same transaction, or after a while in which the other table goes on. The sidecar is killed on the way.
func remakeTable(ctx context.Context, w *world, random *rand.Rand) error {
	t := someTable(random)
	return w.held(func() error {
		present, size, before := w.tail.returned(), w.referenceSize(), 0
		err := eventually(ctx, "look at the table", func() error {
			return w.ask(ctx, fmt.Sprintf("select '%s'::regclass::oid::int8", t.name), &before)
		})
		if err != nil {
			return err
		}
		dropped := fmt.Sprintf(`lock %[1]s; update %[1]s set %[2]s; create table kept (like %[1]s including all); insert into kept select * from %[1]s;
			drop table %[1]s; `, t.name, t.touched)
		made := fmt.Sprintf(`create table %[1]s (like kept including all); insert into %[1]s select * from kept where not %[2]s; %[3]s;
			select chaos_watch(%[4]t, '%[1]s'); select chaos_remade(%[4]t, '%[1]s', 'kept'); drop table kept; `,
			t.name, fmt.Sprintf(t.left, random.IntN(3)), t.mended, t.isPosition)
		isMade := fmt.Sprintf("to_regclass('kept') is null and coalesce(to_regclass('%s')::oid::int8 <> %d, false)", t.name, before)
		if random.IntN(2) == 0 {
			if err := w.migrate(ctx, "begin; "+dropped+"commit", "to_regclass('kept') is not null"); err != nil {
				return err
			}
			if err := w.goOnWithout(ctx, t, random); err != nil {
				return err
			}
			dropped = ""
		}
		if err := w.migrate(ctx, "begin; "+dropped+made+"commit", isMade); err != nil {
			return err
		}
		for range random.IntN(4) {
			if err := errors.Join(w.sidecar.signal(syscall.SIGKILL), during(ctx, random, 0, 1500*time.Millisecond)); err != nil {
				return err
			}
		}
		return w.awaitTable(ctx, present, size)
	})
}

// goOnWithout writes to the other table while one is gone.
func (w *world) goOnWithout(ctx context.Context, t *watched, random *rand.Rand) error {
	load := lab.NewLoad(random.Uint64())
	for n, last, kill := 0, 20+random.IntN(60), random.IntN(60); n < last; n++ {
		if n == kill {
			if err := w.sidecar.signal(syscall.SIGKILL); err != nil {
				return err
			}
		}
		conn, err := pgx.Connect(ctx, w.postgres.DSN(w.database))
		if err == nil {
			err = load.WriteTo(ctx, conn, t.other())
			conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
		}
		if err != nil && !lostConnection(err) {
			return err
		}
		if err := during(ctx, random, 0, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// awaitTable waits until both streams have read a table that is back: what is written before a slot has its snapshot is not told.
func (w *world) awaitTable(ctx context.Context, present int, size int64) error {
	err := eventually(ctx, "wait until the table is back", func() error {
		if w.tail.returned() == present {
			return errors.New("no event says so")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return eventually(ctx, "wait until the table is back in the reference", func() error {
		if err := finish(w.reference()); err != nil {
			return err
		}
		return w.referenceSays(size, "lowcap.table.present.")
	})
}

func (w *world) referenceFile() string { return filepath.Join(w.dir, "reference", "events.jsonl") }

func (w *world) referenceSize() int64 {
	info, err := os.Stat(w.referenceFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// referenceSays returns an error unless the reference has an event of a type behind a place of its file.
func (w *world) referenceSays(behind int64, name string) error {
	file, err := os.Open(w.referenceFile())
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	said, err := io.ReadAll(io.NewSectionReader(file, behind, 1<<62))
	if err == nil && !bytes.Contains(said, []byte(`"type":"`+name)) {
		err = errors.New("no " + strings.TrimSuffix(name, "."))
	}
	return err
}

// migrate runs statements until they have succeeded, whatever becomes of the server. Those that cannot be repeated come with a
// condition that holds when they are done.
func (w *world) migrate(ctx context.Context, sql, done string) error {
	return eventually(ctx, "migrate", func() error {
		if done != "" {
			var is bool
			if err := w.ask(ctx, "select "+done, &is); err != nil || is {
				return err
			}
		}
		return w.ask(ctx, sql)
	})
}
