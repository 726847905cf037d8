package belief

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// keyOf returns the key of the history that a type of event is about, empty when the event itself names it, or it is about
// none.
func keyOf(name string, data gjson.Result) string {
	switch name {
	case "execution.buy_recorded":
		if slot := data.Get("slot").String(); slot != "reclaim" {
			return "last_" + slot + "_buy"
		}
		return "last_reclaim_buy"
	case "execution.trim_recorded", "emergency_exit.executed":
		return "last_trim"
	case "execution.trim_signaled":
		return "last_trim_signal"
	case "emergency_exit.triggered", "emergency_exit.rebuy_used":
		return "last_emergency_exit"
	case "emergency_exit.guard_stamped":
		return "last_emergency_exit_ts"
	case "history.prev_state_changed":
		return "prev_state"
	case "buyback.recorded":
		return "lotus_buyback"
	}
	if strings.HasPrefix(name, "trim_pool.") {
		return "trim_pool"
	}
	return data.Get("key").String()
}

func (b *Beliefs) position(a *schemas.Attributes, name string, data gjson.Result) {
	e := data.Get("entity")
	id := e.Get("id").String()
	if id == "" {
		return
	}
	if name == "position.deleted" {
		delete(b.Positions, id)
		return
	}
	p := b.Positions[id]
	if p == nil {
		if name == "emergency_exit.settled" || name == "execution.unrecorded" {
			return // told behind the row's end
		}
		p = &Position{Bad: make(map[string]bool), Said: make(map[string]uint64)}
		b.Positions[id] = p
	}
	p.Number = a.Number
	p.columns(a, name, e)
	switch name {
	case "position.created", "position.baseline":
		p.begin(a, name, data)
	case "history.malformed":
		path, _, _ := strings.Cut(data.Get("path").String(), ".")
		p.Bad[path] = true
	case "emergency_exit.pending":
		p.Exit = exitOf(a, data, p.Exit)
	case "emergency_exit.settled":
		if p.Exit != nil && p.Exit.Since == data.Get("wanted_since").String() { // the next one may be wanted already
			p.Exit = nil
		}
	case "emergency_exit.abandoned", "execution.unrecorded", "history.unknown_key", "position.status_changed", "trade.opened", "trade.closed":
	default:
		p.value(a, keyOf(name, data), data)
	}
	if name == "emergency_exit.triggered" {
		p.History.SetUnread("last_emergency_exit_ts") // stamped with it, and not told by an event of its own
	}
}

// columns takes in what every event says of its row.
func (p *Position) columns(a *schemas.Attributes, name string, e gjson.Result) {
	p.Entity = Entity{ID: e.Get("id").String(), Chain: e.Get("token_chain").String(), Contract: e.Get("token_contract").String(),
		Ticker: e.Get("token_ticker").String(), Timeframe: e.Get("timeframe").String(), Book: e.Get("book_id").String()}
	if p.Status != e.Get("status").String() {
		p.Status, p.Said["status"] = e.Get("status").String(), a.Number
	}
	if trade := e.Get("trade_id").String(); trade != p.Trade {
		p.Trade, p.TradeBy, p.Said["trade"] = trade, a.ID, a.Number
		p.Opened = a.Time
		if name == "position.baseline" || trade == "" {
			p.Opened = ""
		}
	}
}

// begin takes in a row of which nothing was known.
func (p *Position) begin(a *schemas.Attributes, name string, data gjson.Result) {
	p.Pool, p.PoolAt, p.PoolBy, p.History = "", "", "", cdc.Meanings{}
	history := data.Get("history")
	p.Unknown = hasFlag(data, "raw_truncated") || hasFlag(data, "baseline_incomplete") && !history.IsObject()
	if name == "position.created" || p.Unknown {
		return
	}
	history.ForEach(func(key, value gjson.Result) bool {
		p.set(a, key.String(), value)
		return true
	})
	p.PoolAt = "" // it was so before the first event
}

func (p *Position) value(a *schemas.Attributes, key string, data gjson.Result) {
	if hasFlag(data, "raw_truncated") {
		p.History.SetUnread(key) // it was too long to be told
		return
	}
	p.set(a, key, data.Get("after"))
}

func (p *Position) set(a *schemas.Attributes, key string, value gjson.Result) {
	if !p.History.Set(key, []byte(value.Raw)) {
		return
	}
	p.Said[key] = a.Number
	if key != "trim_pool" {
		return
	}
	switch {
	case cdc.PoolIsEmpty([]byte(value.Raw), p.Pool != ""):
		p.Pool, p.PoolAt, p.PoolBy = "", "", ""
		return
	case p.Pool == "":
		p.PoolAt = a.Time
	}
	p.Pool, p.PoolBy = value.Raw, a.ID
}

func exitOf(a *schemas.Attributes, data gjson.Result, before *Exit) *Exit {
	e := &Exit{Since: data.Get("wanted_since").String(), Flag: data.Get("flag").String(), Reason: data.Get("exit_reason").String(),
		Held: data.Get("held_quantity").Raw, ValueUSD: data.Get("value_usd").Raw, Event: a.ID}
	if before != nil && before.Since == e.Since {
		e.Event = before.Event // a reminder
	}
	return e
}

func hasFlag(data gjson.Result, flag string) bool {
	return slices.ContainsFunc(data.Get("flags").Array(), func(f gjson.Result) bool { return f.String() == flag })
}
