package audit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/belief"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// Moment is a place in the trail: a time and a number include what happened there, an LSN is what was committed before it.
type Moment struct {
	Time   time.Time
	LSN    decode.LSN
	Number uint64 // 0 when another one was given
	isLSN  bool
	place  decode.LSN // of LSN in the history
}

// ParseMoment reads a number, an LSN, a time or an age.
func ParseMoment(text string, age func(string) (time.Time, bool)) (Moment, error) {
	if number, err := strconv.ParseUint(text, 10, 63); err == nil {
		if number == 0 { // and no age: that would be now
			return Moment{}, errors.New("event 0 is not there; the first one is number 1")
		}
		return Moment{Number: number}, nil
	}
	if lsn, err := decode.ParseLSN(text); err == nil {
		return Moment{LSN: lsn, isLSN: true}, nil
	}
	if at, ok := age(text); ok {
		return Moment{Time: at}, nil
	}
	return Moment{}, fmt.Errorf(
		"%q is neither a time (2026-01-18T14:00:00Z), nor an age (2h), nor an LSN (0/16B3748), nor an event's number",
		text,
	)
}

// includes reports whether an event had happened by then.
func (m *Moment) includes(a *schemas.Attributes) bool {
	switch {
	case m.Number > 0:
		return a.Number <= m.Number
	case !m.isLSN:
		at, err := time.Parse(time.RFC3339Nano, a.Time)
		return err == nil && !at.After(m.Time)
	}
	at, known := placeOf(a)
	return known && (at < m.place || ofSnapshot(a) && at == m.place)
}

// Standing is how everything stood at a moment, as the events tell it.
type Standing struct {
	At      Place        `json:"at"`
	Ends    *Place       `json:"trail_ends,omitempty"` // where the trail ends, when that is before the moment: what came then is not known yet
	Blocked []BlockedRow `json:"blocked"`
	Pools   []PoolRow    `json:"pools"`
	Trades  []TradeRow   `json:"trades"`
	Exits   []WantedRow  `json:"exits_wanted"`
}

// Place is the last event that had happened.
type Place struct {
	Number uint64 `json:"number"`
	LSN    string `json:"lsn"`
	Time   string `json:"time"`
	ID     string `json:"event_id,omitempty"`
}

// BlockedRow is a block that stood.
type BlockedRow struct {
	Contract  string     `json:"token_contract"`
	Chain     string     `json:"token_chain"`
	Timeframe string     `json:"timeframe"`
	Book      string     `json:"book_id"`
	Ticker    string     `json:"token_ticker,omitempty"`
	Stages    []string   `json:"stages"`
	Since     *string    `json:"since"` // when the first of them became blocked; null when no one saw it
	Why       string     `json:"why"`   // the trigger
	By        belief.Who `json:"by"`
	Event     string     `json:"event_id"`
}

// row names a position.
type row struct {
	Position  string `json:"position_id"`
	Ticker    string `json:"token_ticker"`
	Contract  string `json:"token_contract"`
	Chain     string `json:"token_chain"`
	Timeframe string `json:"timeframe"`
	Book      string `json:"book_id"`
}

// PoolRow is a trim pool that held something.
type PoolRow struct {
	row
	Pool  json.RawMessage `json:"trim_pool"`
	USD   json.RawMessage `json:"usd_basis"`
	Since *string         `json:"since"` // null when it held something before the first event
	Event string          `json:"event_id"`
}

// TradeRow is a trade that was open.
type TradeRow struct {
	row
	Trade  string  `json:"trade_id"`
	Status string  `json:"status"`
	Since  *string `json:"since"` // null when it was open before the first event
	Event  string  `json:"event_id"`
}

// WantedRow is an exit that was wanted and had not happened.
type WantedRow struct {
	row
	Since  string          `json:"wanted_since"`
	Flag   string          `json:"flag"`
	Reason string          `json:"exit_reason"`
	Held   json.RawMessage `json:"held_quantity"`
	USD    json.RawMessage `json:"value_usd"`
	Event  string          `json:"event_id"`
}

// fold is what is believed, and how it came about.
type fold struct {
	beliefs *belief.Beliefs
	tickers map[string]string // of contracts
	last    Place
	first   string // the time of the first event that was left out

	head    uint64 // what the checkpoint knows; 0 for nothing
	passed  uint64 // the last number that has come
	gone    Span   // the first numbers that have not
	missing Span   // gone, and something was taken that came behind it
	most    uint64 // the highest number of an earlier numbering; 0 where the numbers never began anew
	anew    string // when they did, the last time
}

func newFold(head uint64) *fold {
	return &fold{beliefs: belief.New(), tickers: make(map[string]string), head: head}
}

// begin goes on behind an event.
func (f *fold) begin(passed, head uint64) { f.passed, f.head, f.gone = passed, head, Span{} }

func (f *fold) clone() *fold {
	other := *f
	other.beliefs, other.tickers = f.beliefs.Clone(), maps.Clone(f.tickers)
	return &other
}

// pass moves on to an event that may be taken, and notes what is gone before it. It reports false behind what is not there yet: that
// was committed while it is read.
func (f *fold) pass(a *schemas.Attributes) bool {
	switch {
	case a.Number == 0:
		return true
	case a.Number == 1:
		f.gone, f.missing = Span{}, Span{} // everything is told anew
		if f.passed > 0 {
			f.most, f.anew = max(f.most, f.passed), a.Time
		}
	case a.Number <= f.passed+1:
	case f.head > 0 && f.passed >= f.head:
		return false
	case f.gone.To == 0:
		f.gone = Span{f.passed + 1, a.Number - 1}
	}
	if f.passed = max(f.passed, a.Number); a.Number == 1 {
		f.passed = 1
	}
	return true
}

func (f *fold) take(a *schemas.Attributes, event []byte) {
	f.missing = f.gone
	f.beliefs.Take(a, event)
	f.last = Place{a.Number, gjson.GetBytes(event, "data.origin.commit_lsn").String(), a.Time, a.ID}
	e := gjson.GetBytes(event, "data.entity")
	if ticker := e.Get("token_ticker").String(); ticker != "" {
		f.tickers[e.Get("token_contract").String()] = ticker
	}
}

// standing lists what is believed of a token, the oldest first.
func (f *fold) standing(of *asked) *Standing {
	s := &Standing{At: f.last, Blocked: []BlockedRow{}, Pools: []PoolRow{}, Trades: []TradeRow{}, Exits: []WantedRow{}}
	for _, b := range f.beliefs.Blocks {
		blocked := f.blocked(b)
		if len(blocked.Stages) > 0 && of.matches(blocked.Contract, blocked.Ticker, "", b.TokenChain, b.Timeframe) {
			s.Blocked = append(s.Blocked, blocked)
		}
	}
	for _, p := range f.beliefs.Positions {
		if of.matches(p.Entity.Contract, f.tickers[p.Entity.Contract], p.Entity.ID, p.Entity.Chain, p.Entity.Timeframe) {
			s.position(p)
		}
	}
	slices.SortFunc(s.Blocked, func(a, b BlockedRow) int {
		return cmp.Or(
			cmp.Compare(value(a.Since), value(b.Since)),
			cmp.Compare(a.Contract+a.Timeframe, b.Contract+b.Timeframe),
			cmp.Compare(a.Book, b.Book),
		)
	})
	slices.SortFunc(s.Pools, func(a, b PoolRow) int {
		return cmp.Or(cmp.Compare(a.Ticker, b.Ticker), cmp.Compare(a.Position, b.Position))
	})
	slices.SortFunc(s.Trades, func(a, b TradeRow) int {
		return cmp.Or(cmp.Compare(value(a.Since), value(b.Since)), cmp.Compare(a.Position, b.Position))
	})
	slices.SortFunc(s.Exits, func(a, b WantedRow) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Position, b.Position))
	})
	return s
}

func (f *fold) blocked(b *belief.Block) BlockedRow {
	r := BlockedRow{Contract: b.TokenContract, Chain: b.TokenChain, Timeframe: b.Timeframe, Book: b.BookID, Ticker: f.tickers[b.TokenContract]}
	for i, stage := range [2]string{"s1", "s2"} {
		s := &b.Stages[i]
		if !s.Blocked {
			continue
		}
		r.Stages = append(r.Stages, stage)
		if len(r.Stages) == 1 || s.Since < value(r.Since) {
			r.Since, r.Why, r.By, r.Event = known(s.Since), s.Why, s.By, s.Event
		}
	}
	return r
}

func (s *Standing) position(p *belief.Position) {
	at := row{p.Entity.ID, p.Entity.Ticker, p.Entity.Contract, p.Entity.Chain, p.Entity.Timeframe, p.Entity.Book}
	if p.Pool != "" {
		s.Pools = append(s.Pools, PoolRow{at, json.RawMessage(p.Pool), raw(gjson.Get(p.Pool, "usd_basis").Raw), known(p.PoolAt), p.PoolBy})
	}
	if p.Trade != "" {
		s.Trades = append(s.Trades, TradeRow{at, p.Trade, p.Status, known(p.Opened), p.TradeBy})
	}
	if e := p.Exit; e != nil {
		s.Exits = append(s.Exits, WantedRow{at, e.Since, e.Flag, e.Reason, raw(e.Held), raw(e.ValueUSD), e.Event})
	}
}

func raw(text string) json.RawMessage { return json.RawMessage(cmp.Or(text, "null")) }

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
