package trades

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"lowcap-cdc/schemas"
)

// after is how long events may still tell of a trade behind its end: whether its block was set, fills that were never recorded,
// stale writes.
const after = 120 * time.Second

// Fold turns events into trades. It keeps those that are open and those that have just ended.
type Fold struct {
	done      func(*Trade) error
	positions map[string]*position // by id
	tokens    map[string][]*position
	ended     []*Trade // that wait, the first to end first
	held      []*event // of the change that is not over
	now       time.Time
	in        string // the transaction
}

// position is a row, as far as a trade needs it.
type position struct {
	key     string
	open    *Trade   // nil when flat
	waiting []*Trade // ended, of which more may be told
}

// New returns a fold that hands over each trade when all of it is known: those that ended in the order of their ends, and at last
// those that are open, in the order of their beginnings. An error from done ends it.
func New(done func(*Trade) error) *Fold {
	return &Fold{done: done, positions: make(map[string]*position), tokens: make(map[string][]*position)}
}

// Take moves on to the next event. It may keep what it is given.
func (f *Fold) Take(a *schemas.Attributes, value []byte) error {
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	if err != nil {
		return nil // no event has another form of time
	}
	if in := transactionOf(a); in != f.in {
		f.endChange()
		if err := f.release(); err != nil { // what is due is told at the end of the transaction that tells the time
			return err
		}
		f.in = in
	}
	if at.After(f.now) {
		f.now = at
	}
	e, ok := readEvent(a, value)
	if !ok {
		return nil
	}
	if len(f.held) > 0 && f.held[0].change() != e.change() {
		f.endChange()
	}
	f.held = append(f.held, e)
	return nil
}

// End hands over what is left.
func (f *Fold) End() error {
	f.endChange()
	if err := f.release(); err != nil {
		return err
	}
	for _, t := range f.ended {
		if err := f.hand(t); err != nil {
			return err
		}
	}
	var open []*Trade
	for _, p := range f.positions {
		if p.open != nil {
			open = append(open, p.open)
		}
	}
	slices.SortFunc(open, func(a, b *Trade) int { return cmp.Compare(a.first, b.first) })
	for _, t := range open {
		if err := f.hand(t); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fold) hand(t *Trade) error {
	t.finish()
	return f.done(t)
}

// release hands over the trades of whose end all is told.
func (f *Fold) release() error {
	for len(f.ended) > 0 && !f.now.Before(f.ended[0].closed.Add(after)) {
		t := f.ended[0]
		f.ended = f.ended[1:]
		t.judged = true
		if p := f.positions[t.position]; p != nil {
			p.waiting = slices.DeleteFunc(p.waiting, func(w *Trade) bool { return w == t })
			f.forget(t.position, p)
		}
		if err := f.hand(t); err != nil {
			return err
		}
	}
	return nil
}

// forget drops a position of which nothing is open and nothing waits.
func (f *Fold) forget(id string, p *position) {
	if p.open != nil || len(p.waiting) > 0 {
		return
	}
	delete(f.positions, id)
	f.tokens[p.key] = slices.DeleteFunc(f.tokens[p.key], func(other *position) bool { return other == p })
	if len(f.tokens[p.key]) == 0 {
		delete(f.tokens, p.key)
	}
}

// change is what the events of one change say together.
type change struct {
	ends, opens map[string]string // ids of trades, by position
}

// endChange takes in the events of the change that is over. A trade that ends in it has its sells, one that begins its buys.
func (f *Fold) endChange() {
	c := change{make(map[string]string), make(map[string]string)}
	for _, e := range f.held {
		switch e.name {
		case "trade.closed":
			c.ends[e.of.id] = e.text("trade_id")
		case "trade.opened":
			c.opens[e.of.id] = e.text("trade_id")
		}
	}
	slices.SortStableFunc(f.held, func(a, b *event) int { return cmp.Compare(c.turn(a), c.turn(b)) })
	for _, e := range f.held {
		if strings.HasPrefix(e.name, "entry_block.") {
			f.block(e)
		} else if e.of.id != "" {
			f.position(e, &c)
		}
	}
	clear(f.held)
	f.held = f.held[:0]
}

// turn says when an event of a change is taken in.
func (c *change) turn(e *event) int {
	switch e.name {
	case "trade.opened":
		if c.ends[e.of.id] == "" {
			return 0
		}
		return 2
	case "execution.buy_recorded", "trim_pool.closed", "trim_pool.recovery_started", "trim_pool.dx_bought":
		return 3
	}
	return 1
}

func (f *Fold) position(e *event, c *change) {
	p := f.positions[e.of.id]
	switch e.name {
	case "trade.opened":
		f.begin(e, e.text("trade_id")).seen = true
		return
	case "trade.closed":
		if t := f.tradeOf(e, p, e.text("trade_id")); t != nil && !t.ended {
			f.end(e, t)
		}
		return
	case "position.baseline":
		if e.of.trade == "" && p != nil && p.open != nil {
			f.end(e, p.open) // between what was read before and this
		}
	}
	id := e.of.trade
	if ended := c.ends[e.of.id]; ended != "" && c.turn(e) == 1 {
		id = ended
	}
	t := f.tradeOf(e, p, id)
	if t == nil {
		return
	}
	t.take(e)
	if e.name == "position.deleted" && !t.ended {
		f.end(e, t)
	}
}

// tradeOf returns the trade that an event is about, nil for none.
func (f *Fold) tradeOf(e *event, p *position, id string) *Trade {
	if p != nil {
		if e.name == "execution.unrecorded" {
			if t := p.at(e.text("since")); t != nil {
				return t
			}
		}
		last := p.last()
		if last != nil && last.TradeID == id {
			return last
		}
		if id == "" {
			if last != nil && last.ended && e.at.After(last.closed.Add(after)) {
				return nil
			}
			return last
		}
	}
	if id == "" {
		return nil
	}
	return f.begin(e, id)
}

// at returns the trade in which something happened, nil for none that is known.
func (p *position) at(when string) *Trade {
	since, err := time.Parse(time.RFC3339Nano, when)
	if err != nil {
		return nil
	}
	for _, t := range p.waiting {
		if !t.closed.Before(since) {
			return t
		}
	}
	return p.open
}

// last returns the open trade, or else the one that ended last.
func (p *position) last() *Trade {
	if p.open != nil || len(p.waiting) == 0 {
		return p.open
	}
	return p.waiting[len(p.waiting)-1]
}

// begin begins a trade. One that is still open then has ended where nobody saw it.
func (f *Fold) begin(e *event, id string) *Trade {
	p := f.positions[e.of.id]
	if p == nil {
		p = &position{key: e.of.key()}
		f.positions[e.of.id] = p
		f.tokens[p.key] = append(f.tokens[p.key], p)
	}
	if p.open != nil {
		f.end(e, p.open)
	}
	p.open = &Trade{TradeID: id, first: e.Sequence, begins: e.change(), flow: NewFlow(), slots: make(map[string]bool)}
	p.open.describe(&e.of)
	if e.name == "trade.opened" || e.name == "position.created" {
		p.open.OpenedAt = schemas.Instant(e.text("occurred_at"))
	}
	return p.open
}

// end ends a trade, by the event that says so or by one from which it follows.
func (f *Fold) end(e *event, t *Trade) {
	p := f.positions[t.position]
	p.open = nil
	p.waiting = append(p.waiting, t)
	f.ended = append(f.ended, t)
	t.ended, t.closed, t.ending = true, e.at, e.Attributes
	switch e.name {
	case "trade.closed":
		t.isClosed = true
		t.describe(&e.of)
		t.TokensLeft = e.number("remaining_quantity")
		if t.PnLUSD = e.number("pnl_usd"); t.PnLUSD == "" {
			t.PnLUSD = numberOf(e.data.Get("completed_trade.summary.total_pnl_usd")) // contract v1.1
		}
		fallthrough
	case "position.deleted":
		t.ClosedAt = schemas.Instant(e.text("occurred_at"))
	}
}

// block takes in an event of a block: whatever set or cleared it is the trade's that is open, or has just ended.
func (f *Fold) block(e *event) {
	if e.of.book != effectiveBook {
		return
	}
	for _, p := range f.tokens[e.of.key()] {
		if e.name == "entry_block.not_set" {
			for _, t := range p.waiting {
				t.notSet = t.notSet || t.TradeID == e.text("trade_id")
			}
			continue
		}
		t := p.last()
		if t == nil || (t.ended && e.at.After(t.closed.Add(after))) || e.text("trigger") == "manual" {
			continue
		}
		switch e.name {
		case "entry_block.set", "entry_block.refreshed":
			t.block = "set"
		case "entry_block.cleared":
			t.block = "cleared"
		}
	}
}
