package main

import (
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// TestStatusSaysWhatWaits: an exit that is wanted, a book without a record, and tokens held in S0 are one line each position.
func TestStatusSaysWhatWaits(t *testing.T) {
	p := cdc.KnownPosition{Position: schemas.Position{ID: "p1"}, Quantity: "7960", Stranded: true,
		Exit:       &cdc.KnownExit{Since: "2026-11-24T06:00:00.000000Z", ValueUSD: "500"},
		Unrecorded: []cdc.KnownGrowth{{Direction: "sell", Tokens: "3", Since: "2026-11-24T06:00:10.000000Z"}}}
	st := status{Waiting: make([]cdc.KnownPosition, mostRows+2)}
	st.Waiting[0] = p
	var out strings.Builder
	if err := st.print(&out, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"p1, 7960 tokens, exit wanted since ", ", worth 500 USD, held in S0, sell of 3 without a record since ",
		"and 2 more"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
