package cdc

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// oracleOf reads out of the rows of a market what an operator must be told. It looks at one question after the other, each over the
// whole log, with no image and no state between them but its own.
func oracleOf(m *market) (want []string) {
	for _, c := range m.coins {
		o := oracle{coin: c.id, subject: "C" + c.id[34:], log: m.log, blocks: m.blocks[c.id]}
		o.read()
		o.exits()
		o.abandoned()
		for _, direction := range []string{"buy", "sell"} {
			o.books(direction)
		}
		o.losses()
		o.alarms()
		want = append(want, o.want...)
	}
	slices.Sort(want)
	return want
}

// oracle asks about one position.
type oracle struct {
	coin, subject string
	log           []logged
	blocks        []int
	want          []string

	rows []moment // the position's rows, the first from the snapshot
}

// moment is a row as it became known, with what its history recorded for the first time.
type moment struct {
	n      int // in the log
	at     int
	was    coin
	is     coin
	price  int64 // of the engine, as last sent
	wish   [2]bool
	wants  bool
	keys   map[string]int // that were recorded, and their embedded time in seconds
	signal string
	pnl    *int64
	record bool // last_emergency_exit was recorded
	priced bool // the engine's price was sent with the row, or since an exit is wanted of what is held: no price is kept of others
}

func (o *oracle) tell(at int, format string, args ...any) {
	o.want = append(o.want, fmt.Sprintf("%06d %s ", at, o.subject)+fmt.Sprintf(format, args...))
}

// read collects the position's rows and what each of them recorded.
func (o *oracle) read() {
	newest := make(map[string]int)
	var last *moment
	for n := range o.log {
		entry := &o.log[n]
		if entry.coin != o.coin {
			continue
		}
		now := moment{n: n, at: entry.at, is: entry.row, keys: make(map[string]int), pnl: entry.pnl}
		if last != nil {
			now.was, now.price, now.wish = last.is, last.price, last.wish
		}
		if last == nil || !entry.row.toast {
			now.price, now.wish = entry.row.price, [2]bool{entry.row.exit, entry.row.emergency}
		}
		now.wants = now.wish[0] || now.wish[1]
		for key, value := range entry.row.history {
			if entry.row.toast {
				break
			}
			var v struct{ Timestamp, Signal string }
			json.Unmarshal(value, &v) //nolint:errcheck // the market wrote it
			t, _, _ := jsonb.ParseInstant([]byte(v.Timestamp))
			at := int((t - benchCommitTime) / second)
			if seen, ok := newest[key]; ok && at <= seen {
				continue
			}
			if newest[key] = at; last == nil {
				continue // the snapshot records nothing
			}
			if now.keys[key] = at; key == "last_trim" {
				now.signal = v.Signal
			}
		}
		_, now.record = now.keys["last_emergency_exit"]
		now.priced = !entry.row.toast || last != nil && last.priced && last.wants && last.held()
		o.rows = append(o.rows, now)
		last = &o.rows[len(o.rows)-1]
	}
}

func (r *moment) dust() int64 { return max(r.was.bought, r.is.bought, r.was.qty) }

// held: more than a millionth of the largest.
func (r *moment) held() bool { return r.is.qty*1000000 > r.dust() && r.is.qty > 0 }

func (r *moment) sells() bool { _, ok := r.keys["last_trim"]; return ok }

// left is what a trade that ends leaves, 0 for nothing or no end.
func (r *moment) left() int64 {
	if r.was.trade == 0 || r.was.trade == r.is.trade {
		return 0
	}
	left := r.was.qty - max(0, r.is.sold-r.was.sold)
	if left <= 0 || left*1000000 <= r.dust() {
		return 0
	}
	return left
}

func times(quantity, price int64) string {
	product := new(big.Rat).SetFrac64(quantity, 1000000)
	product.Mul(product, new(big.Rat).SetFrac64(price, 1000000))
	text := strings.TrimRight(product.FloatString(12), "0")
	return strings.TrimSuffix(text, ".")
}

// exits finds each stretch in which an exit was wanted and something held, and tells it as pending at the transactions that were
// late enough; and how those ended that were told.
func (o *oracle) exits() {
	for i := 0; i < len(o.rows); i++ {
		if !o.rows[i].wants || !o.rows[i].held() || o.rows[i].left() != 0 && i > 0 && o.sameStretch(i) {
			continue
		}
		end := i + 1
		for end < len(o.rows) && o.rows[end].wants && o.rows[end].held() && o.rows[end].left() == 0 {
			end++
		}
		o.stretch(i, end)
		i = end - 1
	}
}

// sameStretch is never true in a market: a trade that ends leaves no quantity in the row.
func (o *oracle) sameStretch(i int) bool { return o.rows[i].is.qty != 0 && o.rows[i].is.trade == 0 }

func (o *oracle) stretch(begin, end int) {
	lastLog := len(o.log)
	if end < len(o.rows) {
		lastLog = o.rows[end].n // what ends it comes before what is due in that transaction
	}
	first := &o.rows[begin]
	from, told, due, row := first.at, 0, 0, begin
	for n := first.n; n < lastLog; n++ {
		for row+1 < end && o.rows[row+1].n <= n {
			if row++; o.rows[row].sells() && told == 0 {
				from = o.rows[row].at
			}
		}
		at, now := o.log[n].at, &o.rows[row]
		if n == first.n && begin == 0 {
			continue // a snapshot tells no time
		}
		if told == 0 && at < from+600 || told > 0 && at < due {
			continue
		}
		value := "null"
		if now.priced {
			value = times(now.is.qty, now.price)
		}
		o.tell(at, "emergency_exit.pending page wanted_since=%s held_quantity=%s reminder=%d value_usd=%s",
			jsonb.FormatInstant(benchCommitTime+decodeSeconds(first.at)), micro(now.is.qty), told, value)
		if told == 0 {
			due = at + 3600
		}
		for due <= at {
			due += 6 * 3600
		}
		told++
	}
	if told > 0 && end < len(o.rows) {
		o.settled(end)
	}
}

func (o *oracle) settled(end int) {
	r := &o.rows[end]
	switch {
	case r.left() != 0:
		o.tell(r.at, "emergency_exit.settled info outcome=closed held_quantity=%s", micro(r.was.qty))
	case r.held():
		o.tell(r.at, "emergency_exit.settled info outcome=withdrawn held_quantity=%s", micro(r.is.qty))
	default:
		at, outcome := o.recordedOrDue(end, "executed", "emptied")
		if at >= 0 {
			o.tell(at, "emergency_exit.settled info outcome=%s held_quantity=%s", outcome, micro(r.was.qty))
		}
	}
}

// recordedOrDue looks for the record of a sell in a row or within 120 s after it, and else for the transaction that tells that there
// was none.
func (o *oracle) recordedOrDue(row int, recorded, not string) (at int, outcome string) {
	since := o.rows[row].at
	for i := row; i < len(o.rows) && o.rows[i].at <= since+120; i++ {
		if o.rows[i].sells() && o.inTime(i, since) {
			return o.rows[i].at, recorded
		}
	}
	for n := o.rows[row].n; n < len(o.log); n++ {
		if o.log[n].at >= since+120 {
			return o.log[n].at, not
		}
	}
	return -1, ""
}

// inTime: nothing before this row's transaction told that the time was over.
func (o *oracle) inTime(i, since int) bool {
	for n := o.rows[i].n - 1; n >= 0 && o.log[n].at >= since; n-- {
		if o.log[n].at >= since+120 && n > 0 {
			return false
		}
	}
	return true
}

func (o *oracle) abandoned() {
	for i := 1; i < len(o.rows); i++ {
		r := &o.rows[i]
		if left := r.left(); left != 0 {
			value := times(left, r.price)
			if !r.priced {
				value = "null"
			}
			o.tell(r.at, "emergency_exit.abandoned page quantity=%s value_usd=%s wanted=%v", micro(left), value, r.wants)
		}
	}
}

func (o *oracle) books(direction string) {
	sum := func(c *coin) int64 {
		if direction == "buy" {
			return c.bought
		}
		return c.sold
	}
	records := func(r *moment) bool {
		if direction == "sell" {
			return r.sells()
		}
		for _, key := range []string{"last_s1_buy", "last_s2_buy", "last_s3_buy"} {
			if _, ok := r.keys[key]; ok {
				return true
			}
		}
		return false
	}
	var tokens int64
	since, row := -1, 0
	for n := range o.log {
		if row+1 < len(o.rows) && o.rows[row+1].n == n {
			row++
			r := &o.rows[row]
			grown := max(0, sum(&r.is)-sum(&r.was))
			switch {
			case records(r) && (since < 0 || r.at <= since+120):
				tokens, since = 0, -1
				grown = 0
			case records(r):
				grown = 0 // covers itself, and comes too late for the rest
			}
			if grown > 0 {
				if tokens += grown; since < 0 {
					since = r.at
				}
			}
		}
		if since >= 0 && o.log[n].at >= since+120 {
			now := &o.rows[row]
			severity := "warn"
			if direction == "sell" && (now.is.qty <= 0 || now.is.qty*1000000 <= max(now.is.bought, now.is.qty)) {
				severity = "page"
			}
			o.tell(
				o.log[n].at,
				"execution.unrecorded %s direction=%s tokens=%s held_quantity=%s",
				severity,
				direction,
				micro(tokens),
				micro(now.is.qty),
			)
			tokens, since = 0, -1
		}
	}
}

// losses are trades that bought in S1 or S2, ended with a loss, and set no block.
func (o *oracle) losses() {
	last := -1
	for i := 1; i < len(o.rows); i++ {
		r := &o.rows[i]
		if r.was.trade == 0 || r.was.trade == r.is.trade || r.pnl == nil || *r.pnl >= 0 {
			continue
		}
		first, stages := o.bought(i)
		if len(stages) == 0 {
			continue
		}
		for n := r.n; n < len(o.log); n++ {
			if o.log[n].at < r.at+120 {
				continue
			}
			blocked := slices.ContainsFunc(o.blocks, func(b int) bool { return b <= n && o.log[b].at >= first })
			if !blocked && (last < 0 || o.log[n].at-last >= 24*3600) {
				last = o.log[n].at
				text, _ := json.Marshal(stages)
				o.tell(last, "entry_block.not_set warn pnl_usd=%s stages=%s", pnlText(*r.pnl), text)
			}
			break
		}
	}
}

// pnlText is how a test reads a number of JSON again.
func pnlText(cents int64) string {
	text, _ := json.Marshal(float64(cents) / 100)
	return string(text)
}

// bought returns when the trade that ends in a row first bought, and in which stages of those that are blocked.
func (o *oracle) bought(end int) (first int, stages []string) {
	s1, s2, first := false, false, 1<<40
	trade := o.rows[end].was.trade
	for i := 1; i <= end; i++ {
		r := &o.rows[i]
		if r.was.trade != trade && r.is.trade != trade {
			continue
		}
		for key, at := range r.keys {
			if strings.HasSuffix(key, "_buy") {
				first = min(first, at)
				s1, s2 = s1 || key == "last_s1_buy", s2 || key == "last_s2_buy"
			}
		}
	}
	if s1 {
		stages = append(stages, "s1")
	}
	if s2 {
		stages = append(stages, "s2")
	}
	return first, stages
}

// alarms are exits that were made, by the sell's record and by the exit's own; the two within 60 s are one.
func (o *oracle) alarms() {
	lastAt, lastKind := -1, ""
	told := func(at int, kind string) {
		severity := "page"
		if lastKind != "" && lastKind != kind && at-lastAt <= 60 {
			severity, lastKind = "info", ""
		} else {
			lastAt, lastKind = at, kind
		}
		o.tell(at, "emergency_exit.%s %s", kind, severity)
	}
	for i := 1; i < len(o.rows); i++ {
		r := &o.rows[i]
		if r.sells() && r.signal != "trim_flag" {
			told(r.at, "executed")
		}
		if r.record {
			told(r.at, "triggered")
		}
	}
}

func decodeSeconds(n int) decode.Micros { return decode.Micros(n) * second }
