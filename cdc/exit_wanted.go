package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// An exit that the engine wants of a position that is held should leave a sell within minutes. What follows tells the one
// that does not come, how it ends, and a trade that is closed over its tokens.

const (
	second        = decode.Micros(1000000)
	pendingAfter  = 600 * second
	firstReminder = 3600 * second
	reminderEvery = 6 * 3600 * second
	// recordWithin is how long the record of a fill may come after the change that moved the books.
	recordWithin = 120 * second
)

// due returns when the next event about the exit is due, 0 when none is.
func (e *wantedExit) due() decode.Micros {
	switch {
	case e.since == 0:
		return 0
	case e.told == 0:
		return e.from + pendingAfter
	}
	return e.next
}

// tell notes that an event was told at a time: the next is due at the first reminder after it.
func (e *wantedExit) tell(at decode.Micros, event place) {
	if e.told == 0 {
		e.next, e.event = at+firstReminder, event
	}
	for e.next <= at {
		e.next += reminderEvery
	}
	e.told++
}

// settle makes an exit that was told as pending wait for the record of its sell.
func (e *wantedExit) settle(at decode.Micros, quantity []byte) endedExit {
	return endedExit{at: at, since: e.since, event: e.event, quantity: quantity}
}

// trackExit follows whether an exit is wanted of a position that is held. closed says that the trade ended over tokens.
func (h *history) trackExit(doc *document, closed bool) {
	w := &h.image.waits
	if w.ended.at != 0 && h.isNew(lastTrim) && h.tx.CommitTime-w.ended.at <= recordWithin {
		h.emitSettled(&w.ended, "executed")
		w.ended = endedExit{}
	}
	both := h.image.wish != 0 && isHeld(h.was, h.image)
	switch {
	case w.exit.since != 0 && (!both || closed):
		h.endExit(closed)
	case both && h.isNew(lastTrim) && w.exit.told == 0:
		w.exit.from = h.tx.CommitTime
	}
	h.image.watchExit(h.tx.CommitTime, both, doc)
}

// watchExit begins or continues to watch an exit, by what a row says of it.
func (p *positionImage) watchExit(at decode.Micros, both bool, doc *document) {
	e := &p.waits.exit
	if !both {
		*e = wantedExit{}
		return
	}
	if e.since == 0 {
		*e = wantedExit{since: at, from: at, flag: p.wish}
	}
	if doc.engineRead {
		e.price, e.reason = readEngine(doc.parsed.Engine)
	}
}

// endExit tells how an exit ended that was told as pending, or that its sell may still be recorded.
func (h *history) endExit(closed bool) {
	w := &h.image.waits
	exit := w.exit
	w.exit = wantedExit{}
	if exit.told == 0 {
		return
	}
	held := isHeld(h.was, h.image)
	ended := exit.settle(h.tx.CommitTime, h.was.column(decode.TotalQuantity))
	switch {
	case closed:
		h.emitSettled(&ended, "closed")
	case !held && h.isNew(lastTrim):
		h.emitSettled(&ended, "executed")
	case !held:
		w.ended = ended
	default:
		ended.quantity = h.image.column(decode.TotalQuantity)
		h.emitSettled(&ended, "withdrawn")
	}
}

func (c *change) emitSettled(e *endedExit, outcome string) {
	c.emit(&schemas.EmergencyExitSettled{Outcome: outcome, WantedSince: jsonb.FormatInstant(e.since),
		HeldQuantity: numberOf(e.quantity), PendingEventID: c.idOf(e.event)}, nil, nil, atCommit)
}

// emitPending tells that an exit is wanted and has not been made.
func (c *change) emitPending(image *positionImage) {
	e, quantity := &image.waits.exit, image.column(decode.TotalQuantity)
	at := c.emit(&schemas.EmergencyExitPending{WantedSince: jsonb.FormatInstant(e.since), Flag: e.flag.flag(), ExitReason: textOf(e.reason),
		HeldQuantity: numberOf(quantity), EnginePrice: schemas.Number(e.price), ValueUSD: valueOf(quantity, e.price),
		Reminder: uint64(e.told)}, nil, nil, atCommit)
	e.tell(c.tx.CommitTime, at)
}

// tokensLeft returns what was held before a change and not sold in it, nil when that is no more than dust. A quantity that
// is no number is left: books that are broken must not silence an alarm.
func (h *history) tokensLeft() []byte {
	quantity := h.was.column(decode.TotalQuantity)
	before, ok := amountOf(quantity)
	if !ok {
		return quantity
	}
	sold, _ := growth(h.was.column(decode.TotalTokensSold), h.image.column(decode.TotalTokensSold))
	left := before.Minus(sold)
	switch {
	case left.Sign() <= 0 || left.Compare(dust(h.was, h.image)) <= 0:
		return nil
	case sold.Sign() == 0:
		return quantity
	}
	return left.Append(nil)
}

// abandoned tells that a trade was closed over its tokens.
func (h *history) abandoned(trade, left []byte, doc *document) {
	price := h.was.waits.exit.price
	if doc.engineRead {
		price, _ = readEngine(doc.parsed.Engine)
	}
	known := knownKeys(h.historyNow(doc))
	h.emit(&schemas.EmergencyExitAbandoned{TradeID: string(trade), Quantity: numberOf(left), ValueUSD: valueOf(left, price),
		Wanted: h.image.wish != 0, LastSell: h.bound(known[lastTrim])}, quoteOrNull(trade),
		quoteOrNull(h.image.column(decode.CurrentTradeID)), atCommit)
}

// historyNow returns the history after the change; one that was not sent, or cannot be read, is as it was.
func (h *history) historyNow(doc *document) []byte {
	if doc.sent && doc.why == nil {
		return doc.history
	}
	return h.was.history
}
