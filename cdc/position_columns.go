package cdc

import (
	"bytes"
	"strconv"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// published returns the watched columns that an entity does not hold.
func (p *positionImage) published() schemas.PositionColumns {
	number := func(c int) schemas.Number { return numberOf(p.column(c)) }
	return schemas.PositionColumns{
		TotalQuantity:        number(decode.TotalQuantity),
		TotalAllocationUSD:   number(decode.TotalAllocationUSD),
		TotalExtractedUSD:    number(decode.TotalExtractedUSD),
		TotalTokensBought:    number(decode.TotalTokensBought),
		TotalTokensSold:      number(decode.TotalTokensSold),
		ClosedAt:             instantColumn(p.column(decode.ClosedAt)),
		CloseReason:          textOf(p.column(decode.CloseReason)),
		CreatedAt:            instantColumn(p.column(decode.CreatedAt)),
		CompletedTradesCount: schemas.Number(strconv.FormatInt(p.completed, 10)),
	}
}

// numberColumns are the columns that hold numbers.
var numberColumns = [...]int{decode.TotalQuantity, decode.TotalAllocationUSD, decode.TotalExtractedUSD, decode.TotalTokensBought,
	decode.TotalTokensSold}

// numberOf returns a number as it was received, null where it has more digits than an event may carry.
func numberOf(text []byte) schemas.Number {
	if isTooLong(text) {
		return ""
	}
	return schemas.Number(text)
}

// isTooLong reports whether a number has more digits than an event may carry.
func isTooLong(text []byte) bool {
	return len(text) > jsonb.MaxDigits && (len(text) > maxText || !jsonb.IsInRange(text))
}

// malformedNumbers returns the number columns of a new row that have too many digits, and had others before.
func malformedNumbers(was, now *positionImage) (bad []*malformed) {
	for _, c := range numberColumns {
		if text := now.column(c); isTooLong(text) && !bytes.Equal(text, was.column(c)) {
			names, _ := decode.Columns(decode.Positions)
			bad = append(bad, &malformed{names[c], jsonb.Quote(text), "a number of more than 1,000 digits"})
		}
	}
	return bad
}

// instantColumn returns a timestamp column as the contract prints it, or as Postgres does where it is no instant (infinity).
func instantColumn(text []byte) schemas.Instant {
	if at, _, ok := jsonb.ParseInstant(text); ok {
		return jsonb.FormatInstant(at)
	}
	return schemas.Instant(text)
}

// diffColumns reports the status and the trades of a position, and what a close leaves behind.
func (h *history) diffColumns(row *decode.PositionRow, doc *document) {
	from, to := h.was.column(decode.Status), h.image.column(decode.Status)
	if !bytes.Equal(from, to) {
		data := &schemas.PositionStatusChanged{From: textOf(from), To: textOf(to)}
		if string(to) == "shadow" {
			data.EntryEvent, data.BlockedBy = h.shadowed(row, doc)
		}
		h.emit(data, quoteOrNull(from), quoteOrNull(to), atCommit)
	}
	var left []byte
	var s summary
	if h.ended != nil {
		left, s = h.closeTrade(row)
	}
	if h.opened != nil {
		h.emit(&schemas.TradeOpened{TradeID: string(h.opened)}, quoteOrNull(h.ended), quoteOrNull(h.opened), atCommit)
	}
	h.trackExit(doc, left != nil)
	if left != nil {
		h.abandoned(h.ended, left, doc)
	}
	h.trackTrade(h.ended, h.opened, s)
}

// shadowed returns which entry was not made when a position became a shadow, and what kept the bot from it.
func (h *history) shadowed(row *decode.PositionRow, doc *document) (event schemas.Text, blockedBy schemas.Raw) {
	event = textOf(column(row[decode.EntryEvent], nil))
	entry := jsonb.Text(doc.parsed.Shadow)
	if !entry.IsObject() {
		return event, nil
	}
	if event == nil {
		event = h.textOf(jsonb.Lookup(entry, "entry_event"))
	}
	return event, h.bound(jsonb.Lookup(entry, "blocked_by"))
}

// closeTrade reports the end of a trade. It returns what of its tokens no one sold, nil for none, and the bot's summary.
func (h *history) closeTrade(row *decode.PositionRow) (left []byte, s summary) {
	closedAt, when := h.image.column(decode.ClosedAt), atCommit
	if at, _, ok := jsonb.ParseInstant(closedAt); ok && !bytes.Equal(closedAt, h.was.column(decode.ClosedAt)) {
		when = occurrence{at: at, embedded: true}
	}
	data := &schemas.TradeClosed{
		TradeID:     string(h.ended),
		CloseReason: textOf(h.image.column(decode.CloseReason)),
		ClosedAt:    instantColumn(closedAt),
	}
	if h.image.completed > h.was.completed {
		trade := lastElement(row[decode.CompletedTrades].Text)
		s = summaryOf(trade)
		data.CompletedTrade, data.PnLUSD = h.bound(trade), numberOf(s.pnl)
		data.DecisionType, data.OutcomeClass = h.textOf(s.decision), h.textOf(s.outcome)
	}
	if h.op != schemas.OpReconcile { // what was held when the trade ended, somewhere in a gap, is not known
		data.RemainingQuantity = "0"
		if left = h.tokensLeft(); left != nil {
			data.RemainingQuantity = numberOf(left)
			h.mark(true, schemas.TokensLeft)
		}
	}
	h.emit(data, quoteOrNull(h.ended), quoteOrNull(h.image.column(decode.CurrentTradeID)), when)
	return left, s
}

func lastElement(array []byte) []byte {
	var last []byte
	for items := decode.ItemsOf(array); items.Next(); {
		last = items.Value()
	}
	return last
}

func quoteOrNull(text []byte) []byte {
	if text == nil {
		return nil
	}
	return jsonb.Quote(text)
}
