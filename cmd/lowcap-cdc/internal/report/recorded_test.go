package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// made returns the report of lines of events.
func made(t checks, lines []byte, p Period) *Report {
	t.Helper()
	fold := New(p)
	for line := range bytes.Lines(lines) {
		if err := fold.Take(&sink.Stored{Topic: "events.jsonl", Value: bytes.TrimSpace(line)}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := fold.End()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// recorded returns the events that the documentation shows, and when the newest of them was committed.
func recorded(t checks) (lines []byte, newest time.Time) {
	t.Helper()
	lines, err := os.ReadFile("../../../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(lines) {
		if newest, err = time.Parse(time.RFC3339Nano, gjson.GetBytes(line, "time").String()); err != nil {
			t.Fatal(err)
		}
	}
	return lines, newest
}

func asJSON(t checks, r *Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteJSON(&out, bytes.Clone); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRecordedReport: the report of the events that the documentation shows, as a program gets it, and its first lines.
func TestRecordedReport(t *testing.T) {
	lines, newest := recorded(t)
	r := made(t, lines, Period{Now: newest})
	var first strings.Builder
	if err := r.Print(&first); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/recorded.txt", first.String()+asJSON(t, r))
}

// answers returns what the consumers' queries, which are SQL that shares no code with this, say of the same events.
func answers(t *testing.T, query string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../../../deploy/consumers/queries/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "# "+query+"\n")
	part, _, _ = strings.Cut(part, "# ")
	rows, err := csv.NewReader(strings.NewReader(part)).ReadAll()
	if err != nil || !found || len(rows) == 0 {
		t.Fatalf("%s has no answer: %v", query, err)
	}
	return rows
}

// TestReportSaysWhatQueriesSay: blocks, pools, exits, reverts and losses of the recorded events are what DuckDB finds by
// deploy/consumers/queries.
func TestReportSaysWhatQueriesSay(t *testing.T) {
	lines, newest := recorded(t)
	r := made(t, lines, Period{Now: newest})
	t.Run("blocked.sql", func(t *testing.T) { sameLines(t, blocksAsQueried(r), answers(t, "blocked.sql")) })
	t.Run("pools.sql", func(t *testing.T) { samePools(t, r, answers(t, "pools.sql")) })
	t.Run("rebuys.sql", func(t *testing.T) {
		usd := new(big.Rat)
		rows := answers(t, "rebuys.sql")
		for _, row := range rows {
			usd.Add(usd, rat(t, row[2]))
		}
		if r.Exits.Count != len(rows) || rat(t, string(r.Exits.ProceedsUSD)).Cmp(usd) != 0 {
			t.Errorf("%d exits brought %s, want %d and %s", r.Exits.Count, r.Exits.ProceedsUSD, len(rows), usd.FloatString(6))
		}
	})
	t.Run("reverts.sql", func(t *testing.T) {
		trims, reverted, later := 0, 0, 0
		for _, row := range answers(t, "reverts.sql") {
			trims, reverted, later = trims+number10(t, row[1]), reverted+number10(t, row[2]), later+number10(t, row[4])
		}
		if s := r.Stale; s.Trims != trims || s.TrimsReverted != reverted || later > s.LaterWrite {
			t.Errorf("%d trims, %d reverted, %d by later writes; want %d, %d and at least %d", s.Trims, s.TrimsReverted, s.LaterWrite, trims, reverted, later)
		}
	})
	t.Run("losses.sql", func(t *testing.T) {
		rows := answers(t, "losses.sql")
		if got := r.Blocks.NotSet.Lines(); len(got) != len(rows) || got[0].Trade != rows[0][0] || rat(t, string(got[0].PnL)).Cmp(rat(t, rows[0][4])) != 0 {
			t.Errorf("losses without a block: %s", asJSON(t, r))
		}
	})
	t.Run("trades.sql", func(t *testing.T) {
		ended, open, pnl := 0, 0, new(big.Rat)
		for _, row := range answers(t, "trades.sql") {
			if row[4] == "" {
				open++
				continue
			}
			ended++
			if row[11] != "" {
				pnl.Add(pnl, rat(t, row[11]))
			}
		}
		if r.Trades.Ended != ended || r.Trades.Open != open || rat(t, string(r.Trades.PnLUSD)).Cmp(pnl) != 0 {
			t.Errorf("%d ended, %d open, P&L %s; want %d, %d, %s", r.Trades.Ended, r.Trades.Open, r.Trades.PnLUSD, ended, open, pnl.FloatString(6))
		}
	})
}

// blocksAsQueried sums the list up by token, timeframe and stage.
func blocksAsQueried(r *Report) (rows [][]string) {
	type sum struct {
		blocks, open, unknown int
		seconds               big.Rat
	}
	sums := make(map[string]*sum)
	for _, b := range r.Blocks.List.Lines() {
		if b.Book != "onchain_crypto" {
			continue
		}
		key := b.Contract + "," + b.Timeframe + "," + b.Stage
		s := sums[key]
		if s == nil {
			s = &sum{}
			sums[key] = s
		}
		s.blocks++
		if b.To == "" {
			s.open++
		}
		if seconds, ok := b.Seconds.Rat(); ok {
			s.seconds.Add(&s.seconds, seconds)
		} else {
			s.unknown++
		}
	}
	for key, s := range sums {
		line := fmt.Sprintf("%s,%d,%d,%d,%s", key, s.blocks, s.open, s.unknown, strings.TrimRight(strings.TrimRight(s.seconds.FloatString(6), "0"), "."))
		rows = append(rows, strings.Split(line, ","))
	}
	return rows
}

// samePools holds each position's pool against earned, spent, given up and left of the query. What the query says of a row that was
// deleted since, the report says is gone.
func samePools(t *testing.T, r *Report, rows [][]string) {
	t.Helper()
	total := make(map[string]*big.Rat)
	for _, name := range []string{"held", "earned", "spent", "given up", "left"} {
		total[name] = new(big.Rat)
	}
	for _, row := range rows {
		for i, name := range []string{"held", "earned", "spent", "given up", "left"} {
			total[name].Add(total[name], rat(t, row[i+2]))
		}
	}
	p := &r.Pools
	of := func(list ...schemas.Number) *big.Rat {
		sum := new(big.Rat)
		for _, n := range list {
			if n != "" {
				sum.Add(sum, rat(t, string(n)))
			}
		}
		return sum
	}
	earned := of(p.Fed)
	earned.Sub(earned, of(p.Lost, p.Spent["adjusted"]))
	for name, got := range map[string]*big.Rat{
		"held": of(p.Appeared, p.Start), "earned": earned, "spent": of(p.Spent["s2_dip_buy"], p.Spent["dx_ladder_complete"]),
		"given up": of(p.Spent["replaced"], p.Spent["s2_entry_new_trade"], p.Spent["unknown"]), "left": of(p.End, p.Gone),
	} {
		if got.Cmp(total[name]) != 0 {
			t.Errorf("%s: %s, want %s", name, got.FloatString(6), total[name].FloatString(6))
		}
	}
	if p.Unexplained != "0" || rat(t, string(p.Spent["dx_ladder_complete"])).Sign() == 0 {
		t.Errorf("unexplained %s; %v", p.Unexplained, p.Spent)
	}
}

func sameLines(t *testing.T, got, want [][]string) {
	t.Helper()
	join := func(rows [][]string) string {
		var lines []string
		for _, row := range rows {
			lines = append(lines, strings.Join(row, ","))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	if join(got) != join(want) {
		t.Errorf("got\n%s\nwant\n%s", join(got), join(want))
	}
}

func rat(t checks, text string) *big.Rat {
	t.Helper()
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return n
}

func number10(t *testing.T, text string) int { return int(rat(t, text).Num().Int64()) }

// TestPeriodsAddUp: of a trail that is cut into two periods, each number is the sum of the two, and the first ends as the second begins.
func TestPeriodsAddUp(t *testing.T) {
	lines, newest := recorded(t)
	whole := made(t, lines, Period{Now: newest})
	all := bytes.SplitAfter(bytes.TrimSpace(lines), []byte("\n"))
	for _, cut := range []int{20, 55, 90, 119, 126, 139} {
		at, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(all[cut], "time").String())
		if err != nil {
			t.Fatal(err)
		}
		first := made(t, lines, Period{To: settings.Point{Time: at}, Now: newest})
		second := made(t, lines, Period{Since: settings.Point{Time: at}, Now: newest})
		for name, of := range map[string]func(*Report) int{
			"events": func(r *Report) int { return r.Events.Count }, "exits": func(r *Report) int { return r.Exits.Count },
			"trades": func(r *Report) int { return r.Trades.Ended }, "reverts": func(r *Report) int { return r.Stale.Reverts },
			"trims": func(r *Report) int { return r.Stale.Trims }, "fills": func(r *Report) int { return r.Books.Count },
			"quarantine": func(r *Report) int { return r.Bad.Malformed + r.Bad.Unknown }, "gaps": func(r *Report) int { return r.Stream.Gaps },
			"not set": func(r *Report) int { return r.Blocks.NotSet.Total() }, "orphaned": func(r *Report) int { return r.Blocks.Orphaned },
			"blocks": func(r *Report) int { return r.Blocks.Count - r.Blocks.Standing },
		} {
			if of(first)+of(second) != of(whole) {
				t.Errorf("cut at event %d: %s are %d and %d, together %d", cut+1, name, of(first), of(second), of(whole))
			}
		}
		for name, of := range map[string]func(*Report) schemas.Number{
			"proceeds": func(r *Report) schemas.Number { return r.Exits.ProceedsUSD }, "P&L": func(r *Report) schemas.Number { return r.Trades.PnLUSD },
			"fed": func(r *Report) schemas.Number { return r.Pools.Fed }, "lost": func(r *Report) schemas.Number { return r.Pools.Lost },
			"spent": func(r *Report) schemas.Number { return r.Pools.SpentUSD }, "taken": func(r *Report) schemas.Number { return r.Stale.TakenUSD },
		} {
			sum := rat(t, string(of(first)))
			if sum.Add(sum, rat(t, string(of(second)))).Cmp(rat(t, string(of(whole)))) != 0 {
				t.Errorf("cut at event %d: %s are %s and %s, together %s", cut+1, name, of(first), of(second), of(whole))
			}
		}
		if first.Pools.End != second.Pools.Start || first.Pools.Unexplained != "0" || second.Pools.Unexplained != "0" {
			t.Errorf("cut at event %d: pools end with %s (%s) and begin with %s (%s)", cut+1, first.Pools.End, first.Pools.Unexplained, second.Pools.Start,
				second.Pools.Unexplained)
		}
	}
}

// checks is what *testing.T and *rapid.T have in common.
type checks interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}
