package receiver

import (
	"fmt"
	"strings"
	"testing"

	"lowcap-cdc/sink"
)

// TestTellsWhatATradeBrought: a message about a closed trade begins with its result, and does not tell the bot's own document.
func TestTellsWhatATradeBrought(t *testing.T) {
	value := `{"type": "lowcap.trade.closed.v1", "time": "2026-11-24T06:00:00Z", "severity": "info", "data": {"trade_id": "t1",
		"close_reason": "state_transition", "closed_at": "2026-11-24T06:00:00Z", "completed_trade": {"actions": [1, 2], "summary": {"rr": 0.5}},
		"remaining_quantity": 7960, "pnl_usd": -377.6, "decision_type": "emergency_exit", "outcome_class": "loss",
		"entity": {"token_ticker": "FADE", "timeframe": "1h"}, "flags": ["tokens_left"]}}`
	m := Of(&sink.Stored{Value: []byte(value)}, "")
	var got []string
	for _, f := range m.Facts {
		got = append(got, fmt.Sprint(f))
	}
	const want = "{result -377.60 USD} {decision emergency_exit} {outcome loss} {left 7960 tokens} {close reason state_transition} " +
		"{closed at 2026-11-24 06:00:00 UTC} {note tokens_left}"
	if text := strings.Join(got, " "); text != want || m.What != "Trade closed" || m.Token != "FADE" {
		t.Errorf("%s, %s\n got %s\nwant %s", m.What, m.Token, text, want)
	}
}
