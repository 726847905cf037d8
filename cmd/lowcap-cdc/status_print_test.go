package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// waitingStatus is the status of a source where everything waits that can.
func waitingStatus() status {
	p := cdc.KnownPosition{Position: schemas.Position{ID: "p1"}, Quantity: "7960", Held: true, Stranded: true,
		Exit:       &cdc.KnownExit{Since: "2026-11-24T06:00:00.000000Z", ValueUSD: "500"},
		Unrecorded: []cdc.KnownGrowth{{Direction: "sell", Tokens: "3", Since: "2026-11-24T06:00:10.000000Z"}},
		NotSet: &cdc.KnownLoss{TradeID: "t1", PnLUSD: "-55.5", Stages: []schemas.Stage{schemas.S1, schemas.S2},
			Since: "2026-11-24T06:01:00.000000Z", BlockKey: "b"}}
	st := status{Waiting: make([]readable.Waiting, mostRows+2)}
	st.Waiting[0] = readable.Waiting{KnownPosition: p, Severity: schemas.Page, Since: "2026-11-24T06:00:00.000000Z"}
	return st
}

// TestStatusSaysWhatWaits: an exit that is wanted, a book without a record, tokens held in S0 and a loss without a block are one
// line each position.
func TestStatusSaysWhatWaits(t *testing.T) {
	st := waitingStatus()
	var out strings.Builder
	if err := st.print(&out, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"p1, 7960 tokens, exit wanted since ", ", worth 500 USD, held in S0, sell of 3 without a record since ",
		", lost 55.5 USD and is not blocked in s1+s2 since 2026-11-24T06:01", "and 2 more"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// TestStatusTellsProgramsWhatWaits: --json has all of them, with the names that a filter uses.
func TestStatusTellsProgramsWhatWaits(t *testing.T) {
	st := waitingStatus()
	var out strings.Builder
	if err := readable.PrintJSON(&out, &st); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Waiting []struct {
			Severity, Since string
			Position        struct{ ID string }
			Quantity        json.Number `json:"total_quantity"`
			Held, Stranded  bool
			Exit            struct {
				Since, Flag string
				Value       json.Number `json:"value_usd"`
				Told        int
			}
			Unrecorded []struct{ Direction, Since string }
			NotSet     struct {
				TradeID string      `json:"trade_id"`
				PnL     json.Number `json:"pnl_usd"`
				Stages  []string
			} `json:"not_set"`
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &read); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	first := read.Waiting[0]
	if len(read.Waiting) != mostRows+2 || first.Severity != "page" || first.Since != "2026-11-24T06:00:00.000000Z" || first.Position.ID != "p1" ||
		first.Quantity != "7960" || !first.Held || !first.Stranded || first.Exit.Value != "500" || len(first.Unrecorded) != 1 ||
		first.NotSet.TradeID != "t1" || first.NotSet.PnL != "-55.5" || len(first.NotSet.Stages) != 2 || strings.Contains(out.String(), "BlockKey") {
		t.Errorf("%+v\n%s", first, &out)
	}
}

// TestStatusIsBounded: whatever stands in the database, a row of a list stays a row.
func TestStatusIsBounded(t *testing.T) {
	huge := strings.Repeat("\u202e€", 100_000)
	p := cdc.KnownPosition{Position: schemas.Position{ID: huge, TokenTicker: &huge, Timeframe: &huge}, Quantity: schemas.Number(huge), Held: true,
		Recovering: true, DXCount: schemas.Number(huge), PoolUSD: schemas.Number(huge), Exit: &cdc.KnownExit{ValueUSD: schemas.Number(huge)},
		Unrecorded: []cdc.KnownGrowth{{Direction: "sell", Tokens: schemas.Number(huge)}},
		NotSet:     &cdc.KnownLoss{PnLUSD: schemas.Number(huge)}}
	line := readable.Line{Token: huge, Timeframe: huge, Detail: huge, Actor: huge, Reason: huge, Flags: []string{huge}}
	st := status{Pools: []cdc.KnownPosition{p}, Waiting: []readable.Waiting{{KnownPosition: p}}, LastExit: &line, LastGap: &line,
		Blocks: []cdc.KnownBlock{{Block: schemas.Block{TokenContract: huge, Timeframe: huge, BookID: huge}, Ineffective: true}}}
	var out strings.Builder
	if err := st.print(&out, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := newPrinter(&out, false).print(&sink.Stored{Value: []byte(`{"id":"1","type":"lowcap.position.created.v1","data":{"entity":{"token_ticker":"` +
		huge + `","timeframe":"` + huge + `"},"flags":["` + huge + `"],"origin":{"actor":"` + huge + `","reason":"` + huge + `"}}}`)}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 4000 || strings.Contains(line, "\u202e") {
			t.Errorf("a line of %d bytes: %.200q", len(line), line)
		}
	}
}
