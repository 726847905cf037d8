package report

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Period is the stretch of time that a report is about: from Since on, and before To where that is set.
type Period struct {
	Since, To settings.Point
	Now       time.Time
}

// Fold turns all events of a trail, in their order, into a report of a period. What was before the period says how it began. Memory
// goes by the number of rows and of open trades, not by that of events.
type Fold struct {
	report Report
	period Period
	begun  bool // an event of the period has come
	last   time.Time

	trades *trades.Fold
	exits  exitFold
	blocks blockFold
	pools  poolFold
	stale  staleFold
	stream streamFold

	tickers                                  map[string]string // of contracts: blocks have none
	wonUSD, lostUSD, pnlUSD, buyUSD, sellUSD trades.Sum
}

// New returns a fold that has read nothing.
func New(p Period) *Fold {
	f := &Fold{period: p, tickers: make(map[string]string)}
	f.report.Events.ByType = make(map[string]int)
	f.report.Stale.ByKey = make(map[string]int)
	f.report.Failed.ByOutcome = make(map[string]int)
	f.trades = trades.New(f.trade)
	f.exits = newExitFold(&f.report)
	f.blocks = newBlockFold(&f.report)
	f.pools = newPoolFold()
	f.stale = newStaleFold(&f.report.Stale)
	f.report.Made = instant(p.Now)
	return f
}

func instant(t time.Time) schemas.Instant {
	return schemas.Instant(t.UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// event is one that has been read.
type event struct {
	*schemas.Attributes
	name string
	at   time.Time // of the commit; the zero time when it cannot be read
	data gjson.Result
	in   bool // it belongs to the period
}

// text returns a copy of a field: a part of an event would keep all of it in memory.
func (e *event) text(field string) string { return strings.Clone(e.data.Get(field).String()) }

func (e *event) number(field string) schemas.Number   { return numberOf(e.data.Get(field)) }
func (e *event) instant(field string) schemas.Instant { return schemas.Instant(e.text(field)) }
func (e *event) change() string                       { return e.Sequence[:min(len(e.Sequence), 25)] }

// numberOf returns a number with its digits, null for what is none.
func numberOf(v gjson.Result) schemas.Number {
	if v.Type != gjson.Number {
		return ""
	}
	return schemas.Number(strings.Clone(v.Raw))
}

// row names what an event is about.
func (e *event) row() Row {
	r := Row{Token: e.text("entity.token_ticker"), Contract: e.text("entity.token_contract"), Chain: e.text("entity.token_chain"),
		Timeframe: e.text("entity.timeframe"), Position: e.text("entity.id")}
	r.Token = cmp.Or(r.Token, r.Contract)
	return r
}

// named gives a block's row the ticker that the positions of its token have.
func (f *Fold) named(r *Row) {
	if ticker := f.tickers[r.Contract]; ticker != "" {
		r.Token = ticker
	}
}

// Take moves on to the next event.
func (f *Fold) Take(s *sink.Stored) error {
	if !gjson.ValidBytes(s.Value) {
		f.report.Stream.NoJSON++
		return nil
	}
	a := s.Attributes()
	if f.period.To.IsSet() && f.period.To.Precedes(&a) {
		return nil
	}
	e := &event{Attributes: &a, name: a.Type.Name(), data: gjson.GetBytes(s.Value, "data"), in: f.period.Since.Precedes(&a)}
	if at, err := time.Parse(time.RFC3339Nano, a.Time); err == nil {
		e.at = at
	}
	f.begin(e)
	if a.Number == 1 && f.stream.last > 1 {
		f.exits.forget(e) // the state was lost, and everything is told anew
		f.blocks.forget()
		f.pools.forget(e.in)
	}
	f.stream.take(&f.report.Stream, e)
	if e.in {
		f.count(e, s)
	}
	f.tell(e)
	return f.trades.Take(&a, s.Value)
}

// begin notes how everything stood when the period begins.
func (f *Fold) begin(e *event) {
	if e.at.After(f.last) {
		f.last = e.at
	}
	if !e.in || f.begun {
		return
	}
	f.begun = true
	f.pools.begin()
	from, to := f.period.Since.Time, f.period.To.Time
	if from.IsZero() {
		from = e.at
	}
	if to.IsZero() {
		to = f.period.Now
	}
	f.report.charts = newCharts(from, to)
}

// count counts an event of the period.
func (f *Fold) count(e *event, s *sink.Stored) {
	of := &f.report.Events
	of.Count++
	switch e.Severity {
	case schemas.Page:
		of.Page++
	case schemas.Warn:
		of.Warn++
	default:
		of.Info++
	}
	f.report.charts.severity(e)
	countBy(of.ByType, e.name)
	switch family, _, _ := strings.Cut(e.name, "."); family {
	case "stream", "table":
		l := readable.Describe(s).Short()
		f.report.Stream.List.add(&Note{At: schemas.Instant(e.Time), What: e.name, Severity: string(e.Severity), Detail: l.Detail, Event: e.ID})
		if e.name == "stream.gap" {
			f.report.Stream.Gaps++
		}
	}
}

const mostNames = 100 // that are counted one by one; a sink that others write to may hold any

func countBy(counts map[string]int, name string) {
	if _, known := counts[name]; !known && len(counts) >= mostNames {
		name = "other"
	}
	counts[name]++
}

// tell hands an event to whom it concerns.
func (f *Fold) tell(e *event) {
	if ticker := e.text("entity.token_ticker"); ticker != "" {
		f.tickers[e.text("entity.token_contract")] = ticker
	}
	switch family, what, _ := strings.Cut(e.name, "."); family {
	case "emergency_exit":
		f.exits.take(e, what)
	case "entry_block":
		f.blocks.take(e, what)
	case "trim_pool":
		f.pools.take(e, what)
	case "position":
		f.pools.row(e, what)
	case "history":
		f.unread(e, what)
	}
	if e.name == "execution.unrecorded" && e.in {
		f.unrecorded(e)
	}
	f.stale.take(e)
}

func (f *Fold) unrecorded(e *event) {
	fill := &Fill{Row: e.row(), At: schemas.Instant(e.Time), Since: e.instant("since"), Direction: e.text("direction"),
		Tokens: e.number("tokens"), USD: e.number("usd"), Held: e.number("held_quantity"), Severity: string(e.Severity), Event: e.ID}
	f.report.Books.List.add(fill)
	f.report.Books.Count++
	if fill.Direction == "buy" {
		f.buyUSD.Add(fill.USD)
	} else {
		f.sellUSD.Add(fill.USD)
	}
}

const longestRaw = 2 << 10 // bytes of a value that could not be read

func (f *Fold) unread(e *event, what string) {
	if !e.in || what != "malformed" && what != "unknown_key" {
		return
	}
	of := &f.report.Bad
	u := &Unread{Row: e.row(), At: schemas.Instant(e.Time), Path: e.text("path"), Why: e.text("why"),
		Raw: strings.Clone(readable.Cut(e.data.Get("raw").Raw, longestRaw)), Event: e.ID}
	if what == "malformed" {
		of.Malformed++
	} else {
		of.Unknown++
		u.Path, u.Why = e.text("key"), "unknown key"
	}
	of.List.add(u)
}

// trade takes in one that the events tell of.
func (f *Fold) trade(t *trades.Trade) error {
	of := &f.report.Trades
	if t.IsOpen() {
		of.Open++
		of.Opened.add(t)
		return nil
	}
	if !f.period.Since.Precedes(t.Ending()) {
		return nil
	}
	of.Ended++
	of.List.add(t)
	pnl, known := t.PnLUSD.Rat()
	if !known {
		of.Unknown++
		return nil
	}
	f.pnlUSD.Add(t.PnLUSD)
	switch pnl.Sign() {
	case 1:
		of.Won++
		f.wonUSD.Add(t.PnLUSD)
	case -1:
		of.Lost++
		f.lostUSD.Add(t.PnLUSD)
	}
	f.report.charts.result(t)
	return nil
}

// ErrNothing is what End gives when the trail has no event.
var ErrNothing = errors.New("the trail has no event; has anything been published yet?")

// End returns the report.
func (f *Fold) End() (*Report, error) {
	if f.report.Stream.Begins == "" {
		return nil, ErrNothing
	}
	if err := f.trades.End(); err != nil {
		return nil, err
	}
	r := &f.report
	end := f.end()
	r.To = instant(end)
	r.From = instant(f.period.Since.Time)
	if f.period.Since.Time.IsZero() {
		r.From = f.stream.from
	}
	f.exits.end(end)
	f.blocks.end(end)
	for _, b := range r.Blocks.List.Lines() {
		f.named(&b.Row)
	}
	for _, l := range r.Blocks.NotSet.Lines() {
		f.named(&l.Row)
	}
	f.pools.end(&r.Pools)
	f.stale.end()
	f.stream.end(&r.Stream)
	r.Trades.PnLUSD, r.Trades.WonUSD, r.Trades.LostUSD = f.pnlUSD.Number(), f.wonUSD.Number(), f.lostUSD.Number()
	r.Books.BuyUSD, r.Books.SellUSD = f.buyUSD.Number(), f.sellUSD.Number()
	slices.Sort(r.Stream.Sources)
	return r, nil
}

// end returns the time that the period ends at: what it was asked to be; else now, or when the newest event was committed, by a clock
// that is ahead. Of one that ends at an LSN, that is the time of the last event before it.
func (f *Fold) end() time.Time {
	switch {
	case !f.period.To.Time.IsZero():
		return f.period.To.Time
	case f.period.To.IsSet() || f.last.After(f.period.Now):
		return f.last
	}
	return f.period.Now
}
