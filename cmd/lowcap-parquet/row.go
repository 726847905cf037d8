package main

import (
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// row is an event as columns. What does not exist is null. Amounts keep the digits that they were received with.
type row struct {
	ID           string    `parquet:"id"`
	Source       string    `parquet:"source,dict"`
	Subject      string    `parquet:"subject,dict"`
	Time         time.Time `parquet:"time,timestamp(microsecond)"` // of the commit
	PartitionKey string    `parquet:"partitionkey,dict"`
	Sequence     string    `parquet:"sequence"`
	Severity     string    `parquet:"severity,dict"`
	Number       uint64    `parquet:"number,optional"`
	Chain        string    `parquet:"chain,optional"`

	TokenChain    string `parquet:"token_chain,optional,dict"`
	TokenContract string `parquet:"token_contract,optional,dict"`
	TokenTicker   string `parquet:"token_ticker,optional,dict"`
	Timeframe     string `parquet:"timeframe,optional,dict"`
	BookID        string `parquet:"book_id,optional,dict"`
	PositionID    string `parquet:"position_id,optional,dict"`
	Status        string `parquet:"status,optional,dict"`
	State         string `parquet:"state,optional,dict"`
	TradeID       string `parquet:"trade_id,optional,dict"`

	OccurredAt        *time.Time `parquet:"occurred_at,optional,timestamp(microsecond)"`
	OccurredAtQuality string     `parquet:"occurred_at_quality,optional,dict"`
	Flags             []string   `parquet:"flags,list"`
	Op                string     `parquet:"op,optional,dict"`
	CommitLSN         string     `parquet:"commit_lsn,optional"`
	XID               int64      `parquet:"xid,optional"`
	Actor             string     `parquet:"actor,optional,dict"`
	ActorReason       string     `parquet:"actor_reason,optional,dict"`

	Trigger     string `parquet:"trigger,optional,dict"`
	Kind        string `parquet:"kind,optional,dict"`
	Signal      string `parquet:"signal,optional,dict"`
	Cause       string `parquet:"cause,optional,dict"`
	Reason      string `parquet:"reason,optional,dict"`
	Price       string `parquet:"price,optional"`
	SizeFrac    string `parquet:"size_frac,optional"`
	USDBasis    string `parquet:"usd_basis,optional"`
	AddedUSD    string `parquet:"added_usd,optional"`
	ClosedBasis string `parquet:"closed_basis,optional"`
	ProceedsUSD string `parquet:"proceeds_usd,optional"`

	Event string `parquet:"event,json"` // the whole event as it was committed
}

// partition is where a row belongs.
type partition struct {
	typ schemas.Type
	day string // of the commit, in UTC
}

// rowOf turns an event into a row and says which partition it belongs to.
func rowOf(e *sink.Stored) (row, partition, error) {
	a := e.Attributes()
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	if err != nil || a.Type == "" {
		return row{}, partition{}, fmt.Errorf("event %q at byte %d of %s has no type or no time; run: lowcap-cdc audit verify",
			a.ID, e.Offset, e.Topic)
	}
	r := row{ID: a.ID, Source: a.Source, Subject: a.Subject, Time: at, PartitionKey: a.PartitionKey, Sequence: a.Sequence,
		Severity: string(a.Severity), Number: a.Number, Chain: a.Chain, Event: string(e.Value)}
	data := gjson.GetBytes(e.Value, "data")
	r.setEntity(data.Get("entity"))
	r.setOrigin(data)
	r.setOwn(data)
	return r, partition{a.Type, at.UTC().Format(time.DateOnly)}, nil
}

func (r *row) setEntity(entity gjson.Result) {
	for name, column := range map[string]*string{"id": &r.PositionID, "token_chain": &r.TokenChain, "token_contract": &r.TokenContract,
		"token_ticker": &r.TokenTicker, "timeframe": &r.Timeframe, "book_id": &r.BookID, "status": &r.Status, "state": &r.State,
		"trade_id": &r.TradeID} {
		*column = entity.Get(name).String()
	}
}

func (r *row) setOrigin(data gjson.Result) {
	origin := data.Get("origin")
	r.Op, r.CommitLSN, r.XID = origin.Get("op").String(), origin.Get("commit_lsn").String(), origin.Get("xid").Int()
	r.Actor, r.ActorReason = origin.Get("actor").String(), origin.Get("reason").String()
	r.OccurredAtQuality = data.Get("occurred_at_quality").String()
	if at, err := time.Parse(time.RFC3339Nano, data.Get("occurred_at").String()); err == nil {
		r.OccurredAt = &at
	}
	for _, flag := range data.Get("flags").Array() {
		r.Flags = append(r.Flags, flag.String())
	}
}

// setOwn copies the type's own fields that several types have.
func (r *row) setOwn(data gjson.Result) {
	for name, column := range map[string]*string{"trigger": &r.Trigger, "kind": &r.Kind, "signal": &r.Signal, "cause": &r.Cause,
		"reason": &r.Reason, "price": &r.Price, "size_frac": &r.SizeFrac, "usd_basis": &r.USDBasis, "added_usd": &r.AddedUSD,
		"closed_basis": &r.ClosedBasis, "proceeds_usd": &r.ProceedsUSD} {
		if value := data.Get(name); value.Type == gjson.Number {
			*column = value.Raw // its digits; String would go through a float
		} else {
			*column = value.String()
		}
	}
}
