// Package consumers runs the recipes of docs/consumers.md, each with the real tool, against a real Kafka with the recorded
// events on it.
package consumers

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
)

// TestAbortedIsThere makes sure that the other tests can fail: who reads uncommitted sees the aborted events.
func TestAbortedIsThere(t *testing.T) {
	s := onStage(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()), kgo.ConsumeTopics("lowcap.control"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for t.Context().Err() == nil {
		for _, record := range client.PollFetches(t.Context()).Records() {
			if strings.Contains(string(record.Value), `"aborted"`) {
				return
			}
		}
	}
}

// TestAlerts runs the same recipe in four tools, over records that are no events too: each says the same of every event, and the
// phone gets it.
func TestAlerts(t *testing.T) {
	need(t, "kcat", "kcat")
	need(t, "jq", "jq")
	s := onStage(t)
	s.poison(t)
	program := filepath.Join(t.TempDir(), "alerts")
	if err := run("go", "build", "-o", program, "./go"); err != nil {
		t.Fatal(err)
	}
	for name, recipe := range map[string]func(phone string) *exec.Cmd{
		"Java": func(phone string) *exec.Cmd {
			return java(t, jars(t, "java"), "java/Alerts.java", s.kafka.Addr(), "--once", "--ntfy", phone)
		},
		"Python": func(phone string) *exec.Cmd {
			return withPackage(exec.CommandContext(t.Context(), python(t, "python/requirements.txt"), "python/alerts.py", s.kafka.Addr(), "--once",
				"--ntfy", phone))
		},
		"kcat": func(phone string) *exec.Cmd {
			return exec.CommandContext(t.Context(), "kcat/alerts.sh", s.kafka.Addr(), "-e", "--ntfy", phone)
		},
		"Go": func(phone string) *exec.Cmd {
			return exec.CommandContext(t.Context(), program, s.kafka.Addr(), "--once", "--ntfy", phone)
		},
	} {
		t.Run(name, func(t *testing.T) {
			phone := newPhone(t)
			same(t, output(t, recipe(phone.URL)), s.alerts())
			phone.check(t, s.alerts())
		})
	}
}

// phone is a topic of ntfy.
type phone struct {
	*httptest.Server
	mu  sync.Mutex
	got []string // priority and text
}

func newPhone(t *testing.T) *phone {
	p := &phone{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a test
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got = append(p.got, r.Header.Get("Priority")+" "+string(body))
	}))
	t.Cleanup(p.Close)
	return p
}

// check fails unless the phone has a message of each alert, with its token and amount, and pages ring.
func (p *phone) check(t *testing.T, alerts []string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) != len(alerts) {
		t.Errorf("the phone has %d messages, want %d", len(p.got), len(alerts))
	}
	for _, alert := range alerts {
		words := strings.SplitN(alert, " ", 4) // severity, type, id, and what it is about
		priority := map[string]string{"page": "5"}[words[0]]
		if !slices.ContainsFunc(p.got, func(got string) bool {
			return strings.HasPrefix(got, cmp.Or(priority, "3")) && strings.HasSuffix(got, strings.Join(words[3:], ""))
		}) {
			t.Errorf("the phone has nothing of %s", alert)
		}
	}
}

func TestAmountsAreTold(t *testing.T) {
	if all := strings.Join(onStage(t).alerts(), "\n"); !strings.Contains(all, " USD") || !strings.Contains(all, " 1h") {
		t.Error("no alert names an amount and a timeframe")
	}
}

// TestKafkaConnect runs a standalone worker with the file sink until the file has every event, byte for byte.
func TestKafkaConnect(t *testing.T) {
	s, dir := onStage(t), copyOf(t, "connect")
	worker := edited(t, dir, "worker.properties", "localhost:9092", s.kafka.Addr(), ":8083", ":0", "connect.offsets",
		filepath.Join(dir, "offsets"))
	file := filepath.Join(dir, "events.jsonl")
	connector := edited(t, dir, "file-sink.properties", "file=events.jsonl", "file="+file)
	cmd := java(t, jars(t, "connect"), "org.apache.kafka.connect.cli.ConnectStandalone", worker, connector)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // it was killed
	defer cmd.Process.Kill() //nolint:errcheck // it runs
	lines := waitForLines(t, file, filepath.Join(dir, "log"), len(s.events)+s.foreign)
	found := make(map[string]bool)
	for _, line := range lines {
		found[line] = true
	}
	for i := range s.events {
		if !found[string(s.events[i].Value)] {
			t.Fatalf("event %s is not in the file, or not with its bytes", s.events[i].ID)
		}
	}
	if want := len(s.events) + s.foreign; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

func waitForLines(t *testing.T, file, log string, n int) []string {
	t.Helper()
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(4*time.Minute)
	defer tick.Stop()
	for {
		content, err := os.ReadFile(file)
		if lines := strings.Split(strings.TrimSpace(string(content)), "\n"); err == nil && len(lines) >= n {
			return lines
		}
		select {
		case <-tick.C:
		case <-deadline:
			said, _ := os.ReadFile(log) //nolint:errcheck // only for the message
			t.Fatalf("%d bytes (%v) after four minutes; the worker said %s", len(content), err, said)
		}
	}
}

// TestPythonSDKReadsEvents reads the records with the official CloudEvents SDK for Python, structured and by headers.
func TestPythonSDKReadsEvents(t *testing.T) {
	s := onStage(t)
	records, err := lab.ReadCommitted(t.Context(), s.kafka.Addr(), "lowcap.entry-blocks", "lowcap.trim-pools", "lowcap.emergency-exits",
		"lowcap.executions", "lowcap.positions", "lowcap.quarantine", "lowcap.control")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, r := range records {
		headers := make(map[string]string)
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		if _, err := schemas.ParseStrict(headers, r.Value); errors.Is(err, schemas.ErrNotEvent) {
			continue // what the test of the alerts put between them
		} else if err != nil {
			t.Fatal(err)
		}
		if err := json.NewEncoder(&lines).Encode(map[string]any{"headers": headers, "key": string(r.Key),
			"value": string(r.Value)}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python(t, "python/requirements.txt"), "python/conformance.py")
	cmd.Stdin = strings.NewReader(lines.String())
	if ids := strings.Fields(output(t, cmd)); len(ids) != len(s.events) {
		t.Errorf("the SDK read %d events, want %d", len(ids), len(s.events))
	}
}
