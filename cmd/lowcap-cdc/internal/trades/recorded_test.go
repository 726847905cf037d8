package trades

import (
	"bytes"
	"os"
	"testing"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/schemas"
)

// folded returns the trades that lines of events tell of.
func folded(t *testing.T, lines []byte) (all []*Trade) {
	t.Helper()
	fold := New(func(trade *Trade) error {
		all = append(all, trade)
		return nil
	})
	for line := range bytes.Lines(lines) {
		event, err := schemas.Parse(nil, bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := fold.Take(&event.Attributes, line); err != nil {
			t.Fatal(err)
		}
	}
	if err := fold.End(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestRecordedTrades: the events that the documentation shows, as a person and as a program get them.
func TestRecordedTrades(t *testing.T) {
	lines, err := os.ReadFile("../../../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var text, objects bytes.Buffer
	for _, trade := range folded(t, lines) {
		if err := trade.Print(&text); err != nil {
			t.Fatal(err)
		}
		if err := trade.PrintJSON(&objects, bytes.Clone); err != nil {
			t.Fatal(err)
		}
	}
	golden.Compare(t, "testdata/recorded.txt", text.String()+objects.String())
}
