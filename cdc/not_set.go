package cdc

import (
	"slices"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

const (
	// notSetEvery is how often a block that was not set is told, for each token and timeframe.
	notSetEvery = 24 * 3600 * second
	// maxLosses is how many ended trades of a position wait for their block.
	maxLosses = 8
)

// summary is what the bot computed of a trade when it closed it.
type summary struct{ pnl, decision, outcome jsonb.Text }

func summaryOf(trade []byte) (s summary) {
	if !jsonb.Text(trade).IsObject() {
		return s
	}
	of := jsonb.Lookup(trade, "summary")
	if !of.IsObject() {
		return s
	}
	s = summary{pnl: jsonb.Lookup(of, "total_pnl_usd"), decision: jsonb.Lookup(of, "decision_type"),
		outcome: jsonb.Lookup(of, "outcome_class")}
	if !s.pnl.IsNumber() {
		s.pnl = nil
	}
	return s
}

// trackTrade follows what is bought in a trade. A trade of the book whose blocks the bot consults, that bought in S1 or S2
// and ends with a loss, must set its token's block.
func (h *history) trackTrade(ended, opened []byte, s summary) {
	w := &h.image.waits
	if ended != nil && opened != nil {
		h.endTrade(ended, s)
	}
	if opened != nil {
		w.trade = tradeBuys{}
	}
	w.trade.s1 = w.trade.s1 || h.isNew(lastS1Buy)
	w.trade.s2 = w.trade.s2 || h.isNew(lastS2Buy)
	for k := lastS1Buy; k <= lastReclaimBuy && w.trade.first == 0; k++ {
		if !h.isNew(k) {
			continue
		}
		if w.trade.first = h.keys[k].after.at; h.isFuture(w.trade.first) {
			w.trade.first = h.tx.CommitTime // else no failure would ever be later
		}
	}
	if ended != nil && opened == nil {
		h.endTrade(ended, s)
	}
}

func (h *history) endTrade(trade []byte, s summary) {
	w := &h.image.waits
	buys := w.trade
	w.trade, w.unset = tradeBuys{}, loss{} // a trade that ends is judged anew
	pnl, ok := jsonb.ParseDecimal(s.pnl)
	if !ok || pnl.Sign() >= 0 || (!buys.s1 && !buys.s2) || string(h.image.column(decode.BookID)) != effectiveBook ||
		len(w.losses) == maxLosses {
		return
	}
	w.losses = append(slices.Clone(w.losses), loss{at: h.tx.CommitTime, buys: buys, trade: trade, pnl: s.pnl})
}

// checkLoss tells that the block of a trade's token was not set, at most once a day.
func (m *machine) checkLoss(c *change, image *positionImage) {
	w := &image.waits
	l := w.losses[0]
	w.losses = w.losses[1:]
	key := string(image.blockKey())
	var block blockImage
	data, known := m.state.blocks.get(bytesOf(key))
	if known && block.decode(data) == nil && max(block.fail1.at, block.fail2.at) >= l.buys.first {
		return
	}
	w.unset = l
	if passed := m.tx.CommitTime - w.lastNotSet; w.lastNotSet != 0 && passed < notSetEvery && passed > -clockSlack {
		return
	}
	w.lastNotSet = m.tx.CommitTime
	of := m.blockChange(key, c.op)
	of.event = c.event
	data = nil
	if known {
		data = block.json()
	}
	of.emit(&schemas.EntryBlockNotSet{TradeID: string(l.trade), PnLUSD: numberOf(l.pnl), Stages: l.buys.stages(), Block: data},
		nil, nil, atCommit)
	c.event = of.event
}

// blockKey returns the key of the token's block that the bot consults.
func (p *positionImage) blockKey() []byte {
	var row decode.BlockRow
	row[decode.BlockContract].Text, row[decode.BlockChain].Text = p.column(decode.TokenContract), p.column(decode.TokenChain)
	row[decode.BlockTimeframe].Text, row[decode.BlockBook].Text = p.column(decode.Timeframe), []byte(effectiveBook)
	return appendBlockKey(nil, &row)
}
