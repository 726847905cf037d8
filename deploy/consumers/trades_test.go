package consumers

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program builds the binary.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lowcap-cdc")
	output(t, exec.CommandContext(t.Context(), "go", "build", "-o", path, "lowcap-cdc/cmd/lowcap-cdc"))
	return path
}

// TestTradesFromEverySink: the verb tells the same trades from Kafka, where records of others and of an aborted transaction are,
// from one file and from segments; and the same as the room that folds them.
func TestTradesFromEverySink(t *testing.T) {
	s, lowcap := onStage(t), program(t)
	trades := func(sink string, args ...string) string {
		return output(t, exec.CommandContext(t.Context(), lowcap, append([]string{"trades", "--slot", "stage", "--sink", sink}, args...)...))
	}
	want, err := os.ReadFile("../../cmd/lowcap-cdc/internal/trades/testdata/recorded.txt")
	if err != nil {
		t.Fatal(err)
	}
	text, objects, _ := bytes.Cut(want, []byte("\n{"))
	one, segments := "file:"+fileSink(t, 0), "file:"+fileSink(t, 30_000)
	for _, sink := range []string{"kafka://" + s.kafka.Addr(), one, segments} {
		if got := trades(sink); got != string(text)+"\n" {
			t.Errorf("from %s:\n%s\nwant\n%s", sink, got, text)
		}
		if got := trades(sink, "--json"); got != "{"+string(objects) {
			t.Errorf("from %s:\n%s\nwant\n{%s", sink, got, objects)
		}
	}
	if got := trades(one, "fails"); strings.Count(got, "\n") != 1 || !strings.Contains(got, "exit=abandoned left=7960 pnl=-398.0 block=not_set") {
		t.Errorf("of one token: %s", got)
	}
	if got := trades(one, "--open"); strings.Count(got, "\n") != 12 || strings.Contains(got, "FAILS") {
		t.Errorf("that are open: %s", got)
	}
	var fails struct {
		Opened string    `json:"opened_at"`
		Closed time.Time `json:"closed_at"`
	}
	if err := json.Unmarshal([]byte(trades(one, "FAILS", "--json")), &fails); err != nil {
		t.Fatal(err)
	}
	// Its beginning lies before that, and is told all the same.
	if got := trades(one, "FAILS", "--json", "--since", fails.Closed.Format(time.RFC3339Nano)); !strings.Contains(got, fails.Opened) {
		t.Errorf("since its end: %s", got)
	}
	if got := trades(one, "FAILS", "--since", fails.Closed.Add(time.Microsecond).Format(time.RFC3339Nano)); got != "" {
		t.Errorf("since later: %s", got)
	}
}

// TestTradesOfADamagedFile: a line that somebody broke is said, the rest is told, and the exit code is that of damage.
func TestTradesOfADamagedFile(t *testing.T) {
	dir, lowcap := fileSink(t, 0), program(t)
	path := filepath.Join(dir, "events.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(content, []byte("lowcap.trade.opened.v1"))
	content[bytes.LastIndexByte(content[:at], '\n')+1] = 'x'
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), lowcap, "trades", "--sink", "file:"+dir, "--log-format", "console")
	var said bytes.Buffer
	cmd.Stderr = &said
	told, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 3 || bytes.Count(told, []byte("\n")) != 15 {
		t.Errorf("%v: %s\n%s", err, told, &said)
	}
	for _, part := range []string{"that is no event: no JSON", "are gone: trades", "changes were never seen"} {
		if strings.Count(said.String(), part) != 1 {
			t.Errorf("no one line %q in\n%s", part, &said)
		}
	}
	if out, err := exec.CommandContext(t.Context(), lowcap, "trades", "NOSUCH", "--sink", "file:"+dir).CombinedOutput(); err == nil ||
		!strings.Contains(string(out), `no committed event tells of a trade of "NOSUCH"`) {
		t.Errorf("%v: %s", err, out)
	}
}
