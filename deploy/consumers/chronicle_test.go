package consumers

import (
	"cmp"
	"fmt"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// chronicle writes events as the sidecar does: one change after the other, each a transaction of its own.
type chronicle struct {
	events []cdc.Event
	at     time.Time // of the last commit
	source string    // another one when the history goes on from another server
	chain  schemas.Chain
}

func newChronicle() *chronicle {
	return &chronicle{source: "/postgres/7/trading", at: time.Date(2026, 1, 18, 10, 0, 0, 0, time.UTC)}
}

func instant(at time.Time) schemas.Instant {
	return schemas.Instant(at.Format("2006-01-02T15:04:05.000000Z"))
}

// position returns a row of a token named by a number; trade is empty when it is flat.
func position(row, trade string) schemas.Position {
	text := func(s string) schemas.Text { return &s }
	p := schemas.Position{ID: row, TokenChain: text("solana"), TokenContract: text("C" + row), TokenTicker: text("T" + row), Timeframe: text("1h"),
		BookID: text("onchain_crypto"), Status: text("active"), State: text("S3")}
	if trade != "" {
		p.TradeID = &trade
	}
	return p
}

// block returns the key of that token's block.
func block(row, book string) schemas.Block {
	return schemas.Block{TokenContract: "C" + row, TokenChain: "solana", Timeframe: "1h", BookID: book}
}

// change commits a change some seconds later.
func (c *chronicle) change(seconds float64, of schemas.Entity, list ...schemas.Data) {
	c.at = c.at.Add(time.Duration(seconds * float64(time.Second)))
	change := len(c.events) + 1
	for i, data := range list {
		head := data.Head()
		head.Entity = of
		head.OccurredAt = cmp.Or(head.OccurredAt, instant(c.at))
		head.OccurredAtQuality = schemas.CommitTime
		head.Origin = schemas.Origin{CommitLSN: fmt.Sprintf("0/%X", change), XID: uint32(change), CommitTime: instant(c.at), Op: schemas.OpUpdate}
		subject := ""
		switch e := of.(type) {
		case schemas.Position:
			subject = e.ID
		case schemas.Block:
			subject = e.TokenContract + "/" + e.BookID
		}
		number, link := c.chain.Next()
		a := schemas.Attributes{ID: fmt.Sprintf("7/0/%X/0/%d", change, i), Source: c.source, Type: data.Type(), Subject: subject,
			Time: string(instant(c.at)), PartitionKey: "solana/C/1h", Sequence: fmt.Sprintf("%016X1%08X%07X", change, 0, i),
			Severity: severityOf(data), Number: number, Chain: link}
		value := schemas.AppendEvent(nil, &a, data)
		c.chain.Add(number, value)
		c.events = append(c.events, cdc.Event{Attributes: a, Value: value})
	}
}

// severityOf says what matters to the queries: a sell without a record after which nothing is held is a page.
func severityOf(data schemas.Data) schemas.Severity {
	if u, ok := data.(*schemas.ExecutionUnrecorded); ok && u.HeldQuantity == "0" {
		return schemas.Page
	}
	return schemas.Info
}
