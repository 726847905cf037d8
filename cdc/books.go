package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// book names the sums that a fill of one direction moves.
type book struct {
	direction   string
	tokens, usd int
}

var (
	buyBook  = book{"buy", decode.TotalTokensBought, decode.TotalAllocationUSD}
	sellBook = book{"sell", decode.TotalTokensSold, decode.TotalExtractedUSD}
)

// due returns when a growth of the books counts as unrecorded, 0 when all is covered.
func (u *unrecorded) due() decode.Micros {
	if u.since == 0 {
		return 0
	}
	return u.since + recordWithin
}

// trackBooks follows the sums of tokens: what they grow by must be recorded in the same change or soon after. Of what
// happened in a gap of the stream, or while the history was not known, no one knows whether it was.
func (h *history) trackBooks() {
	w := &h.image.waits
	if h.was.incomplete {
		return
	}
	h.trackBook(&w.buys, buyBook, h.isBuy())
	h.trackBook(&w.sells, sellBook, h.isNew(lastTrim))
}

func (h *history) trackBook(u *unrecorded, of book, isRecorded bool) {
	if isRecorded {
		if h.op == schemas.OpReconcile || h.tx.CommitTime-u.since <= recordWithin {
			*u = unrecorded{}
		}
		return
	}
	if h.op == schemas.OpReconcile {
		return
	}
	tokens, ok := growth(h.was.column(of.tokens), h.image.column(of.tokens))
	grew := !ok || tokens.Sign() > 0
	if u.since == 0 && !grew {
		return
	}
	if u.since == 0 {
		*u = unrecorded{since: h.tx.CommitTime, tokens: []byte("0"), usd: []byte("0")}
	}
	u.tokens = grownBy(u.tokens, tokens, ok, h.image.column(of.tokens))
	usd, ok := growth(h.was.column(of.usd), h.image.column(of.usd))
	u.usd = grownBy(u.usd, usd, ok, h.image.column(of.usd))
	if h.image.column(of.usd) == nil {
		u.usd = nil
	}
}

// grownBy adds a growth to a sum. A sum that has become no finite number stays what it has become.
func grownBy(sum []byte, by jsonb.Decimal, ok bool, now []byte) []byte {
	before, readable := jsonb.ParseDecimal(sum)
	switch {
	case !ok:
		return now
	case !readable || by.Sign() == 0:
		return sum
	}
	return before.Plus(by).Append(nil)
}

// isBuy reports whether the change recorded a buy.
func (h *history) isBuy() bool {
	for k := lastS1Buy; k <= lastReclaimBuy; k++ {
		if h.isNew(k) {
			return true
		}
	}
	return false
}

// emitUnrecorded tells of a growth of the books that nothing was recorded for. A sell after which nothing is held is the
// exit that someone waits for.
func (c *change) emitUnrecorded(u *unrecorded, of book, image *positionImage) {
	if of == sellBook && !isHeld(image, image) {
		c.severity = schemas.Page
	}
	c.emit(&schemas.ExecutionUnrecorded{Direction: of.direction, Tokens: numberOf(u.tokens), USD: numberOf(u.usd),
		Since: jsonb.FormatInstant(u.since), HeldQuantity: numberOf(image.column(decode.TotalQuantity))}, nil, nil, atCommit)
	*u = unrecorded{}
}
