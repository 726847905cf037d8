// Package belief folds events into what someone who has read all of them believes of the two tables. It looks at nothing but
// the events, so it can say what stood in the tables at any moment, and whether the events tell the truth.
package belief

import (
	"maps"
	"strings"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

// Beliefs are what is believed. Their size goes by the number of rows, not by that of events.
type Beliefs struct {
	Blocks    map[string]*Block    // by the four columns of the primary key, a zero byte between each two
	Positions map[string]*Position // by id
	Missing   map[string]bool      // tables that have left the stream: nothing is known of what happens in them

	compared uint64 // how often they were compared with the tables
}

// New returns the beliefs of someone who has read nothing.
func New() *Beliefs {
	return &Beliefs{Blocks: make(map[string]*Block), Positions: make(map[string]*Position), Missing: make(map[string]bool)}
}

// Clone returns beliefs that can move on by themselves.
func (b *Beliefs) Clone() *Beliefs {
	other := &Beliefs{make(map[string]*Block, len(b.Blocks)), make(map[string]*Position, len(b.Positions)), maps.Clone(b.Missing), b.compared}
	for key, block := range b.Blocks {
		of := *block
		other.Blocks[key] = &of
	}
	for id, position := range b.Positions {
		of := *position
		of.Bad, of.Said = maps.Clone(of.Bad), maps.Clone(of.Said)
		other.Positions[id] = &of
	}
	return other
}

// Who did something: what someone said, and what the server recorded.
type Who struct {
	Actor   string `json:"actor,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Session string `json:"session,omitempty"`
}

// Block is what is believed of a row of token_timeframe_blocks.
type Block struct {
	schemas.Block
	Stages [2]Stage
	OK     string // last_success_ts
	Number uint64 // of the last event of the row

	compared uint64 // in which comparison it was last
}

// Stage is one of a block's two stages.
type Stage struct {
	Blocked bool
	Failure string // when it last failed, as the row has it
	Since   string // when it became blocked; empty when no one saw it
	Why     string // the trigger of the event that said so
	By      Who
	Event   string // its id
}

// Position is what is believed of a row of lowcap_positions.
type Position struct {
	Entity  Entity
	Status  string
	Trade   string // current_trade_id; empty when flat
	Opened  string // when, empty when no one saw it
	TradeBy string // id of the event
	History cdc.Meanings
	Unknown bool            // nothing is known of the history yet
	Bad     map[string]bool // keys that stood in quarantine; features and pm_execution_history among them
	Said    map[string]uint64
	Pool    string // as the last event has it
	PoolAt  string // since when it is not empty
	PoolBy  string // id of the event
	Exit    *Exit
	Number  uint64 // of the last event of the row

	compared uint64 // in which comparison it was last
}

// Entity names a position.
type Entity struct{ ID, Chain, Contract, Ticker, Timeframe, Book string }

// Exit is an exit that is wanted and has not happened.
type Exit struct{ Since, Flag, Reason, Held, ValueUSD, Event string }

// Take moves on to the next event.
func (b *Beliefs) Take(a *schemas.Attributes, event []byte) {
	if a.Number == 1 {
		*b = *New() // the state was lost, and everything is told anew
	}
	data := gjson.GetBytes(event, "data")
	name := a.Type.Name()
	switch family, _, _ := strings.Cut(name, "."); family {
	case "entry_block":
		b.block(a, name, data)
	case "table":
		b.table(name, data)
	case "stream":
	default:
		b.position(a, name, data)
	}
}

func (b *Beliefs) table(name string, data gjson.Result) {
	table := data.Get("table").String()
	switch name {
	case "table.missing":
		b.Missing[table] = true
	case "table.present":
		delete(b.Missing, table)
	}
}

// BlockKey joins the columns of a block's primary key.
func BlockKey(contract, chain, timeframe, book string) string {
	return strings.Join([]string{contract, chain, timeframe, book}, "\x00")
}

func (b *Beliefs) block(a *schemas.Attributes, name string, data gjson.Result) {
	if name == "entry_block.not_set" {
		return // it tells what did not happen
	}
	e := data.Get("entity")
	row := schemas.Block{TokenContract: e.Get("token_contract").String(), TokenChain: e.Get("token_chain").String(),
		Timeframe: e.Get("timeframe").String(), BookID: e.Get("book_id").String()}
	key := BlockKey(row.TokenContract, row.TokenChain, row.Timeframe, row.BookID)
	if name == "entry_block.deleted" {
		delete(b.Blocks, key)
		return
	}
	after := data.Get("after")
	if !after.IsObject() {
		return
	}
	known := b.Blocks[key]
	if known == nil {
		known = &Block{Block: row}
		b.Blocks[key] = known
	}
	known.Number = a.Number
	known.OK = after.Get("last_success_ts").String()
	for i, stage := range [2]string{"s1", "s2"} {
		known.Stages[i].take(a, stage, name, data)
	}
}

// take moves on to an event of a stage's block.
func (s *Stage) take(a *schemas.Attributes, stage, name string, data gjson.Result) {
	after := data.Get("after")
	s.Failure = after.Get("last_" + stage + "_failure_ts").String()
	blocked := after.Get("blocked_" + stage).Bool()
	switch {
	case !blocked:
		*s = Stage{Failure: s.Failure}
	case !s.Blocked:
		s.Blocked, s.Event, s.By = true, a.ID, whoOf(data)
		s.Since, s.Why = data.Get("occurred_at").String(), data.Get("trigger").String()
		if name == "entry_block.baseline" {
			s.Since, s.Why, s.By = s.Failure, "it was blocked before the first event", Who{}
		}
	}
}

func whoOf(data gjson.Result) Who {
	origin := data.Get("origin")
	return Who{Actor: origin.Get("actor").String(), Reason: origin.Get("reason").String(), Session: readable.SessionOf(origin.Get("session"))}
}

// String names who it was: who someone said it was, else whom the server recorded.
func (w Who) String() string {
	switch {
	case w.Actor != "" || w.Reason != "":
		return strings.TrimSpace("by " + w.Actor + " " + w.Reason)
	case w.Session != "":
		return "by " + w.Session
	}
	return ""
}
