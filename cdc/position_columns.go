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
	number := func(c int) schemas.Number { return schemas.Number(p.column(c)) }
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

// instantColumn returns a timestamp column as the contract prints it, or as Postgres does where it is no instant (infinity).
func instantColumn(text []byte) schemas.Instant {
	if at, _, ok := jsonb.ParseInstant(text); ok {
		return jsonb.FormatInstant(at)
	}
	return schemas.Instant(text)
}

// diffColumns reports the status and the trades of a position.
func (c *change) diffColumns(was, now *positionImage, row *decode.PositionRow) {
	from, to := was.column(decode.Status), now.column(decode.Status)
	if !bytes.Equal(from, to) {
		c.emit(&schemas.PositionStatusChanged{From: textOf(from), To: textOf(to)}, quoteOrNull(from), quoteOrNull(to), atCommit)
	}
	from, to = was.column(decode.CurrentTradeID), now.column(decode.CurrentTradeID)
	if bytes.Equal(from, to) {
		return
	}
	if from != nil {
		c.closeTrade(was, now, row)
	}
	if to != nil {
		c.emit(&schemas.TradeOpened{TradeID: string(to)}, quoteOrNull(from), quoteOrNull(to), atCommit)
	}
}

func (c *change) closeTrade(was, now *positionImage, row *decode.PositionRow) {
	trade, closedAt := was.column(decode.CurrentTradeID), now.column(decode.ClosedAt)
	when := atCommit
	if at, _, ok := jsonb.ParseInstant(closedAt); ok && !bytes.Equal(closedAt, was.column(decode.ClosedAt)) {
		when = occurrence{at: at, embedded: true}
	}
	data := &schemas.TradeClosed{
		TradeID:     string(trade),
		CloseReason: textOf(now.column(decode.CloseReason)),
		ClosedAt:    instantColumn(closedAt),
	}
	if now.completed > was.completed {
		data.CompletedTrade = c.bound(lastElement(row[decode.CompletedTrades].Text))
	}
	c.emit(data, quoteOrNull(trade), quoteOrNull(now.column(decode.CurrentTradeID)), when)
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
