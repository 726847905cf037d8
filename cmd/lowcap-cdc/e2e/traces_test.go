package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
	"lowcap-cdc/schemas/schematest"
)

// TestTraces replays every recorded sequence of writes of the real source system into a real Postgres, through the
// binary into a real Kafka, and compares what an independent client reads there with a second run on its own slot, and
// with the reviewed transcript.
func TestTraces(t *testing.T) {
	traces, err := lab.Traces()
	if err != nil {
		t.Fatal(err)
	}
	var transcript strings.Builder
	bySeverity := make(map[schemas.Severity]int)
	for i := range traces {
		trace := &traces[i]
		t.Run(trace.Name, func(t *testing.T) {
			s := newSite(t)
			if err := trace.Prepare(t.Context(), s.conn); err != nil {
				t.Fatal(err)
			}
			kafka, committed := s.kafka()
			file, written := s.file("reference")
			s.drain("k", kafka)
			s.drain("f", file)
			for j := range trace.Log {
				if err := trace.Log[j].Apply(t.Context(), s.conn); err != nil {
					t.Fatal(err)
				}
			}
			s.drain("k", kafka)
			s.drain("f", file)
			events := committed()
			sameEvents(t, streamed(t, events), streamed(t, written()))
			fmt.Fprintf(&transcript, "# %s\n", trace.Name)
			for _, e := range events {
				schematest.Validate(t, []byte(e))
				transcript.WriteString(summary(t, e))
				bySeverity[schemas.Severity(gjson.Get(e, "severity").String())]++
			}
		})
	}
	fmt.Fprintf(&transcript, "# in all %d traces: %d page, %d warn, %d info\n", len(traces),
		bySeverity[schemas.Page], bySeverity[schemas.Warn], bySeverity[schemas.Info])
	golden.Compare(t, "testdata/traces.txt", transcript.String())
}

// summary prints of an event what does not depend on the clock or the WAL.
func summary(t *testing.T, event string) string {
	t.Helper()
	var e struct {
		Type string
		Data map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(strings.TrimPrefix(e.Type, "lowcap."), ".v1")
	for _, name := range []string{"slot", "key", "kind", "exit_reason", "signal", "price", "proceeds_usd", "usd_basis", "added_usd",
		"old_basis", "new_basis", "closed_basis", "cause", "reason", "dx_count", "stages", "stage", "trigger", "from", "to", "skipped", "flag", "reminder", "outcome", "quantity", "wanted",
		"direction", "tokens", "usd", "remaining_quantity", "pnl_usd", "delta_usd", "entry_event", "blocked_by", "flags"} {
		if value, ok := e.Data[name]; ok && string(value) != "[]" && string(value) != "null" {
			line += " " + name + "=" + string(value)
		}
	}
	return line + "\n"
}
