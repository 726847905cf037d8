package e2e

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/deploy/model"
)

var killsFor = flag.Duration("kills-for", 0, "how long TestKilledUnderLoad goes on; 0 is thirty kills")

func (s *site) seedPositions(n int) {
	s.t.Helper()
	if err := lab.SeedPositions(s.t.Context(), s.conn, n); err != nil {
		s.t.Fatal(err)
	}
}

// TestKilledUnderLoad kills the sidecar at random moments while the source writes. What it said in all its lives, read
// by an independent committed reader, must equal what an undisturbed run on a second slot says, byte for byte.
func TestKilledUnderLoad(t *testing.T) {
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	kafka, committed := s.kafka()
	file, written := s.file("reference")
	s.trace = filepath.Join(t.ArtifactDir(), "trace")
	s.drain("k", kafka)
	s.drain("f", file)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	stop, stopped := s.loadUntil(seed)
	random := rand.New(rand.NewPCG(seed, 2)) // not a secret
	begun, kills := time.Now(), 0
	for ; kills < 30 && *killsFor == 0 || time.Since(begun) < *killsFor; kills++ {
		s.runAndKill(kafka, time.Duration(random.IntN(400))*time.Millisecond)
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s.drain("k", kafka)
	s.drain("f", file)
	events := streamed(t, committed())
	t.Logf("%d kills, %d events", kills, len(events))
	if len(events) < 100 {
		t.Fatalf("only %d events: the load did not run", len(events))
	}
	sameEvents(t, events, streamed(t, written()))
	if *killsFor == 0 { // a longer one has more steps than the model counts
		s.isBehaviour()
	}
}

// TestFilesKilledUnderLoad does so with a file sink; what it did must be a behaviour of the model too.
func TestFilesKilledUnderLoad(t *testing.T) {
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	killed, events := s.file("killed")
	file, written := s.file("reference")
	s.trace = filepath.Join(t.ArtifactDir(), "trace")
	s.drain("k", killed)
	s.drain("f", file)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	stop, stopped := s.loadUntil(seed)
	random := rand.New(rand.NewPCG(seed, 2)) // not a secret
	for range 10 {
		s.runAndKill(killed, time.Duration(random.IntN(300))*time.Millisecond)
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	s.drain("k", killed)
	s.drain("f", file)
	sameEvents(t, streamed(t, events()), streamed(t, written()))
	s.isBehaviour()
}

// isBehaviour holds what the runs with slot k did against the model of their protocol.
func (s *site) isBehaviour() {
	s.t.Helper()
	trace, err := os.ReadFile(s.trace)
	if err != nil {
		s.t.Fatal(err)
	}
	lines, err := model.Validate(s.t.Context(), s.t.TempDir(), string(trace))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("%d lines are a behaviour of the model", lines)
}

// loadUntil writes on a connection of its own until stop is closed.
func (s *site) loadUntil(seed uint64) (stop chan struct{}, stopped chan error) {
	stop, stopped = make(chan struct{}), make(chan error, 1)
	conn, err := pgx.Connect(s.t.Context(), shared.postgres.DSN(s.name))
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		load := lab.NewLoad(seed)
		for {
			select {
			case <-stop:
				stopped <- conn.Close(context.Background())
				return
			default:
				if err := load.Write(context.Background(), conn); err != nil {
					stopped <- err
					return
				}
			}
		}
	}()
	return stop, stopped
}

// runAndKill runs the sidecar for a while after its first commit and kills it.
func (s *site) runAndKill(kafka string, after time.Duration) {
	s.t.Helper()
	cmd := s.command("k", kafka)
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	waitFor(s.t, log, "streaming")
	<-time.After(after) // the random moment of the kill
	cmd.Process.Kill()  //nolint:errcheck // it may have ended
	cmd.Wait()          //nolint:errcheck // it was killed
}

// watched is a log that tells when a word has been written to it.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	word string
	seen chan struct{}
	once sync.Once
}

func newWatched(word string) *watched { return &watched{word: word, seen: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	if strings.Contains(w.text.String(), w.word) {
		w.once.Do(func() { close(w.seen) })
	}
	return len(p), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// TestFailpoints kills the sidecar at each place where a crash could lose or double something.
func TestFailpoints(t *testing.T) {
	for _, point := range []string{"before-produce", "between-partitions", "before-end-txn", "after-end-txn", "before-confirm", "during-snapshot"} {
		t.Run(point, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(250)
			kafka, committed := s.kafka()
			file, written := s.file("reference")
			if point == "during-snapshot" {
				s.crash(kafka, point+":2")
			}
			s.drain("k", kafka)
			s.drain("f", file)
			if got := len(committed()); got != 250 {
				t.Fatalf("%d baselines, want 250", got)
			}
			if point == "between-partitions" {
				s.smallMessages() // so that one commit takes several rounds of requests
			}
			s.exec(
				`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,notes}', to_jsonb(repeat(md5(timeframe), 200)))`,
			)
			if point != "during-snapshot" {
				s.crash(kafka, point+":1")
			}
			s.drain("k", kafka)
			s.drain("f", file)
			sameEvents(t, streamed(t, committed()), streamed(t, written()))
		})
	}
}

// smallMessages lowers the limit of the quarantine topic.
func (s *site) smallMessages() {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.started.Addr()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	limit := "60000"
	_, err = kadm.NewClient(client).
		AlterTopicConfigs(s.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit}},
			s.name+".quarantine")
	if err != nil {
		s.t.Fatal(err)
	}
}

// crash runs the sidecar until its failpoint kills it.
func (s *site) crash(sink, failpoint string) {
	s.t.Helper()
	cmd := s.command("k", sink, "--until", "now")
	cmd.Env = append(os.Environ(), "LOWCAP_CDC_FAILPOINT="+failpoint)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.String() != "signal: killed" {
		s.t.Fatalf("failpoint %s was not passed: %v: %s", failpoint, err, out)
	}
}
