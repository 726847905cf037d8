package e2e

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidwall/gjson"

	"lowcap-cdc/deploy/lab"
)

var notifyKills = flag.Int("notify-kills", 0, "how many kills TestNotifyKilled makes on each sink; 0 is 10 on Kafka and 24 on files")

func newMoody(t *testing.T, seed uint64, name func(body string) (string, bool)) *lab.Moody {
	m, err := lab.StartMoody(seed, 24, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() }) //nolint:errcheck // the test is over
	return m
}

// pages are two routes: a program's, by the event's id, and a person's, by the price, which is another one each time.
type pages struct{ hook, phone *lab.Moody }

var price = regexp.MustCompile(`price:? (?:<code>)?(\d+)`)

func newPages(t *testing.T, seed uint64) *pages {
	return &pages{
		hook: newMoody(t, seed, func(body string) (string, bool) { return gjson.Get(body, "data.price").String(), true }),
		phone: newMoody(t, seed+1, func(body string) (string, bool) {
			if found := price.FindStringSubmatch(gjson.Get(body, "text").String()); found != nil {
				return found[1], true
			}
			return "?" + body, true
		}),
	}
}

// config writes the configuration file.
func (p *pages) config(t *testing.T) string {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("1:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "notify.yaml")
	text := fmt.Sprintf("routes:\n  - {name: hook, as: webhook, to: %q, severity: page}\n  - {name: phone, as: telegram, to: %q, chat: '-1', token-file: %q, severity: page}\n",
		p.hook.URL, p.phone.URL, token)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// await waits until each has so many, as long as another one comes every now and then.
func (p *pages) await(t *testing.T, hook, phone int) {
	t.Helper()
	tick, moved := time.NewTicker(50*time.Millisecond), time.Now()
	defer tick.Stop()
	for last := 0; ; <-tick.C {
		ofHook, ofPhone := p.hook.Distinct(), p.phone.Distinct()
		switch {
		case ofHook >= hook && ofPhone >= phone:
			return
		case ofHook+ofPhone > last:
			last, moved = ofHook+ofPhone, time.Now()
		case time.Since(moved) > 2*time.Minute:
			t.Fatalf("of %d and %d exits the webhook has %d and the phone %d", hook, phone, ofHook, ofPhone)
		}
	}
}

// checkPages fails unless every exit is there, in the order of its token, and no second copy is without its mark.
func checkPages(t *testing.T, m *lab.Moody, exits map[string]string, isMarked bool) (repeats int) {
	t.Helper()
	seen, last := make(map[string]bool), make(map[string]int)
	for _, a := range m.Accepted() {
		token, known := exits[a.Name]
		switch {
		case !known:
			t.Errorf("nobody made the exit %s", a.Name)
		case seen[a.Name]:
			repeats++
			if isMarked && !a.Marked {
				t.Errorf("exit %s came again and does not say so", a.Name)
			}
			continue
		}
		seen[a.Name] = true
		var n int
		fmt.Sscan(a.Name, &n) //nolint:errcheck // it is known
		if n < last[token] {
			t.Errorf("token %s: exit %d came after %d", token, n, last[token])
		}
		last[token] = n
	}
	if len(seen) != len(exits) {
		t.Errorf("%d of %d exits arrived", len(seen), len(exits))
	}
	return repeats
}

// exits makes emergency exits on three positions until stop is closed, and returns the position of each by its price.
func (s *site) exits(every time.Duration, stop chan struct{}) chan map[string]string {
	made := make(chan map[string]string, 1)
	conn, err := pgx.Connect(s.t.Context(), shared.postgres.DSN(s.name))
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer conn.Close(context.Background()) //nolint:errcheck // the test is over
		all := make(map[string]string)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-stop:
				made <- all
				return
			case <-tick.C:
			}
			frame := fmt.Sprint("p", n%3)
			at := time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC).Format(time.RFC3339)
			if _, err := conn.Exec(context.Background(), `update lowcap_positions set features = $1 where timeframe = $2`, fmt.Sprintf(
				`{"pm_execution_history":{"last_trim":{"timestamp":%q,"price":%d,"size_frac":1,"signal":"emergency_exit"}}}`, at, n), frame); err != nil {
				s.t.Errorf("exit %d: %v", n, err)
				made <- all
				return
			}
			all[fmt.Sprint(n)] = frame
		}
	}()
	return made
}

// keepRunning starts a command again whenever it ends, until ctx ends; kill ends it once.
func keepRunning(ctx context.Context, t *testing.T, command func() *exec.Cmd) (kill func()) {
	var mu sync.Mutex
	var now *exec.Cmd
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := command()
			var said strings.Builder
			cmd.Stderr = &said
			if err := cmd.Start(); err != nil {
				t.Errorf("start: %v", err)
				return
			}
			mu.Lock()
			now = cmd
			mu.Unlock()
			cmd.Wait() //nolint:errcheck // it is killed
			if code := cmd.ProcessState.ExitCode(); code > 1 {
				t.Errorf("it ended with code %d: %s", code, &said)
				return
			}
		}
	}()
	kill = func() {
		mu.Lock()
		defer mu.Unlock()
		if now != nil {
			now.Process.Kill() //nolint:errcheck // it may have ended
		}
	}
	t.Cleanup(func() {
		for {
			kill()
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return kill
}

// TestNotifyKilled kills notify, sidecar and broker while receivers answer as they like: every page arrives, on each route,
// in the order of its token, and a person is told which message may be a repeat. Many kills are made at several sites beside each
// other: most of the time a group waits for a member that was killed, and a broker that is killed is everybody's.
func TestNotifyKilled(t *testing.T) {
	const killsOfASite = 75
	for kind, kills := range map[string]int{"file": 24, "kafka": 10} {
		t.Run(kind, func(t *testing.T) {
			if *notifyKills > 0 {
				kills = *notifyKills
			}
			for left := kills; left > 0; left -= killsOfASite {
				t.Run("site", func(t *testing.T) {
					t.Parallel()
					notifyKilled(t, kind, min(left, killsOfASite))
				})
			}
		})
	}
}

func notifyKilled(t *testing.T, kind string, kills int) {
	s := newSite(t)
	s.seedPositions(3)
	to, _ := s.file("events")
	if kind == "kafka" {
		to, _ = s.kafka()
	}
	s.drain("s", to)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := newPages(t, seed)
	args := []string{"notify", "--sink", to, "--slot", s.name + "s", "--topic-prefix", s.name + ".", "--group", s.name, "--config", p.config(t), "--log-level", "debug"}
	if kind == "file" {
		args = append(args, "--state", filepath.Join(t.TempDir(), "state"))
	}
	first := exec.CommandContext(t.Context(), shared.binary, args...)
	log := newWatched("watching from")
	first.Stderr = log
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, log, "watching from")
	first.Process.Kill() //nolint:errcheck // it runs
	first.Wait()         //nolint:errcheck // it was killed

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killNotify := keepRunning(ctx, t, func() *exec.Cmd { return exec.Command(shared.binary, args...) })
	killSidecar := keepRunning(ctx, t, func() *exec.Cmd { return s.command("s", to) })
	stop := make(chan struct{})
	made := s.exits(map[string]time.Duration{"file": 40 * time.Millisecond, "kafka": 150 * time.Millisecond}[kind], stop)
	random := rand.New(rand.NewPCG(seed, 9)) // not a secret
	for n := range kills {
		p.await(t, p.hook.Distinct()+3, p.phone.Distinct()+3) // a member that was killed is waited for by its group
		select {
		case <-t.Context().Done():
		case <-time.After(time.Duration(random.IntN(300)) * time.Millisecond):
		}
		switch {
		case kind == "kafka" && n%8 == 4:
			restartKafka(t)
		case random.IntN(3) == 0:
			killSidecar()
		default:
			killNotify()
		}
	}
	close(stop)
	exits := <-made
	p.hook.CalmDown()
	p.phone.CalmDown()
	p.await(t, len(exits), len(exits))
	t.Logf("%d kills, %d exits; repeats: webhook %d, phone %d", kills, len(exits), checkPages(t, p.hook, exits, false), checkPages(t, p.phone, exits, true))
	cancel()
}

var restarting sync.Mutex

func restartKafka(t *testing.T) {
	t.Helper()
	restarting.Lock()
	defer restarting.Unlock()
	k, err := shared.kafka()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}
