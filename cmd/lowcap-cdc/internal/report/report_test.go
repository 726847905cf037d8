package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

var begin = time.Date(2026, 1, 18, 10, 0, 0, 0, time.UTC)

// told returns events: "SECONDS NAME FIELDS" a line; one that begins with + belongs to the change before it. The position is p, or
// what stands behind an @ in the name.
func told(t checks, text string) []byte {
	t.Helper()
	var lines bytes.Buffer
	change, ordinal, at := 0, 0, begin
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line, same := strings.CutPrefix(strings.TrimSpace(line), "+ ")
		if ordinal++; !same {
			change, ordinal = change+1, 0
			seconds, rest, _ := strings.Cut(line, " ")
			later, err := time.ParseDuration(seconds + "s")
			if err != nil {
				t.Fatal(err)
			}
			at, line = begin.Add(later), rest
		}
		name, fields, _ := strings.Cut(line, " ")
		name, position, _ := strings.Cut(name, "@")
		lines.WriteString(eventOf(name, position, fields, at, change, ordinal, bytes.Count(lines.Bytes(), []byte("\n"))+1) + "\n")
	}
	return lines.Bytes()
}

func eventOf(name, position, fields string, at time.Time, change, ordinal, number int) string {
	if position == "" {
		position = "p"
	}
	if fields != "" {
		fields += ","
	}
	severity := "info"
	if strings.HasSuffix(name, ".pending") || strings.HasSuffix(name, ".abandoned") {
		severity = "page"
	}
	instant := at.Format("2006-01-02T15:04:05.000000Z")
	return fmt.Sprintf(`{"specversion":"1.0","id":"s/%d/%d","source":"s","type":"lowcap.%s.v1","subject":"%s","time":"%s","sequence":"%016X1%08X%07X",`+
		`"severity":"%s","number":"%d","data":{%s"entity":{"id":"%s","token_chain":"solana","token_contract":"C","token_ticker":"WIF","timeframe":"1h",`+
		`"book_id":"onchain_crypto","trade_id":"T"},"occurred_at":"%s","flags":[],"origin":{"commit_lsn":"0/1"}}}`,
		change, ordinal, name, position, instant, change, 0, ordinal, severity, number, fields, position, instant)
}

// after returns a period that begins and ends so many seconds behind the first event; an end of 0 is open.
func after(from, to int) Period {
	p := Period{Since: settings.Point{Time: begin.Add(time.Duration(from) * time.Second)}, Now: begin.Add(time.Hour)}
	if to > 0 {
		p.To = settings.Point{Time: begin.Add(time.Duration(to) * time.Second)}
	}
	return p
}

const (
	since  = `"wanted_since":"2026-01-18T10:00:00.000000Z"`
	wanted = since + `,"flag":"exit_position","exit_reason":"x","held_quantity":10,"value_usd":3.5`
)

// TestFailedExits: an exit that is wanted is one line, whatever becomes of it, in the period in which it lasted.
func TestFailedExits(t *testing.T) {
	for _, c := range []struct {
		name, events string
		period       Period
		want         string
	}{
		{"pending", `600 emergency_exit.pending ` + wanted + `,"reminder":0`, after(0, 1000), "pending 1000s held=10 usd=3.5 reminders=0"},
		{"reminded", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			1500 emergency_exit.pending ` + wanted + `,"reminder":1`, after(1000, 2000), "pending 2000s held=10 usd=3.5 reminders=1"},
		{"executed late", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			700.5 emergency_exit.executed "proceeds_usd":1
			+ emergency_exit.settled "outcome":"executed","wanted_since":"2026-01-18T10:00:00.000000Z"`, after(0, 0), "executed 700.5s held=10 usd=3.5 reminders=0"},
		{"over before the period", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			700 emergency_exit.settled "outcome":"withdrawn",` + since + `
			800 position.status_changed`, after(750, 0), ""},
		{"abandoned, settled first", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			700 trade.closed "trade_id":"T"
			+ emergency_exit.settled "outcome":"closed",` + since + `
			+ emergency_exit.abandoned "quantity":9,"value_usd":3.15`, after(0, 0), "abandoned 700s held=9 usd=3.15 reminders=0"},
		{"abandoned first", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			700 emergency_exit.abandoned "quantity":9,"value_usd":null
			+ emergency_exit.settled "outcome":"closed",` + since, after(0, 0), "abandoned 700s held=9 usd= reminders=0"},
		{"abandoned without a page", `700 emergency_exit.abandoned "quantity":9,"value_usd":3`, after(0, 0), "abandoned s held=9 usd=3 reminders=0"},
		{"of two positions", `600 emergency_exit.pending@a ` + wanted + `,"reminder":0
			+ emergency_exit.pending@b ` + wanted + `,"reminder":0
			700 emergency_exit.settled@a "outcome":"emptied",` + since, after(0, 800),
			"emptied 700s held=10 usd=3.5 reminders=0\npending 800s held=10 usd=3.5 reminders=0"},
		{"wanted again before the end of the one before is told", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			1900 emergency_exit.pending "wanted_since":"2026-01-18T10:21:40.000000Z","held_quantity":5,"value_usd":2,"reminder":0
			+ emergency_exit.settled "outcome":"emptied",` + since, after(0, 2000),
			"emptied 1900s held=10 usd=3.5 reminders=0\npending 700s held=5 usd=2 reminders=0"},
		{"wanted again, and no event tells the end of the one before", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			1900 emergency_exit.pending "wanted_since":"2026-01-18T10:21:40.000000Z","held_quantity":5,"value_usd":2,"reminder":0
			2000 position.status_changed`, after(0, 2000), "unknown 2000s held=10 usd=3.5 reminders=0\npending 700s held=5 usd=2 reminders=0"},
		{"wanted again, no event tells the end of the one before, and then abandoned", `600 emergency_exit.pending ` + wanted + `,"reminder":0
			1900 emergency_exit.pending "wanted_since":"2026-01-18T10:21:40.000000Z","held_quantity":5,"value_usd":2,"reminder":0
			2000 emergency_exit.abandoned "quantity":5,"value_usd":2`, after(0, 0),
			"unknown 2000s held=10 usd=3.5 reminders=0\nabandoned 700s held=5 usd=2 reminders=0"},
		{"its page is gone", `700 emergency_exit.settled "outcome":"executed","wanted_since":"2026-01-18T10:00:00.000000Z","held_quantity":4`, after(0, 0),
			"executed 700s held=4 usd= reminders=0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := made(t, told(t, c.events), c.period)
			var got []string
			sum := 0
			for _, n := range r.Failed.List.Lines() {
				got = append(got, fmt.Sprintf("%s %ss held=%s usd=%s reminders=%d", n.Outcome, n.Seconds, n.Held, n.Value, n.Reminders))
			}
			for _, n := range r.Failed.ByOutcome {
				sum += n
			}
			if strings.Join(got, "\n") != c.want || sum != len(got) || r.Failed.Count != len(got) {
				t.Errorf("got %q, %v; want %q", got, r.Failed.ByOutcome, c.want)
			}
		})
	}
}

// TestExitAndItsRecordAreOne: a sell and its record, in either order, are one exit; two sells are two.
func TestExitAndItsRecordAreOne(t *testing.T) {
	const sell = `emergency_exit.executed "kind":"structural","proceeds_usd":1.10,"remaining_quantity":0`
	const record = `emergency_exit.triggered "exit_value_usd":2`
	for events, want := range map[string]string{
		"1 " + sell + "\n2 " + record + `,"first_event_id":"s/1/0"`: "structural 1.10 2",
		"1 " + record + "\n2 " + sell + `,"first_event_id":"s/1/0"`: "structural 1.10 2",
		"1 " + record:                 "recorded  2",
		"1 " + sell + "\n200 " + sell: "structural 1.10 , structural 1.10 ",
		"1 " + record + "\n2 " + sell + `,"first_event_id":"s/1/0"` + "\n3 " + sell + `,"first_event_id":"s/1/0"`: "structural 1.10 2, structural 1.10 ",
	} {
		r := made(t, told(t, events), after(0, 0))
		var got []string
		for _, x := range r.Exits.List.Lines() {
			got = append(got, fmt.Sprintf("%s %s %s", x.Kind, x.Proceeds, x.Planned))
		}
		if strings.Join(got, ", ") != want || r.Exits.Count != len(got) {
			t.Errorf("%s:\ngot %q, want %q", events, got, want)
		}
	}
	r := made(t, told(t, "1 "+sell+"\n200 "+sell), after(0, 0))
	if r.Exits.ProceedsUSD != "2.20" {
		t.Errorf("together %s", r.Exits.ProceedsUSD)
	}
}

// TestWhatIsGoneIsSaid: numbers that are missing, a numbering that began anew, and what is no event.
func TestWhatIsGoneIsSaid(t *testing.T) {
	lines := bytes.SplitAfter(told(t, strings.Repeat("1 position.status_changed\n", 8)), []byte("\n"))
	r := made(t, bytes.Join([][]byte{lines[0], lines[1], lines[5], []byte("no event\n"), lines[6], lines[0], lines[1]}, nil), after(0, 0))
	if s := r.Stream; s.Missing != 3 || s.Gone.Lines()[0] != (Span{3, 5}) || s.Anew != 1 || s.NoJSON != 1 || !r.Cards()[8].Bad {
		t.Errorf("%+v", s)
	}
	fold := New(after(0, 0))
	if _, err := fold.End(); !errors.Is(err, ErrNothing) {
		t.Errorf("of no event: %v", err)
	}
}

// TestPoolsAddUp: whatever happens to pools, what they hold at the end is what they held at the start, and what came, less what went; and
// a step that an event does not tell is not passed over.
func TestPoolsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var events []string
		held := map[string]int{}
		moved, flows := map[string]int{}, 0
		since := rapid.IntRange(0, 60).Draw(rt, "since")
		lied := rapid.SampledFrom([]int{0, 0, 7}).Draw(rt, "lied")
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "position")
			was, to := held[id], rapid.IntRange(0, 5000).Draw(rt, "cents")
			step := rapid.SampledFrom([]string{"fed", "closed", "replaced", "reverted", "restored", "adjusted", "baseline", "deleted"}).Draw(rt, "step")
			basis := fmt.Sprintf(`"before":{"usd_basis":%s},"after":{"usd_basis":%s},"delta_usd":%s`, cents(was), cents(to), cents(to-was))
			line := ""
			switch step {
			case "fed":
				to = was + to
				line = fmt.Sprintf(`trim_pool.increased@%s "added_usd":%s,"before":{"usd_basis":%s},"after":{"usd_basis":%s},"delta_usd":%s`, id, cents(to-was), cents(was),
					cents(to), cents(to-was))
			case "closed":
				to = 0
				line = fmt.Sprintf(`trim_pool.closed@%s "reason":"s2_dip_buy","closed_basis":%s,"before":{"usd_basis":%s},"after":null,"delta_usd":%s`, id, cents(was),
					cents(was), cents(-was))
			case "replaced":
				line = fmt.Sprintf(`trim_pool.replaced@%s "old_basis":%s,"new_basis":%s,%s`, id, cents(was), cents(to), basis)
			case "reverted", "restored", "adjusted":
				line = fmt.Sprintf(`trim_pool.%s@%s %s`, step, id, basis)
			case "baseline":
				line = fmt.Sprintf(`position.baseline@%s "history":{"trim_pool":{"usd_basis":%s}}`, id, cents(to))
			case "deleted":
				to = 0
				line = "position.deleted@" + id
			}
			held[id] = to
			events = append(events, fmt.Sprintf("%d %s", i, line))
			if i >= since && step != "baseline" && step != "deleted" {
				moved["flow"] += to - was
				flows++
			}
		}
		if lied > 0 && flows > 0 { // the last pool holds something that no step has brought
			events = append(events, fmt.Sprintf(`100 trim_pool.restored@d "before":null,"after":{"usd_basis":%d},"delta_usd":0`, lied))
			held["d"] = lied * 100
		} else {
			lied = 0
		}
		r := made(rt, told(rt, strings.Join(events, "\n")), after(since, 0))
		total := 0
		for _, usd := range held {
			total += usd
		}
		p := &r.Pools
		if got := rat(rt, string(p.End)); got.Cmp(big.NewRat(int64(total), 100)) != 0 {
			rt.Errorf("held at the end %s, want %s", p.End, cents(total))
		}
		net := rat(rt, string(p.Fed))
		net.Sub(net, rat(rt, string(p.Lost))).Sub(net, rat(rt, string(p.SpentUSD)))
		if net.Cmp(big.NewRat(int64(moved["flow"]), 100)) != 0 {
			rt.Errorf("fed − lost − spent is %s, want %s", net.FloatString(2), cents(moved["flow"]))
		}
		if want := fmt.Sprint(lied); string(p.Unexplained) != want {
			rt.Errorf("unexplained %s, want %s: %s", p.Unexplained, want, asJSON(rt, r))
		}
		lost := rat(rt, string(r.Stale.TakenUSD))
		if lost.Sub(lost, rat(rt, string(r.Stale.ReturnedUSD))).Cmp(rat(rt, string(p.Lost))) != 0 {
			rt.Errorf("taken %s, brought back %s, lost %s", r.Stale.TakenUSD, r.Stale.ReturnedUSD, p.Lost)
		}
	})
}

func cents(n int) string { return big.NewRat(int64(n), 100).FloatString(2) }

// hostile is what somebody may have written into every text of a row.
const hostile = `</style></title></svg><script>alert(1)</script><img src=x onerror=alert(1)>"'&` + "\u202e\u0007"

// TestHostileTexts: whatever stands in the database is shown as text, in every field of every event, and bounded.
func TestHostileTexts(t *testing.T) {
	lines, newest := recorded(t)
	attack, err := json.Marshal(hostile + strings.Repeat("x", 5000))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"token_ticker|token_contract|timeframe|trigger|actor|reason|kind|exit_reason|flag|trade_id|source|direction|severity",
		"book_id|outcome|key|path|why|cause|slot|application|session|dataschema|from_time|signal|price", "type", "id", "time|occurred_at|wanted_since|since"} {
		bad := regexp.MustCompile(`"(`+field+`)":"[^"]*"`).ReplaceAll(lines, []byte(`"$1":`+strings.ReplaceAll(string(attack), "$", "$$")))
		if bytes.Equal(bad, lines) {
			t.Fatalf("%s is nowhere", field)
		}
		r := made(t, bad, Period{Now: newest})
		r.Trail = &Trail{Text: "FAIL </pre><script>\n"}
		var page bytes.Buffer
		if err := r.WriteHTML(&page); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"<script", "<img", "\u202e", "\u0007"} {
			if strings.Contains(page.String(), part) {
				t.Errorf("%s: the page has %q", field, part)
			}
		}
		if n := strings.Count(page.String(), "</style>"); n != 1 || page.Len() > 2<<20 {
			t.Errorf("%s: %d styles, %d bytes", field, n, page.Len())
		}
		if text := asJSON(t, r); !json.Valid([]byte(text)) {
			t.Errorf("%s: no JSON", field)
		}
	}
}

// TestNothingFromElsewhere: the file names nothing that a browser would fetch, and its policy allows its own style alone.
func TestNothingFromElsewhere(t *testing.T) {
	lines, newest := recorded(t)
	r := made(t, lines, Period{Now: newest})
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`(?i)(src|srcset|href|action|data|poster)="[^#]|url\(|@import|<script|<link|<iframe| style=| on[a-z]+=`).FindAllString(page.String(), -1); len(found) > 0 {
		t.Errorf("the page has %q", found)
	}
	if !strings.Contains(page.String(), `content="default-src &#39;none&#39;; style-src &#39;sha256-`) && !strings.Contains(page.String(), `content="default-src 'none'; style-src 'sha256-`) {
		t.Errorf("no policy: %.800s", page.String())
	}
}

// TestListsAreBounded: a hundred thousand events leave as many lines as a list keeps, the newest, and sums over all.
func TestListsAreBounded(t *testing.T) {
	fold := New(after(0, 0))
	const n = 20_000
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Minute)
		line := eventOf("emergency_exit.executed", fmt.Sprint(i%7), fmt.Sprintf(`"kind":"structural","exit_reason":"%d","proceeds_usd":0.10`, i), at, i+1, 0, i+1)
		if err := fold.Take(stored(line)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := fold.End()
	if err != nil {
		t.Fatal(err)
	}
	list := r.Exits.List.Lines()
	if len(list) != mostListed || list[mostListed-1].Reason != fmt.Sprint(n-1) || list[0].Reason != fmt.Sprint(n-mostListed) || r.Exits.List.Total() != n {
		t.Errorf("%d lines of %d, the last is %s", len(list), r.Exits.List.Total(), list[len(list)-1].Reason)
	}
	if r.Exits.ProceedsUSD != "2000.00" || len(fold.exits.records) > mostRecords || len(r.charts.columns) > mostColumns {
		t.Errorf("together %s, %d records, %d columns", r.Exits.ProceedsUSD, len(fold.exits.records), len(r.charts.columns))
	}
	var page bytes.Buffer
	if err := r.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if shown := strings.Count(page.String(), "<td class=\"short\">structural</td>"); shown != mostShown || !strings.Contains(page.String(), "19800 older ones are not shown") {
		t.Errorf("%d lines are shown", shown)
	}
}

// TestColumns: whatever the period, a chart has few columns, and every event falls into one.
func TestColumns(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := begin.Add(time.Duration(rapid.Int64Range(0, 1e17).Draw(rt, "from")))
		if rapid.Bool().Draw(rt, "unreadable") {
			from = time.Time{}
		}
		to := begin.Add(time.Duration(rapid.Int64Range(-1e9, 4e17).Draw(rt, "long")))
		c := newCharts(from, to)
		if n := len(c.columns); n < 1 || n > mostColumns {
			rt.Fatalf("%d columns", n)
		}
		if last := c.from.Add(time.Duration(len(c.columns)) * c.width); !from.IsZero() && (!last.After(to) || c.from.After(from)) {
			rt.Errorf("columns from %s to %s, period from %s to %s", c.from, last, from, to)
		}
		c.at(from.Add(-time.Hour))
		c.at(to.Add(time.Hour))
		if !from.IsZero() && to.After(from) && c.at(to) != &c.columns[len(c.columns)-1] {
			rt.Error("the end is not in the last column")
		}
	})
}

func stored(line string) *sink.Stored {
	return &sink.Stored{Topic: "events.jsonl", Value: []byte(line)}
}

// TestTrailWithoutItsBeginning: what a pool held before its first event that is there, it held at the start.
func TestTrailWithoutItsBeginning(t *testing.T) {
	r := made(t, told(t, `10 trim_pool.increased "added_usd":2.5,"before":{"usd_basis":40},"after":{"usd_basis":42.5},"delta_usd":2.5
		20 trim_pool.closed "reason":"s2_dip_buy","closed_basis":42.5,"before":{"usd_basis":42.5},"after":null,"delta_usd":-42.5`), after(0, 0))
	if p := r.Pools; p.Start != "40" || p.Fed != "2.5" || p.SpentUSD != "42.5" || p.End != "0" || p.Unexplained != "0" {
		t.Errorf("%+v", p)
	}
	r = made(t, told(t, `10 entry_block.cleared "stages":["s1"],"trigger":"manual","blocked_for_seconds":{"s1":7.25,"s2":null},"after":{"blocked_s1":false}
		20 entry_block.cleared "stages":["s1"],"trigger":"success","blocked_for_seconds":{"s1":9,"s2":null},"after":{"blocked_s1":false}`), after(0, 0))
	if b := r.Blocks; b.Count != 1 || b.Seconds != "7.25" || b.List.Lines()[0].From != "" || b.List.Lines()[0].Freed != "manual" {
		t.Errorf("%+v", b)
	}
}

// TestBlocks: a stage is blocked since it failed, the other of the same event since then; read again it is the same block, and what
// stands at the end is counted up to there.
func TestBlocks(t *testing.T) {
	r := made(t, told(t, `100 entry_block.set "stages":["s1","s2"],"trigger":"s1_failure","failure_ts":{"s1":"2026-01-18T10:00:40.5Z","s2":null},"after":{"blocked_s1":true,"blocked_s2":true}
		200 entry_block.refreshed "stages":["s2"],"trigger":"s2_failure","after":{"blocked_s1":true,"blocked_s2":true}
		250 entry_block.baseline "stages":["s1","s2"],"failure_ts":{"s1":"2026-01-18T10:00:40.5Z","s2":null},"after":{"blocked_s1":true,"blocked_s2":true}
		300 entry_block.cleared "stages":["s1"],"trigger":"success","after":{"blocked_s1":false,"blocked_s2":true}`), after(0, 1000))
	var got []string
	for _, b := range r.Blocks.List.Lines() {
		got = append(got, fmt.Sprintf("%s from %s for %s, %s", b.Stage, b.From, b.Seconds, b.Freed))
	}
	want := "s1 from 2026-01-18T10:00:40.5Z for 259.5, success\ns2 from 2026-01-18T10:01:40.000000Z for 900, "
	if strings.Join(got, "\n") != want || r.Blocks.Standing != 1 || r.Blocks.Seconds != "1159.5" {
		t.Errorf("%d stand, together %s:\n%s", r.Blocks.Standing, r.Blocks.Seconds, strings.Join(got, "\n"))
	}
	drawn, _ := lanes(r.Blocks.List.Lines(), begin.Add(100*time.Second), begin.Add(1100*time.Second))
	if len(drawn) != 1 || len(drawn[0].Bars) != 2 || drawn[0].Bars[0].X != "0.000%" || drawn[0].Bars[0].Width != "20.000%" || drawn[0].Bars[1].Width != "100.000%" {
		t.Errorf("drawn %+v", drawn[0])
	}
}

// TestTrimsThatWereReverted: a trim that is reverted twice is one, and one whose revert is of another key is none.
func TestTrimsThatWereReverted(t *testing.T) {
	r := made(t, told(t, `1 execution.trim_recorded
		2 execution.reverted "key":"last_trim","cause":"same_tick"
		3 execution.restored "key":"last_trim"
		4 execution.reverted "key":"last_trim","cause":"later_write"
		5 execution.trim_recorded
		6 execution.reverted "key":"last_s1_buy","cause":"same_tick"
		7 emergency_exit.executed
		8 execution.reverted "key":"last_trim"`), after(0, 0))
	if s := r.Stale; s.Trims != 2 || s.TrimsReverted != 1 || s.Reverts != 4 || s.SameTick != 2 || s.LaterWrite != 1 || s.OfOther != 1 || s.ByKey["last_trim"] != 3 {
		t.Errorf("%+v", s)
	}
}

// TestKeepsNoEvent: what a report lists of large events are a few texts of each, not the events.
func TestKeepsNoEvent(t *testing.T) {
	const n, size = 160, 64 << 10
	large := `"filler":"` + strings.Repeat("x", size) + `",`
	fold := New(after(0, 0))
	var before, behind runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		at, name := begin.Add(time.Duration(i)*time.Minute), []string{"history.malformed", "trade.closed", "execution.unrecorded", "trade.opened",
			"emergency_exit.pending", "entry_block.set", "trim_pool.opened", "execution.reverted"}[i%8]
		fields := large + `"raw":"` + strings.Repeat("y", size) + fmt.Sprintf(`","trade_id":"T%d","pnl_usd":-1.5,"direction":"sell","usd":2.25,"key":"last_trim",`+
			`"added_usd":1.25,"after":{"usd_basis":1.25,"blocked_s1":true}`, i)
		if err := fold.Take(stored(eventOf(name, fmt.Sprint(i), fields, at, i+1, 0, i+1))); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&behind)
	if kept := int64(behind.HeapAlloc) - int64(before.HeapAlloc); kept > n*size/10 {
		t.Errorf("%d MB of %d MB are kept", kept>>20, 2*n*size>>20)
	}
	runtime.KeepAlive(fold)
}
