package consumers

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/tidwall/gjson"
)

// TestReportFromEverySink: the report of the recorded events is the same from Kafka, from one file and from segments; and its exit code
// says whether the trail holds.
func TestReportFromEverySink(t *testing.T) {
	s, lowcap := onStage(t), program(t)
	report := func(sink string) (out string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), lowcap, "report", "--json", "--slot", "stage", "--sink", sink, "--since", "2026-01-01",
			"--to", "2100-01-01")
		text, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) || !gjson.ValidBytes(text) {
			t.Fatalf("from %s: %v: %s", sink, err, text)
		}
		return string(text), cmd.ProcessState.ExitCode()
	}
	want, code := report("file:" + fileSink(t, 0))
	if code != 0 || !gjson.Get(want, "trail.ok").Bool() || gjson.Get(want, "exits.proceeds_usd").Raw != "284.65" {
		t.Errorf("from one file: exit %d: %s", code, want)
	}
	segments, _ := report("file:" + fileSink(t, 30_000)) // with one more event behind them
	kafka, code := report("kafka://" + s.kafka.Addr())
	if holds := gjson.Get(kafka, "trail.ok").Bool(); holds != (code == 0) { // another test may have put a record between them
		t.Errorf("from Kafka: exit %d: %s", code, gjson.Get(kafka, "trail"))
	}
	for _, part := range []string{"exits", "exits_failed", "trades", "blocks", "pools", "stale_writes", "unrecorded", "quarantine"} {
		for name, got := range map[string]string{"segments": segments, "Kafka": kafka} {
			if a, b := gjson.Get(got, part).Raw, gjson.Get(want, part).Raw; a != b || a == "" {
				t.Errorf("%s from %s:\n%s\nwant\n%s", part, name, a, b)
			}
		}
	}
}
