package readable

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

func waits(id string, change func(p *cdc.KnownPosition)) Row {
	p := &cdc.KnownPosition{Position: schemas.Position{ID: id}, Held: true}
	change(p)
	return Row{key: id, waits: p}
}

// TestWaitingIsSorted: what woke somebody comes first, and of that the oldest; a loss whose block came late is off the list.
func TestWaitingIsSorted(t *testing.T) {
	b := NewBoard()
	loss := func(of string) *cdc.KnownLoss {
		return &cdc.KnownLoss{Since: "2026-11-24T04:00:00.000000Z", FirstBuy: "2026-11-24T03:00:00.000000Z", BlockKey: of}
	}
	for _, row := range []Row{
		waits("stranded", func(p *cdc.KnownPosition) { p.Stranded = true }),
		waits("wanted", func(p *cdc.KnownPosition) { p.Exit = &cdc.KnownExit{Since: "2026-11-24T05:00:00.000000Z"} }),
		waits("pending", func(p *cdc.KnownPosition) { p.Exit = &cdc.KnownExit{Since: "2026-11-24T06:00:00.000000Z", Told: 2} }),
		waits("sold", func(p *cdc.KnownPosition) {
			p.Held, p.Unrecorded = false, []cdc.KnownGrowth{{Direction: "sell", Since: "2026-11-24T05:30:00.000000Z"}}
		}),
		waits("bought", func(p *cdc.KnownPosition) {
			p.Unrecorded = []cdc.KnownGrowth{{Direction: "buy", Since: "2026-11-24T05:40:00.000000Z"}}
		}),
		waits("unblocked", func(p *cdc.KnownPosition) { p.NotSet = loss("never") }),
		waits("blocked late", func(p *cdc.KnownPosition) { p.NotSet = loss("late") }),
		waits("blocked before", func(p *cdc.KnownPosition) { p.NotSet = loss("before") }),
		{key: "late", failed: "2026-11-24T04:10:00.000000Z"},
		{key: "before", failed: "2026-11-24T02:59:59.999999Z"},
		{key: "another", failed: "2026-11-24T04:10:00.000000Z"},
	} {
		b.Put(row)
	}
	got := func() (ids []string) {
		for _, w := range b.Waiting() {
			ids = append(ids, fmt.Sprint(w.Position.ID, " ", w.Severity))
		}
		return ids
	}
	want := []string{"sold page", "pending page", "blocked before warn", "unblocked warn", "wanted warn", "bought warn", "stranded warn"}
	if ids := got(); !slices.Equal(ids, want) {
		t.Errorf("\n got %q\nwant %q", ids, want)
	}
	b.Put(Row{key: "late"}) // the block's row is gone
	b.Put(Row{key: "pending"})
	want = []string{"sold page", "blocked before warn", "blocked late warn", "unblocked warn", "wanted warn", "bought warn", "stranded warn"}
	if ids := got(); !slices.Equal(ids, want) {
		t.Errorf("\n got %q\nwant %q", ids, want)
	}
}

// TestClosedTradeIsReadable: a line about a closed trade says first what it brought and what was left, and no cut document.
func TestClosedTradeIsReadable(t *testing.T) {
	const document = `"completed_trade": {"actions": [], "summary": {"total_pnl_usd": -55.0, "decision_type": "emergency_exit", "outcome_class": "loss"}}, `
	for name, c := range map[string]struct{ data, want string }{
		"v1.2": {`"trade_id": "t1", "close_reason": "state_transition", "closed_at": null, ` + document +
			`"remaining_quantity": 7960, "pnl_usd": -55.0, "decision_type": "emergency_exit", "outcome_class": "loss"`,
			"pnl_usd=-55 decision_type=emergency_exit outcome_class=loss remaining_quantity=7960 trade_id=t1 close_reason=state_transition"},
		"v1.1": {`"trade_id": "t1", "close_reason": null, "closed_at": null, ` + strings.TrimSuffix(document, ", "),
			"pnl_usd=-55 decision_type=emergency_exit outcome_class=loss trade_id=t1"},
		"all sold, no summary": {`"trade_id": "t1", "completed_trade": null, "remaining_quantity": 0, "pnl_usd": null, "decision_type": null`, "trade_id=t1"},
		"a document that is none": {`"trade_id": "t1", "completed_trade": "x", "remaining_quantity": "0", "pnl_usd": null`,
			"remaining_quantity=0 trade_id=t1"},
	} {
		got := Describe(&sink.Stored{Value: []byte(`{"data": {` + c.data + `, "entity": {"id": "p"}}}`)}).Detail
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestObjectsAreReadInParts: the last sell of an abandoned trade and the block that was not set are no cut documents.
func TestObjectsAreReadInParts(t *testing.T) {
	got := Describe(
		&sink.Stored{Value: []byte(`{"data": {"quantity": 7960, "last_sell": {"timestamp": "2026-11-24T06:00:00Z", "signal": "trim_flag",
		"price": 0.05}, "block": null, "changed": ["usd_basis"], "from": {"usd_basis": 60}, "to": {"usd_basis": 61}, "entity": {}}}`)},
	).Detail
	const want = "quantity=7960 last_sell.timestamp=2026-11-24T06:00:00Z last_sell.signal=trim_flag last_sell.price=0.05 changed=usd_basis " +
		"from.usd_basis=60 to.usd_basis=61"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
