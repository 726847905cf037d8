package trades

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/schemas"
)

// story is a sequence of events: "SECONDS TRADE NAME FIELDS" a line, where TRADE is what the row holds after the change (a dash for
// none), and a line that begins with + belongs to the change before it. Blocks have the trade "block".
func story(t *testing.T, text string) []byte {
	t.Helper()
	var lines bytes.Buffer
	begin := time.Date(2026, 1, 18, 10, 0, 0, 0, time.UTC)
	change, ordinal, at := 0, 0, time.Duration(0)
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		line, same := strings.CutPrefix(strings.TrimSpace(line), "+ ")
		words := strings.SplitN(line, " ", 4)
		if ordinal++; !same {
			change, ordinal = change+1, 0
			seconds, err := time.ParseDuration(words[0] + "s")
			if err != nil {
				t.Fatal(err)
			}
			at, words = seconds, words[1:]
		} else {
			words = strings.SplitN(line, " ", 3)
		}
		if len(words) == 2 {
			words = append(words, "")
		}
		lines.WriteString(eventOf(words[0], words[1], words[2], begin.Add(at), change, ordinal) + "\n")
	}
	return lines.Bytes()
}

func eventOf(trade, name, fields string, at time.Time, change, ordinal int) string {
	entity := `{"id":"p","token_chain":"solana","token_contract":"C","token_ticker":"WIF","timeframe":"1h","book_id":"onchain_crypto","status":"active","state":"S3","trade_id":"` + trade + `"}`
	if trade == "-" {
		entity = strings.Replace(entity, `"-"`, "null", 1)
	}
	if trade == "block" {
		entity = `{"token_chain":"solana","token_contract":"C","timeframe":"1h","book_id":"onchain_crypto"}`
	}
	instant := at.Format("2006-01-02T15:04:05.000000Z")
	severity := "info"
	if strings.Contains(fields, `"held_quantity":0,`) {
		severity = "page"
	}
	return fmt.Sprintf(`{"specversion":"1.0","id":"s/%d/%d","source":"s","type":"lowcap.%s.v1","subject":"p","time":"%s","datacontenttype":"application/json",`+
		`"dataschema":"","partitionkey":"solana/C/1h","sequence":"%016X1%08X%07X","severity":"%s","data":{%s"entity":%s,"before":null,"after":null,`+
		`"occurred_at":"%s","occurred_at_quality":"commit_time","flags":[%s],"origin":{"commit_lsn":"0/1","xid":1,"commit_time":"%s","op":"update"}}}`,
		change, ordinal, name, instant, change, 0, ordinal, severity, fieldsOf(fields), entity, instant, flagsOf(fields), instant)
}

// fieldsOf returns the JSON fields of a line; what stands behind a bar is a flag.
func fieldsOf(text string) string {
	fields, _, _ := strings.Cut(text, " |")
	if fields != "" {
		fields += ","
	}
	return fields
}

func flagsOf(text string) string {
	if _, flag, ok := strings.Cut(text, " |"); ok {
		return `"` + flag + `"`
	}
	return ""
}

const closed = `"trade_id":"A","closed_at":null,"remaining_quantity":0,"pnl_usd":5.50`

var stories = []struct{ name, events, want string }{
	{"a trade that a stale write takes back", `
		0 A trade.opened "trade_id":"A"
		1 A execution.buy_recorded "slot":"s1"
		2 A execution.reverted "key":"last_s1_buy"
		3 A execution.buy_recorded "slot":"s1"
		4 A execution.trim_recorded "proceeds_usd":22.455,"remaining_quantity":550
		+ A trim_pool.opened "added_usd":22.455,"delta_usd":22.455
		5 A execution.reverted "key":"last_trim"
		+ A trim_pool.reverted "delta_usd":-22.455
		6 A execution.restored "key":"last_trim"
		+ A trim_pool.restored "delta_usd":22.455
		7 A trim_pool.reverted "delta_usd":-22.455
		8 A emergency_exit.executed "proceeds_usd":100.1,"remaining_quantity":0
		+ A trim_pool.opened "added_usd":100.1,"delta_usd":100.1
		9 - trade.closed ` + closed,
		`A s1 buys=2 trims=1 out=122.555 executed left=0 pnl=5.50 block=? pool=122.555,22.455,map[]`},
	{"its exit is reverted and comes again", `
		0 A trade.opened "trade_id":"A"
		1 A emergency_exit.executed "proceeds_usd":100.10,"remaining_quantity":0
		2 A emergency_exit.reverted "key":"last_trim"
		3 A emergency_exit.restored "key":"last_trim"`,
		`A ? buys=0 trims=0 out=100.10 executed left=0 pnl=? block=? pool=0,0,map[]`},
	{"a pool that outlives its trade", `
		0 A trade.opened "trade_id":"A"
		1 A emergency_exit.executed "proceeds_usd":45.0,"remaining_quantity":0
		+ A trim_pool.opened "added_usd":45.0,"delta_usd":45.0
		2 - trade.closed ` + closed + `
		500 B trade.opened "trade_id":"B"
		501 B execution.buy_recorded "slot":"s2"
		+ B trim_pool.closed "closed_basis":45.0,"reason":"s2_entry_new_trade","delta_usd":-45.0`,
		`A ? buys=0 trims=0 out=45.0 executed left=0 pnl=5.50 block=none pool=45.0,0,map[]
		B s2 buys=1 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[s2_entry_new_trade:45.0]`},
	{"sell, close, opening and buy in one change", `
		0 A trade.opened "trade_id":"A"
		1 B execution.buy_recorded "slot":"s3"
		+ B execution.trim_recorded "proceeds_usd":7,"remaining_quantity":3
		+ B trim_pool.closed "closed_basis":1,"reason":"dx_ladder_complete"
		+ B trade.closed "trade_id":"A","remaining_quantity":0,"pnl_usd":-1
		+ B trade.opened "trade_id":"B"
		200 B position.status_changed`,
		`A ? buys=0 trims=1 out=7 none left=0 pnl=-1 block=none pool=0,0,map[]
		B s3 buys=1 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[dx_ladder_complete:1]`},
	{"the exit fails and the trade is closed over its tokens", `
		0 A trade.opened "trade_id":"A"
		1 A execution.buy_recorded "slot":"s1"
		601 A emergency_exit.pending "held_quantity":7960,"reminder":0
		700 - trade.closed "trade_id":"A","remaining_quantity":7960,"pnl_usd":-398.0
		+ - emergency_exit.settled "outcome":"closed"
		+ - emergency_exit.abandoned "trade_id":"A","quantity":7960
		820 block entry_block.not_set "trade_id":"A"
		821 - position.status_changed`,
		`A s1 buys=1 trims=0 out=0 abandoned left=7960 pnl=-398.0 block=not_set pool=0,0,map[]`},
	{"a second loss on the day, of whose block no event tells", `
		0 A trade.opened "trade_id":"A"
		1 A execution.buy_recorded "slot":"s1"
		2 - trade.closed "trade_id":"A","remaining_quantity":0,"pnl_usd":-1.0
		200 - position.status_changed`,
		`A s1 buys=1 trims=0 out=0 none left=0 pnl=-1.0 block=not_set pool=0,0,map[]`},
	{"a loss that blocks, and what comes too late", `
		0 A trade.opened "trade_id":"A"
		1 A execution.buy_recorded "slot":"s2"
		2 - trade.closed "trade_id":"A","remaining_quantity":0,"pnl_usd":-1.0
		3 block entry_block.set "trigger":"s2_failure"
		4 block entry_block.cleared "trigger":"manual"
		130 block entry_block.cleared "trigger":"success"
		131 - trim_pool.reverted "delta_usd":-5`,
		`A s2 buys=1 trims=0 out=0 none left=0 pnl=-1.0 block=set pool=0,0,map[]`},
	{"a stale write two minutes after the end", `
		0 A trade.opened "trade_id":"A"
		1 - trade.closed ` + closed + `
		122 - trim_pool.reverted "delta_usd":-5`,
		`A ? buys=0 trims=0 out=0 none left=0 pnl=5.50 block=none pool=0,0,map[]`},
	{"a stale write soon after the end", `
		0 A trade.opened "trade_id":"A"
		1 - trade.closed ` + closed + `
		121 - trim_pool.reverted "delta_usd":-5`,
		`A ? buys=0 trims=0 out=0 none left=0 pnl=5.50 block=none pool=0,5,map[]`},
	{"an exit that is pending, and is then withdrawn", `
		0 A trade.opened "trade_id":"A"
		601 A emergency_exit.pending "held_quantity":10,"reminder":0
		602 A emergency_exit.settled "outcome":"withdrawn"`,
		`A ? buys=0 trims=0 out=0 none left=10 pnl=? block=? pool=0,0,map[]`},
	{"an exit that is pending, and of which an earlier one was emptied", `
		0 A trade.opened "trade_id":"A"
		601 A emergency_exit.pending "wanted_since":"1","held_quantity":10,"reminder":0
		1300 A emergency_exit.pending "wanted_since":"2","held_quantity":5,"reminder":0
		+ A emergency_exit.settled "wanted_since":"1","outcome":"emptied"`,
		`A ? buys=0 trims=0 out=0 pending left=5 pnl=? block=? pool=0,0,map[]`},
	{"an exit that is pending", `
		0 A trade.opened "trade_id":"A"
		601 A emergency_exit.pending "held_quantity":10,"reminder":0`,
		`A ? buys=0 trims=0 out=0 pending left=10 pnl=? block=? pool=0,0,map[]`},
	{"fills without a record: a buy, a trim, and one that is told behind the next trade's beginning", `
		0 A trade.opened "trade_id":"A"
		121 A execution.unrecorded "direction":"buy","usd":50,"since":"2026-01-18T10:00:01.000000Z","held_quantity":7
		130 A execution.buy_recorded "slot":"s3"
		300 A execution.unrecorded "direction":"sell","usd":1.5,"since":"2026-01-18T10:03:00.000000Z","held_quantity":4
		400 - trade.closed ` + closed + `
		410 B trade.opened "trade_id":"B"
		515 B execution.unrecorded "direction":"sell","usd":2.25,"held_quantity":0,"since":"2026-01-18T10:06:40.000000Z"`,
		`A ? buys=2 trims=1 out=3.75 emptied left=0 pnl=5.50 block=? pool=0,0,map[]
		B ? buys=0 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[]`},
	{"a trim that is amended and was an exit", `
		0 A trade.opened "trade_id":"A"
		1 A execution.trim_recorded "proceeds_usd":9.5,"remaining_quantity":1
		2 A emergency_exit.executed "proceeds_usd":null,"remaining_quantity":1 |amended`,
		`A ? buys=0 trims=0 out=9.5 executed left=1 pnl=? block=? pool=0,0,map[]`},
	{"open at the baseline, which is read a second time", `
		0 A position.baseline "total_quantity":1000,"total_extracted_usd":12.5
		1 A execution.buy_recorded "slot":"s3"
		2 A execution.trim_recorded "proceeds_usd":null,"remaining_quantity":900
		3 A position.baseline "total_quantity":900,"total_extracted_usd":99`,
		`A ? buys=1 trims=1 out=12.5 none left=900 pnl=? block=? pool=0,0,map[]`},
	{"inserted with its history", `
		0 A position.created "total_quantity":5,"total_extracted_usd":0
		+ A position.baseline "total_quantity":5,"total_extracted_usd":0
		1 A execution.buy_recorded "slot":"s3"`,
		`A ? buys=1 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[]`},
	{"the beginning is gone", `
		0 A execution.trim_recorded "proceeds_usd":null,"remaining_quantity":900
		1 - trade.closed ` + closed,
		`A ? buys=0 trims=1 out=? none left=0 pnl=5.50 block=? pool=0,0,map[]`},
	{"only the end is there", `0 - trade.closed ` + closed,
		`A ? buys=0 trims=0 out=0 none left=0 pnl=5.50 block=? pool=0,0,map[]`},
	{"the end was not seen", `
		0 A trade.opened "trade_id":"A"
		1 B trade.opened "trade_id":"B"
		2 - position.baseline "total_quantity":0`,
		`A ? buys=0 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[]
		B ? buys=0 trims=0 out=0 none left=? pnl=? block=? pool=0,0,map[]`},
	{"the row is deleted while its exit is pending", `
		0 A trade.opened "trade_id":"A"
		601 A emergency_exit.pending "held_quantity":10,"reminder":0
		602 A position.deleted "total_quantity":10
		+ A emergency_exit.settled "outcome":"closed"`,
		`A ? buys=0 trims=0 out=0 pending left=10 pnl=? block=? pool=0,0,map[]`},
	{"hand edits of the pool", `
		0 A trade.opened "trade_id":"A"
		1 A trim_pool.opened "added_usd":15,"delta_usd":15.0
		2 A trim_pool.adjusted "delta_usd":1.5
		3 A trim_pool.adjusted "delta_usd":-0.25
		4 A trim_pool.replaced "old_basis":16.25,"new_basis":3e-1,"delta_usd":-15.95`,
		`A ? buys=0 trims=0 out=0 none left=? pnl=? block=? pool=16.8,0,map[adjusted:0.25 replaced:16.25]`},
}

func (t *Trade) short() string {
	word := func(text schemas.Text) string {
		if text == nil {
			return "?"
		}
		return *text
	}
	unknown := func(n schemas.Number) string {
		if n == "" {
			return "?"
		}
		return string(n)
	}
	return fmt.Sprintf("%s %s buys=%d trims=%d out=%s %s left=%s pnl=%s block=%s pool=%s,%s,%v", t.TradeID, word(t.EntrySlot), t.Buys, t.Trims,
		unknown(t.USDOut), t.Exit, unknown(t.TokensLeft), unknown(t.PnLUSD), word(t.Block), t.Pool.Fed, t.Pool.Lost, t.Pool.Spent)
}

func TestStories(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			var got []string
			for _, trade := range folded(t, story(t, s.events)) {
				got = append(got, trade.short())
			}
			want := strings.Split(strings.ReplaceAll(s.want, "\n\t\t", "\n"), "\n")
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// TestJSONOfATrade: the fields that are promised, in this order, and no others.
func TestJSONOfATrade(t *testing.T) {
	var out bytes.Buffer
	for _, trade := range folded(t, story(t, stories[0].events)) {
		if err := trade.PrintJSON(&out, bytes.Clone); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"trade_id":"A","token":"WIF","timeframe":"1h","opened_at":"2026-01-18T10:00:00.000000Z","closed_at":"2026-01-18T10:00:09.000000Z",` +
		`"entry_slot":"s1","buys":2,"trims":1,"usd_out":122.555,"exit":"executed","tokens_left":0,"pnl_usd":5.50,"block":null,` +
		`"pool":{"fed":122.555,"lost":22.455,"spent":{}}}` + "\n"
	if out.String() != want || !json.Valid(out.Bytes()) {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// TestStrangeTexts: a ticker cannot rewrite the terminal, nor fill the screen.
func TestStrangeTexts(t *testing.T) {
	lines := bytes.ReplaceAll(story(t, stories[0].events), []byte(`"WIF"`), []byte(`"W\u001b[2J`+strings.Repeat("x", 1000)+`"`))
	for _, trade := range folded(t, lines) {
		var text bytes.Buffer
		if err := trade.Print(&text); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "\x1b") || text.Len() > 500 || !strings.Contains(text.String(), `W\x1b[2Jxx`) {
			t.Errorf("printed %q", text.String())
		}
	}
}
