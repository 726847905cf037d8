package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// receiver is a webhook that does as told: it answers with the next of its statuses, 200 when there is none left, and
// keeps what it took.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	taken    []string // event ids
	bodies   []string
	problems []string
	arrived  chan struct{}
}

func newReceiver(t *testing.T, secret string, statuses ...int) *receiver {
	r := &receiver{statuses: statuses, arrived: make(chan struct{}, 10000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(request.Header.Get("X-Lowcap-Timestamp") + "." + string(body)))
		if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); secret != "" && request.Header.Get("X-Lowcap-Signature") != want {
			r.problems = append(r.problems, "wrong signature")
		}
		if len(r.statuses) > 0 {
			w.WriteHeader(r.statuses[0])
			r.statuses = r.statuses[1:]
			return
		}
		r.taken, r.bodies = append(r.taken, request.Header.Get("Idempotency-Key")), append(r.bodies, string(body))
		r.arrived <- struct{}{}
	}))
	t.Cleanup(r.Close)
	return r
}

// await waits until n events were taken.
func (r *receiver) await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(patience)
	for range n {
		select {
		case <-r.arrived:
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("%d of %d events arrived", len(r.taken), n)
		}
	}
}

// notify starts the binary's notify and waits until each route has its place.
func (s *site) notify(sink, to string, args ...string) (*exec.Cmd, *watched) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), shared.binary, append([]string{"notify", "--sink", sink, "--slot", s.name + "k", "--topic-prefix", s.name + ".", "--group", s.name,
		"--to", to, "--log-level", "debug"}, args...)...)
	log := s.startUntil(cmd, "watching from")
	return cmd, log
}

// exit makes one emergency exit.
func (s *site) exit(n int) {
	s.exec(`update lowcap_positions set features = $1 where timeframe = 'p1'`, fmt.Sprintf(
		`{"pm_execution_history":{"last_trim":{"timestamp":"2026-01-01T00:%02d:%02dZ","price":0.5,"size_frac":1,"signal":"emergency_exit"}}}`, n/60, n%60))
}

// TestNotifyDelivers kills notify while its receiver fails, and again after it has recovered: every severe event
// arrives, in order, signed; a refused one arrives without its rows; a second start brings nothing twice.
func TestNotifyDelivers(t *testing.T) {
	s := newSite(t)
	s.seedPositions(3)
	to, _ := s.kafka()
	s.drain("k", to)
	r := newReceiver(t, "sesame", 500, 503, 429, 502)
	cmd, log := s.notify(to, r.URL, "--secret", "sesame")
	for n := range 4 {
		s.exit(n)
	}
	s.exec(`update lowcap_positions set status = 'active' where timeframe = 'p0'`) // not severe
	s.drain("k", to)
	waitFor(t, log, "trying again")
	cmd.Process.Kill() //nolint:errcheck // it runs
	cmd.Wait()         //nolint:errcheck // it was killed
	cmd, _ = s.notify(to, r.URL, "--secret", "sesame")
	r.await(t, 4)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	r.mu.Lock()
	r.statuses = []int{400}
	r.mu.Unlock()
	s.exit(10) // refused as it is
	s.exit(11)
	s.drain("k", to)
	_, log = s.notify(to, r.URL, "--secret", "sesame")
	waitFor(t, log, "short text")
	r.await(t, 2)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.IsSorted(r.taken) || len(slices.Compact(slices.Clone(r.taken))) != 6 || len(r.problems) > 0 {
		t.Errorf("taken %q, problems %q", r.taken, r.problems)
	}
	for _, body := range r.bodies {
		if !strings.Contains(body, "emergency_exit.executed") {
			t.Errorf("not severe: %s", body)
		}
	}
	if strings.Contains(log.String(), "sesame") {
		t.Error("the secret is logged")
	}
}

// TestNotifyOfAnotherSlot: whoever mistypes --slot would be told after a minute that the stream stands, and never that it does.
func TestNotifyOfAnotherSlot(t *testing.T) {
	s := newSite(t)
	to, _ := s.kafka()
	s.drain("k", to)
	cmd := exec.CommandContext(t.Context(), shared.binary, "notify", "--sink", to, "--topic-prefix", s.name+".", "--to", newReceiver(t, "").URL)
	out, _ := cmd.CombinedOutput() //nolint:errcheck // the exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != 3 || !strings.Contains(string(out), "set --slot "+s.name+"k") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestNotifyAlertmanager posts an exit of a token with a hostile name to a real Alertmanager, and asks that for it.
func TestNotifyAlertmanager(t *testing.T) {
	base := startAlertmanager(t)
	s := newSite(t)
	s.seedPositions(3)
	s.exec(`update lowcap_positions set token_ticker = '"}],<b>{{x}}' where timeframe = 'p1'`)
	to, _ := s.kafka()
	s.drain("k", to)
	_, log := s.notify(to, base, "--as", "alertmanager", "--type", "emergency_exit.*")
	s.exit(1)
	s.drain("k", to)
	waitFor(t, log, `"delivered"`)
	var alerts []struct{ Labels map[string]string }
	body := fetch(t, base+"/api/v2/alerts")
	if err := json.Unmarshal([]byte(body), &alerts); err != nil || len(alerts) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	labels := alerts[0].Labels
	if labels["severity"] != "page" || labels["event"] != "emergency_exit.executed" || labels["token"] != `"}],<b>{{x}}` || labels["event_id"] == "" {
		t.Errorf("labels %v", labels)
	}
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// startAlertmanager starts a real one and returns its address.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	address := freeAddress(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "prometheus-alertmanager", "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+address, "--cluster.listen-address=")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; run: apt-get install prometheus-alertmanager", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // the test is over
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close() //nolint:errcheck // it answers
			return "http://" + address
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("alertmanager does not start")
		}
	}
}
