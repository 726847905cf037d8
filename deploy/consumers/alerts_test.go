// Package consumers runs the recipes of docs/consumers.md, each with the real tool, against a real Kafka with the recorded
// events on it.
package consumers

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

func TestJavaAlerts(t *testing.T) {
	s := onStage(t)
	s.sameAlerts(t, output(t, java(t, jars(t, "java"), "java/Alerts.java", s.kafka.Addr(), "--once")))
}

func TestPythonAlerts(t *testing.T) {
	s := onStage(t)
	s.poison(t)
	cmd := withPackage(exec.CommandContext(t.Context(), python(t, "python/requirements.txt"), "python/alerts.py", s.kafka.Addr(), "--once"))
	var lines strings.Builder
	for line := range strings.Lines(output(t, cmd)) {
		fields := strings.Fields(line)
		if strings.Contains(fields[1], "emergency_exit.executed") && len(fields) < 7 {
			t.Errorf("no token and no amount in %s", line)
		}
		lines.WriteString(strings.Join(fields[:3], " ") + "\n")
	}
	s.sameAlerts(t, lines.String())
}

func TestKcatAlerts(t *testing.T) {
	need(t, "kcat", "kcat")
	s := onStage(t)
	s.sameAlerts(t, output(t, exec.CommandContext(t.Context(), "kcat/alerts.sh", s.kafka.Addr(), "-e")))
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
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(2*time.Minute)
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
			t.Fatalf("%d bytes (%v) after two minutes; the worker said %s", len(content), err, said)
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
