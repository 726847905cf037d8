package schemas

import "strconv"

// AppendEvent appends a whole event in CloudEvents' structured JSON form, one line without line end.
func AppendEvent(dst []byte, a *Attributes, data Data) []byte {
	o := beginObject(dst)
	o.string("specversion", "1.0")
	o.string("id", a.ID)
	o.string("source", a.Source)
	o.string("type", string(a.Type))
	o.string("subject", a.Subject)
	o.string("time", a.Time)
	o.string("datacontenttype", "application/json")
	o.name("dataschema")
	o.dst = append(a.Type.AppendDataSchema(append(o.dst, '"')), '"') // a type needs no escapes
	o.string("partitionkey", a.PartitionKey)
	o.string("sequence", a.Sequence)
	o.string("severity", string(a.Severity))
	if a.Number != 0 {
		o.name("number")
		o.dst = append(strconv.AppendUint(append(o.dst, '"'), a.Number, 10), '"') // CloudEvents integers have 32 bits
		o.string("chain", a.Chain)
	}
	o.name("data")
	o.dst = data.AppendJSON(o.dst)
	return o.end()
}

// common writes what all data have after an event's own fields, which a person reading the topic looks for first, and
// ends the object.
func (o *object) common(c *Common) []byte {
	o.name("entity")
	o.entity(c.Entity)
	o.raw("before", c.Before)
	o.raw("after", c.After)
	o.instant("occurred_at", c.OccurredAt)
	o.string("occurred_at_quality", string(c.OccurredAtQuality))
	appendList(o, "flags", c.Flags)
	o.name("origin")
	o.origin(&c.Origin)
	return o.end()
}

func (o *object) origin(origin *Origin) {
	in := beginObject(o.dst)
	in.string("commit_lsn", origin.CommitLSN)
	in.uint("xid", uint64(origin.XID))
	in.instant("commit_time", origin.CommitTime)
	in.string("op", string(origin.Op))
	in.text("actor", origin.Actor)
	in.text("reason", origin.Reason)
	o.dst = in.end()
}

func (o *object) entity(entity Entity) {
	in := beginObject(o.dst)
	switch e := entity.(type) {
	case Position:
		in.string("id", e.ID)
		in.text("token_chain", e.TokenChain)
		in.text("token_contract", e.TokenContract)
		in.text("token_ticker", e.TokenTicker)
		in.text("timeframe", e.Timeframe)
		in.text("book_id", e.BookID)
		in.text("status", e.Status)
		in.text("state", e.State)
		in.text("trade_id", e.TradeID)
	case Block:
		in.string("token_contract", e.TokenContract)
		in.string("token_chain", e.TokenChain)
		in.string("timeframe", e.Timeframe)
		in.string("book_id", e.BookID)
	case Table:
		in.string("table", e.Table)
	case Stream:
		in.string("slot", e.Slot)
	}
	o.dst = in.end()
}
