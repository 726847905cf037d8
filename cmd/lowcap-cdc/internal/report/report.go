// Package report folds events into what a team looks at once a week: exits and what they brought, those that failed, trades, blocks,
// pools, stale writes, what has no record, and whether the stream and its trail are whole. It looks at nothing but the events, and
// makes one file of it, HTML or JSON.
package report

import (
	"encoding/json"

	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

// Report is what the events of a stretch of time tell. Times are commit times, in RFC 3339 and UTC, where nothing else is said;
// amounts have the digits of the events, and sums are exact.
type Report struct {
	From   schemas.Instant `json:"from"` // events committed at this time or later
	To     schemas.Instant `json:"to"`   // and before this
	Made   schemas.Instant `json:"made_at"`
	Events Events          `json:"events"`
	Exits  Exits           `json:"exits"`
	Failed Failed          `json:"exits_failed"`
	Trades Trades          `json:"trades"`
	Blocks Blocks          `json:"blocks"`
	Pools  Pools           `json:"pools"`
	Stale  Stale           `json:"stale_writes"`
	Books  Books           `json:"unrecorded"`
	Bad    Bad             `json:"quarantine"`
	Stream Stream          `json:"stream"`
	Trail  *Trail          `json:"trail"` // null when nobody has verified it

	charts charts
}

// Row names the row that a line is about.
type Row struct {
	Token     string `json:"token"` // the ticker, or the contract where there is none
	Contract  string `json:"token_contract"`
	Chain     string `json:"token_chain"`
	Timeframe string `json:"timeframe"`
	Position  string `json:"position_id,omitempty"`
}

// Events counts the events.
type Events struct {
	Count  int            `json:"count"`
	Page   int            `json:"page"`
	Warn   int            `json:"warn"`
	Info   int            `json:"info"`
	ByType map[string]int `json:"by_type"`
}

// Exits are the emergency exits that were made.
type Exits struct {
	Count       int            `json:"count"`
	ProceedsUSD schemas.Number `json:"proceeds_usd"`
	Unknown     int            `json:"of_unknown_proceeds"`
	TokensLeft  int            `json:"that_left_tokens"`
	List        List[*Exit]    `json:"list"`
}

// Exit is one that was made. An exit's record and its sell are one.
type Exit struct {
	Row
	At        schemas.Instant `json:"at"`
	Kind      string          `json:"kind"` // ema333_break, structural; recorded when only an exit's record was written
	Reason    string          `json:"exit_reason"`
	Price     schemas.Number  `json:"price"`
	Proceeds  schemas.Number  `json:"proceeds_usd"` // what the pool grew by; null when no event knows
	Remaining schemas.Number  `json:"remaining_quantity"`
	Planned   schemas.Number  `json:"exit_value_usd"` // what the exit's record planned; null without one
	Left      bool            `json:"tokens_left"`
	Event     string          `json:"event_id"`
}

// Failed are the exits that were wanted for ten minutes and not made, and the trades that ended while tokens were held.
type Failed struct {
	Count        int            `json:"count"`
	Pending      int            `json:"pending"`    // at the end
	ByOutcome    map[string]int `json:"by_outcome"` // of the list: pending, abandoned, and what emergency_exit.settled says
	AbandonedUSD schemas.Number `json:"abandoned_usd"`
	List         List[*NotMade] `json:"list"`
}

// NotMade is an exit that was not made in time.
type NotMade struct {
	Row
	Since     schemas.Instant `json:"wanted_since"` // null: it was never told as pending
	Told      schemas.Instant `json:"told_at"`
	Ended     schemas.Instant `json:"ended_at"` // null while it is pending
	Seconds   schemas.Number  `json:"seconds"`  // from wanted to its end, or to that of the report
	Flag      string          `json:"flag"`
	Reason    string          `json:"exit_reason"`
	Held      schemas.Number  `json:"held_quantity"`
	Value     schemas.Number  `json:"value_usd"`
	Reminders int             `json:"reminders"`
	Outcome   string          `json:"outcome"`
	Event     string          `json:"event_id"`
}

// Trades are those that ended, and those that are open at the end.
type Trades struct {
	Ended   int                 `json:"ended"`
	Won     int                 `json:"won"`
	Lost    int                 `json:"lost"`
	Unknown int                 `json:"of_unknown_result"`
	PnLUSD  schemas.Number      `json:"pnl_usd"` // of those that ended
	WonUSD  schemas.Number      `json:"won_usd"`
	LostUSD schemas.Number      `json:"lost_usd"`
	Open    int                 `json:"open"`
	List    List[*trades.Trade] `json:"list"`
	Opened  List[*trades.Trade] `json:"still_open"`
}

// Blocks are the entry blocks that stood, whole or in part, in the time of the report.
type Blocks struct {
	Count       int            `json:"count"` // a stage each; of the book that the bot consults, as all sums here
	Standing    int            `json:"standing"`
	Unknown     int            `json:"of_unknown_length"`
	Seconds     schemas.Number `json:"blocked_seconds"`
	Ineffective int            `json:"of_other_books"`
	Orphaned    int            `json:"orphaned"`
	List        List[*Block]   `json:"list"`
	NotSet      List[*Loss]    `json:"losses_without_a_block"`
}

// Block is a stage that was blocked.
type Block struct {
	Row
	Book    string          `json:"book_id"`
	Stage   string          `json:"stage"`
	From    schemas.Instant `json:"from"`    // when it failed; null when no event knows
	To      schemas.Instant `json:"to"`      // when it was free again; null while it stands
	Seconds schemas.Number  `json:"seconds"` // null when unknown; of one that stands, to the report's end
	Why     string          `json:"trigger"`
	Freed   string          `json:"ended_by"` // the trigger of the event, or deleted
	Who     string          `json:"who"`      // who freed it, as somebody said or the server recorded
	Event   string          `json:"event_id"` // that set it, or else that freed it

	first, last string // sequences: of the event that set it, of the one that freed it
}

// Loss is a trade that lost, and after which no block was set.
type Loss struct {
	Row
	At    schemas.Instant `json:"at"`
	Trade string          `json:"trade_id"`
	PnL   schemas.Number  `json:"pnl_usd"`
	Event string          `json:"event_id"`
}

// Pools are what moved the trim pools: held_at_start + appeared − gone + fed − lost − all that was spent = held_at_end.
type Pools struct {
	Start       schemas.Number            `json:"held_at_start_usd"`
	Appeared    schemas.Number            `json:"appeared_usd"` // in baselines
	Gone        schemas.Number            `json:"gone_usd"`     // with rows that were deleted
	Fed         schemas.Number            `json:"fed_usd"`
	Lost        schemas.Number            `json:"lost_usd"` // to stale writes, less what they brought back
	Spent       map[string]schemas.Number `json:"spent_usd"`
	SpentUSD    schemas.Number            `json:"spent_sum_usd"`
	End         schemas.Number            `json:"held_at_end_usd"`
	Unexplained schemas.Number            `json:"unexplained_usd"` // what the events' steps do not add up to; 0 in a whole trail
	List        List[*PoolRow]            `json:"list"`
}

// PoolRow is one position's pool.
type PoolRow struct {
	Row
	Start schemas.Number            `json:"held_at_start_usd"`
	Fed   schemas.Number            `json:"fed_usd"`
	Lost  schemas.Number            `json:"lost_usd"`
	Spent map[string]schemas.Number `json:"spent_usd"`
	End   schemas.Number            `json:"held_at_end_usd"`
}

// Stale are the writes that took back what was recorded.
type Stale struct {
	Reverts       int             `json:"reverts"`
	SameTick      int             `json:"same_tick"`
	LaterWrite    int             `json:"later_write"`
	OfOther       int             `json:"of_other_cause"` // events of contract v1.1 say none
	ByKey         map[string]int  `json:"by_key"`
	TakenUSD      schemas.Number  `json:"taken_usd"`        // out of pools
	ReturnedUSD   schemas.Number  `json:"brought_back_usd"` // into pools, by reverts and restores
	Trims         int             `json:"trims"`
	TrimsReverted int             `json:"trims_reverted"` // of these, once or more
	List          List[*Reverted] `json:"later_writes"`
}

// Reverted is what a later write took back.
type Reverted struct {
	Row
	At    schemas.Instant `json:"at"`
	What  string          `json:"event"`
	Key   string          `json:"key"`
	Alive schemas.Number  `json:"alive_for_seconds"`
	Delta schemas.Number  `json:"delta_usd"` // of pools; else null
	Event string          `json:"event_id"`
}

// Books are the fills of which the books tell and no record does.
type Books struct {
	Count   int            `json:"count"`
	BuyUSD  schemas.Number `json:"buys_usd"`
	SellUSD schemas.Number `json:"sells_usd"`
	List    List[*Fill]    `json:"list"`
}

// Fill is one of these.
type Fill struct {
	Row
	At        schemas.Instant `json:"at"`
	Since     schemas.Instant `json:"since"`
	Direction string          `json:"direction"`
	Tokens    schemas.Number  `json:"tokens"`
	USD       schemas.Number  `json:"usd"`
	Held      schemas.Number  `json:"held_quantity"`
	Severity  string          `json:"severity"`
	Event     string          `json:"event_id"`
}

// Bad is what could not be read.
type Bad struct {
	Malformed int           `json:"malformed"`
	Unknown   int           `json:"unknown_keys"`
	List      List[*Unread] `json:"list"`
}

// Unread is one value.
type Unread struct {
	Row
	At    schemas.Instant `json:"at"`
	Path  string          `json:"path"`
	Why   string          `json:"why"`
	Raw   string          `json:"raw"` // its beginning
	Event string          `json:"event_id"`
}

// Stream says how whole the stream was.
type Stream struct {
	Sources []string        `json:"sources"`
	First   uint64          `json:"first_number"` // of the events of the report; 0 without any
	Last    uint64          `json:"last_number"`
	Begins  schemas.Instant `json:"trail_begins"`    // the oldest event that is there at all
	Missing uint64          `json:"numbers_missing"` // of the report's time
	Gone    List[Span]      `json:"gone"`
	Anew    int             `json:"begun_anew"`
	NoJSON  int             `json:"no_json"` // records that are no event
	Gaps    int             `json:"gaps"`
	Quiet   schemas.Number  `json:"longest_silence_seconds"` // between two events
	QuietAt schemas.Instant `json:"longest_silence_since"`
	List    List[*Note]     `json:"list"`
}

// Span is a range of numbers that are not there.
type Span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// Note is an event about the stream or a table.
type Note struct {
	At       schemas.Instant `json:"at"`
	What     string          `json:"event"`
	Severity string          `json:"severity"`
	Detail   string          `json:"detail"`
	Event    string          `json:"event_id"`
}

// Trail is what lowcap-cdc audit verify says of the whole sink.
type Trail struct {
	OK      bool            `json:"ok"`
	Text    string          `json:"-"`      // as verify prints it
	Verdict json.RawMessage `json:"verify"` // as verify --json prints it
}
