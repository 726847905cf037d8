package notify

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

// TestPageThatStandsIsNotHidden: what is no page is delivered all the while, by the same receiver, and the page that it refuses is
// still what the route stands for.
func TestPageThatStandsIsNotHidden(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	beats := newFake(t)
	m, f := newMemory(), newFake(t)
	f.refuses = "page: "
	r := start(t, m, t.TempDir(), "heartbeat: {url: '"+beats.URL+"', every: 1s}\nroutes: ["+telegram(f, "")+"]", nil)
	beats.await(t)
	m.put("page", "emergency_exit.executed", "A")
	r.says("the route stands")
	for f.refused() < 6 {
		m.put("warn", "entry_block.orphaned", "B")
		for strings.HasPrefix(f.await(t), "400") {
			continue
		}
	}
	for len(beats.arrived) > 0 {
		<-beats.arrived
	}
	m.put("warn", "entry_block.orphaned", "C")
	select {
	case <-beats.arrived:
		t.Errorf("a heartbeat came while a page stands: %s", r.log)
	case <-time.After(2500 * time.Millisecond):
	}
}

// TestFallbackThatWasNeededOnce: what its receiver could not take is told, so nothing stands any more.
func TestFallbackThatWasNeededOnce(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	beats := newFake(t)
	m, f, fallback := newMemory(), newFake(t, 400, 400, 200), newFake(t, 500)
	start(t, m, t.TempDir(), "heartbeat: {url: '"+beats.URL+"', every: 1s}\nroutes: ["+telegram(f, ", fallback: other")+
		", {name: other, as: slack, to: '"+fallback.URL+"', severity: none}]", nil)
	m.put("page", "emergency_exit.executed", "A")
	f.await(t, "400")
	f.await(t, "400")
	fallback.await(t, "500")
	f.await(t, "200")
	for len(beats.arrived) > 0 {
		<-beats.arrived
	}
	beats.await(t)
}

// TestPlaceThatIsLost: who removes the files of the places makes no first start of a route that runs.
func TestPlaceThatIsLost(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	r := start(t, m, state, "routes: ["+telegram(f, "")+"]", nil)
	m.put("page", "emergency_exit.executed", "A")
	f.await(t, "<code>A</code>")
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(state, away); err != nil {
		t.Fatal(err)
	}
	m.put("page", "emergency_exit.executed", "B")
	r.says("reading was interrupted")
	if since := r.laneStops(); !since {
		t.Errorf("nothing says that the route stands: %s", r.log)
	}
	m.put("page", "emergency_exit.executed", "C")
	if err := os.Mkdir(state, 0o750); err != nil {
		t.Fatal(err)
	}
	f.await(t, "<code>B</code>")
	f.await(t, "<code>C</code>")
	f.nothing(t)
	names, err := filepath.Glob(filepath.Join(state, "*.json"))
	if err != nil || !slices.Contains(names, filepath.Join(state, "g-phone.json")) {
		t.Errorf("%v %v", names, err)
	}
}

// laneStops reports whether a lane says that it does not go on.
func (r *running) laneStops() bool { return strings.Contains(r.log.String(), "write place") }

// TestSecretOfTwoLines would break every request, and say so only when a page comes.
func TestSecretOfTwoLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	for content, good := range map[string]bool{"a\n": true, "a\r\n": true, "\n a \n": true, "a\nb\n": false, "a\tb": false, "\n": false} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := (&Options{As: "ntfy", To: "https://x/y", Severity: "page", TokenFile: file}).Check("")
		if (err == nil) != good {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// revoked is a feed that loses a right while it is followed, and gets it back.
type revoked struct {
	*fileFeed
	m    *messenger
	lost atomic.Bool
}

func (r *revoked) follow(ctx context.Context, l *lane, placed func()) error {
	if r.lost.Swap(true) {
		return r.fileFeed.follow(ctx, l, placed)
	}
	placed()
	for !r.m.watch.started.Load() {
		sleep(ctx, time.Millisecond)
	}
	return &sink.ClusterError{Err: errors.New("TOPIC_AUTHORIZATION_FAILED"), Repair: "grant Read on the topic"}
}

// TestRightThatIsTakenAway: a notify that has worked waits for it, instead of ending for ever.
func TestRightThatIsTakenAway(t *testing.T) {
	f, memory := newFake(t), newMemory()
	plan := &Plan{Routes: []RoutePlan{{Name: "phone", As: "telegram", To: f.URL, Chat: "1", Severity: "page", secret: "t"}}}
	places := &places{dir: t.TempDir()}
	if err := places.take(); err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	m := &messenger{counts: newCounts(), log: zerolog.New(log)}
	m.feed = &revoked{fileFeed: &fileFeed{reader: memory, places: places}, m: m}
	var err error
	if m.routes, err = plan.routes(m.log, m.counts); err != nil {
		t.Fatal(err)
	}
	m.lanes = m.routes[0].lanes("g")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx, plan, &Options{}) }()
	(&running{t: t, log: log}).says("TOPIC_AUTHORIZATION_FAILED")
	for range 2 {
		memory.put("page", "emergency_exit.executed", "A")
	}
	(&running{t: t, log: log}).says("partitions assigned")
	memory.put("page", "emergency_exit.executed", "B")
	for !strings.Contains(f.await(t), "<code>B</code>") {
		continue
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOnlyFallbacks: a notify whose routes are all only fallbacks would be alive and silent for ever.
func TestOnlyFallbacks(t *testing.T) {
	m := &messenger{counts: newCounts(), routes: []*route{{name: "a", kind: "slack", severity: noSeverity, health: &health{}}}}
	if _, err := m.open(newMemory(), &Options{Group: "g", State: t.TempDir()}); err == nil || settings.ExitCode(err) != settings.ExitUsage {
		t.Errorf("it begins: %v", err)
	}
}
