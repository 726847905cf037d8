// Package trades folds events into the trades that they tell of, one line each. It looks at nothing but the events: a fill that a
// stale write took back has taken place, though the table does not show it any more.
package trades

import (
	"strings"
	"time"

	"lowcap-cdc/schemas"
)

// Trade is what the events tell of one trade of a position. Numbers have the digits of the events; sums are exact.
type Trade struct {
	TradeID    string          `json:"trade_id"` // a UUID
	Token      schemas.Text    `json:"token"`    // the ticker, or the contract where there is none
	Timeframe  schemas.Text    `json:"timeframe"`
	OpenedAt   schemas.Instant `json:"opened_at"`   // null when no event saw it open
	ClosedAt   schemas.Instant `json:"closed_at"`   // null while it is open, and when no event saw it close
	EntrySlot  schemas.Text    `json:"entry_slot"`  // s1, s2, s3 or reclaim: of its first buy; null before that, and when it was not seen
	Buys       int             `json:"buys"`        // fills, unrecorded ones too
	Trims      int             `json:"trims"`       // sells that were no exit, unrecorded ones too
	USDOut     schemas.Number  `json:"usd_out"`     // of all its sells whose proceeds an event knows; null when there are only others
	Exit       string          `json:"exit"`        // none, pending, triggered, executed, emptied, abandoned
	TokensLeft schemas.Number  `json:"tokens_left"` // at its end, before that as last told; null after a buy, whose fill no event has
	PnLUSD     schemas.Number  `json:"pnl_usd"`     // as the bot computed it
	Block      schemas.Text    `json:"block"`       // set, cleared, not_set or none; null while that is open
	Pool       Pool            `json:"pool"`

	position, contract, chain, book string
	ticker                          schemas.Text

	base            schemas.Number // USD out before the first event
	out             Sum
	flow            *Flow
	slots           map[string]bool // of its recorded buys
	seen            bool            // its beginning was seen
	done            string          // the exit that happened, empty for none
	pending         bool
	wanted          string // since when, the exit that was told last
	abandoned       bool
	block           string             // what its token's block last did in its time, empty for nothing
	notSet          bool               // told by an event
	judged          bool               // it is too late for anything to be told of its end
	begins          string             // the change that it begins with
	first           string             // sequence of its first event
	ending          schemas.Attributes // of the event that ended it
	closed          time.Time          // commit time of its end
	isClosed, ended bool               // ended: closed, or over without an event that says so
}

// effectiveBook is the one whose blocks the bot consults.
const effectiveBook = "onchain_crypto"

// finish works out what is shown.
func (t *Trade) finish() {
	t.USDOut = t.out.plus(t.base)
	t.Pool = t.flow.Pool()
	t.Exit = t.exit()
	t.Block = t.blockWord()
}

func (t *Trade) exit() string {
	switch {
	case t.abandoned:
		return "abandoned"
	case t.pending:
		return "pending"
	case t.done != "":
		return t.done
	}
	return "none"
}

// blockWord says what the trade's end did to its token's block. Of two losses on a day that set none, an event tells the first only.
func (t *Trade) blockWord() schemas.Text {
	word := t.block
	switch {
	case t.notSet, t.judged && word != "set" && t.mustBlock():
		word = "not_set"
	case word == "" && t.judged:
		word = "none"
	case word == "":
		return nil
	}
	return &word
}

// mustBlock reports whether the trade is one after which the bot blocks its token.
func (t *Trade) mustBlock() bool {
	pnl, ok := t.PnLUSD.Rat()
	return t.isClosed && ok && pnl.Sign() < 0 && t.book == effectiveBook && (t.slots["s1"] || t.slots["s2"])
}

// IsOpen reports whether the trade has not ended.
func (t *Trade) IsOpen() bool { return !t.ended }

// Ending returns the attributes of the event that ended the trade.
func (t *Trade) Ending() *schemas.Attributes { return &t.ending }

// IsOf reports whether the trade is one of a token's: given by its ticker, contract, position or row. No token is any.
func (t *Trade) IsOf(token string) bool {
	ticker, timeframe := "", ""
	if t.ticker != nil {
		ticker = *t.ticker
	}
	if t.Timeframe != nil {
		timeframe = *t.Timeframe
	}
	return token == "" || strings.EqualFold(token, ticker) || token == t.contract || token == t.position ||
		token == t.chain+"/"+t.contract+"/"+timeframe
}

// describe takes in what every event says of its row.
func (t *Trade) describe(e *entity) {
	t.position, t.contract, t.chain, t.book, t.ticker = e.id, e.contract, e.chain, e.book, e.ticker
	t.Token, t.Timeframe = e.ticker, e.timeframe
	if t.Token == nil && e.contract != "" {
		t.Token = &e.contract
	}
}
