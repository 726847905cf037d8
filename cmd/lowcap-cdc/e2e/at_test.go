package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/deploy/lab"
)

var places = flag.Int("places", 40, "at how many moments TestAtAnyMoment and TestExitsWantedAtAnyMoment look")

// Each answer reads the whole of a trail, so one for few places makes many faster.
const placesOfARound = 100

// moment is what a query saw in a snapshot that was exported at an LSN.
type moment struct {
	lsn             string
	blocked, trades string
	pools           map[string]bool // ids of positions whose pool holds something; false: it cannot be read
}

// TestAtAnyMoment looks at the tables in snapshots whose place in the WAL the server knows, while they are written to, and
// asks the events alone for the same places. Each round has a trail of its own, and gives its slots back before the next one.
func TestAtAnyMoment(t *testing.T) { inRounds(t, atAnyMoment) }

// inRounds looks at all places, some in each round, and each round with a seed of its own.
func inRounds(t *testing.T, round func(t *testing.T, seed uint64, places int)) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d places", seed, *places)
	for left, n := *places, seed; left > 0; left, n = left-placesOfARound, n+1 {
		t.Run(fmt.Sprint("seed ", n), func(t *testing.T) { round(t, n, min(left, placesOfARound)) })
	}
}

func atAnyMoment(t *testing.T, seed uint64, places int) {
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	sink, _ := s.file("x")
	s.drain("k", sink)
	stop, stopped := s.loadUntil(seed)
	moments := s.moments(places)
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s.drain("k", sink)
	for _, m := range moments {
		out := s.ok(sink, "audit", "at", m.lsn, "--json")
		list := func(rows, format string) string {
			var texts []string
			gjson.Get(out, rows).ForEach(func(_, row gjson.Result) bool {
				var fields []any
				for _, f := range strings.Split(format, " ") {
					fields = append(fields, strings.Trim(strings.Join(strings.Fields(row.Get(f).Raw), ""), `"`))
				}
				texts = append(texts, strings.TrimSuffix(fmt.Sprintln(fields...), "\n"))
				return true
			})
			slices.Sort(texts)
			return strings.Join(texts, "\n")
		}
		if got := list("blocked", "token_contract book_id stages"); got != m.blocked {
			t.Errorf("blocked at %s:\n%s\nwant\n%s", m.lsn, got, m.blocked)
		}
		if got := list("trades", "position_id trade_id"); got != m.trades {
			t.Errorf("trades at %s:\n%s\nwant\n%s", m.lsn, got, m.trades)
		}
		for _, id := range strings.Fields(list("pools", "position_id")) {
			if _, holds := m.pools[id]; !holds {
				t.Errorf("at %s the pool of %s held nothing", m.lsn, id)
			}
			delete(m.pools, id)
		}
		for id, readable := range m.pools {
			if readable { // else it is what it last was
				t.Errorf("at %s the pool of %s held something", m.lsn, id)
			}
		}
	}
	if out, code := s.verb(sink, "audit", "at", "0/1"); code != 1 || !strings.Contains(out, "begins with the baseline") {
		t.Errorf("before the baseline: exit %d: %s", code, out)
	}
}

// moments queries n exported snapshots, at random places.
func (s *site) moments(n int) (all []moment) {
	s.t.Helper()
	e := s.exporter()
	for range n {
		var m moment
		m.lsn = e.export(func(tx pgx.Tx) { s.look(tx, &m) })
		all = append(all, m)
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond) // the random place
	}
	return all
}

// exporter makes snapshots whose place in the WAL the server knows.
type exporter struct {
	s      *site
	server *pgconn.PgConn
	reader *pgx.Conn
}

func (s *site) exporter() *exporter {
	s.t.Helper()
	config, err := pgconn.ParseConfig(s.dsn())
	if err != nil {
		s.t.Fatal(err)
	}
	config.RuntimeParams["replication"] = "database"
	e := &exporter{s: s}
	if e.server, err = pgconn.ConnectConfig(s.t.Context(), config); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.server.Close(context.Background()) }) //nolint:errcheck // its slot is temporary
	if e.reader, err = pgx.Connect(s.t.Context(), s.dsn()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.reader.Close(context.Background()) }) //nolint:errcheck // it only read
	return e
}

// export lets look see a snapshot, and returns its place.
func (e *exporter) export(look func(pgx.Tx)) (lsn string) {
	t := e.s.t
	t.Helper()
	slot := e.s.name + "_moment"
	results, err := e.server.Exec(t.Context(), "CREATE_REPLICATION_SLOT "+slot+" TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	row := results[0].Rows[0]
	tx, err := e.reader.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "set transaction snapshot '"+string(row[2])+"'"); err != nil {
		t.Fatal(err)
	}
	look(tx)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.server.Exec(t.Context(), "DROP_REPLICATION_SLOT "+slot).ReadAll(); err != nil {
		t.Fatal(err)
	}
	return string(row[1])
}

func (s *site) look(tx pgx.Tx, m *moment) {
	s.t.Helper()
	err := tx.QueryRow(s.t.Context(), `select
		coalesce((select string_agg(line, e'\n' order by line collate "C") from (select token_contract || ' ' || book_id || ' [' ||
			concat_ws(',', case when blocked_s1 then '"s1"' end, case when blocked_s2 then '"s2"' end) || ']' line
			from token_timeframe_blocks where blocked_s1 or blocked_s2) b), ''),
		coalesce((select string_agg(id || ' ' || current_trade_id, e'\n' order by id) from lowcap_positions where current_trade_id is not null), '')`).
		Scan(&m.blocked, &m.trades)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := tx.Query(s.t.Context(), "select id::text, features::text from lowcap_positions where features is not null")
	if err != nil {
		s.t.Fatal(err)
	}
	m.pools = make(map[string]bool)
	var id, features string
	_, err = pgx.ForEachRow(rows, []any{&id, &features}, func() error {
		raw, err := cdc.HistoryOf([]byte(features))
		if err != nil {
			return err
		}
		history, err := cdc.ReadHistory(raw)
		if pool := history.Get("trim_pool"); err == nil && !pool.IsEmpty() {
			m.pools[id] = !pool.IsUnread()
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// keepsWanted makes the server itself keep since when an exit is wanted of a position that is held, and when one that had been told
// was sold: for two minutes the record of that sell is waited for.
const keepsWanted = `create table wanted (id uuid, since timestamptz not null, sold timestamptz);
create unique index on wanted (id) where sold is null;
create function keep_wanted() returns trigger language plpgsql as $$ begin
  if new.total_quantity > 0 and coalesce((new.features #>> '{uptrend_engine_v4,exit_position}')::bool, false) then
    insert into wanted values (new.id, now()) on conflict do nothing;
    return new;
  end if;
  update wanted set sold = now() where id = new.id and sold is null and since <= now() - interval '10 min' and new.total_quantity = 0;
  delete from wanted where id = new.id and sold is null;
  return new;
end $$;
create trigger keep_wanted after insert or update on lowcap_positions for each row execute function keep_wanted()`

const areWanted = `select coalesce(string_agg(distinct id::text, ' '), '') from wanted
where since <= now() - interval '10 min' and (sold is null or sold > now() - interval '2 min')`

// TestExitsWantedAtAnyMoment holds exits_wanted against a query: exits are wanted and withdrawn, positions sold and bought again,
// while the server's clock runs fast; an exit that has been wanted for ten minutes is told with the next commit.
func TestExitsWantedAtAnyMoment(t *testing.T) { inRounds(t, exitsWantedAtAnyMoment) }

func exitsWantedAtAnyMoment(t *testing.T, seed uint64, places int) {
	s, setClock := newSiteWithClock(t)
	s.seedPositions(6)
	s.exec(keepsWanted)
	sink, _ := s.file("x")
	s.drain("k", sink)
	random := rand.New(rand.NewPCG(seed, 18)) // not a secret
	e := s.exporter()
	type standing struct{ lsn, wanted string }
	var all []standing
	clock := time.Duration(0)
	for range places {
		for range 1 + random.IntN(2) {
			s.exec(`update lowcap_positions set total_quantity = $2, features = coalesce(features, '{}') ||
				jsonb_build_object('uptrend_engine_v4', jsonb_build_object('exit_position', $3::bool, 'price', 2)) where timeframe = 'p' || $1::int`,
				random.IntN(6), random.IntN(3)*5, random.IntN(3) > 0)
		}
		clock += time.Duration(70+random.IntN(5)*120) * time.Second // no sum of these is ten minutes
		if err := setClock(clock); err != nil {
			t.Fatal(err)
		}
		s.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('C' || $1::int, 'solana', '1h')", len(all))
		var at standing
		at.lsn = e.export(func(tx pgx.Tx) {
			if err := tx.QueryRow(t.Context(), areWanted).Scan(&at.wanted); err != nil {
				t.Fatal(err)
			}
		})
		all = append(all, at)
	}
	s.drain("k", sink)
	some := 0
	for _, at := range all {
		var got []string
		for _, row := range gjson.Get(s.ok(sink, "audit", "at", at.lsn, "--json"), "exits_wanted").Array() {
			got = append(got, row.Get("position_id").String())
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != at.wanted {
			t.Errorf("seed %d, at %s exits are wanted of %q, want %q", seed, at.lsn, text, at.wanted)
		}
		some += len(got)
	}
	if some == 0 {
		t.Errorf("seed %d: no exit was ever wanted", seed)
	}
}

// TestExitIsWantedAgain: an exit is made and the next one wanted, and nothing is committed until both the end of the first and the
// second are due. They are told at once, the second one first: it is still wanted behind that.
func TestExitIsWantedAgain(t *testing.T) {
	s, setClock := newSiteWithClock(t)
	s.seedPositions(1)
	sink, _ := s.file("x")
	s.drain("k", sink)
	setPosition := func(quantity int, wanted bool) {
		s.exec(`update lowcap_positions set total_quantity = $1, features = coalesce(features, '{}') ||
			jsonb_build_object('uptrend_engine_v4', jsonb_build_object('exit_position', $2::bool, 'price', 2))`, quantity, wanted)
	}
	clock := time.Duration(0)
	later := func(by time.Duration) {
		clock += by
		if err := setClock(clock); err != nil {
			t.Fatal(err)
		}
	}
	setPosition(10, true)
	later(11 * time.Minute)
	s.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('A', 'solana', '1h')")
	setPosition(0, true)
	setPosition(5, true)
	later(11 * time.Minute)
	s.exec("insert into token_timeframe_blocks (token_contract, token_chain, timeframe) values ('B', 'solana', '1h')")
	s.drain("k", sink)
	at := gjson.Parse(s.ok(sink, "audit", "at", s.exporter().export(func(pgx.Tx) {}), "--json"))
	if at.Get("exits_wanted.#").Int() != 1 || at.Get("exits_wanted.0.held_quantity").Int() != 5 {
		t.Error(at.Get("exits_wanted"))
	}
}
