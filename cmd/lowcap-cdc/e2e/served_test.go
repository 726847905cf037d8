package e2e

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// served is a running instance with its HTTP address.
type served struct {
	t    *testing.T
	base string
	log  *watched
	cmd  *exec.Cmd
}

// serve starts an instance that serves on a port of its own.
func (s *site) serve(sink string, args ...string) *served {
	s.t.Helper()
	return s.serveAs("k", sink, args...)
}

// serveAs is serve with a slot of one's own.
func (s *site) serveAs(slot, sink string, args ...string) *served {
	s.t.Helper()
	cmd := s.command(slot, sink, append([]string{"--http", ":0"}, args...)...)
	log := s.startUntil(cmd, "serving http")
	address := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(log.String())
	return &served{s.t, "http://" + address[1], log, cmd}
}

// startUntil starts a process of the test's and waits until it has logged something.
func (s *site) startUntil(cmd *exec.Cmd, said string) *watched {
	s.t.Helper()
	log := newWatched(said)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
	waitFor(s.t, log, said)
	return log
}

// get returns the status and body of a path.
func (i *served) get(path, token string) (int, string) {
	i.t.Helper()
	return i.do(path, func(r *http.Request) {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
	})
}

// getAs is get under another host name.
func (i *served) getAs(host, path string) (int, string) {
	i.t.Helper()
	return i.do(path, func(r *http.Request) { r.Host = host })
}

func (i *served) do(path string, change func(*http.Request)) (int, string) {
	i.t.Helper()
	request, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, i.base+path, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	change(request)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// await polls a path until its status and a part of its body are as wanted.
func (i *served) await(path string, status int, part string) {
	i.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(i.t.Context(), patience)
	defer cancel()
	for {
		code, body := i.get(path, "")
		if code == status && strings.Contains(body, part) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			i.t.Fatalf("%s answers %d without %q: %s\n%s", path, code, part, body, i.log)
		}
	}
}

// documented compares the metrics that an instance at work serves with docs/metrics.md.
func documented(t *testing.T, i *served) {
	t.Helper()
	reference, err := os.ReadFile("../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, body := i.get("/metrics", "")
	found := regexp.MustCompile(`# TYPE (lowcap_cdc_\w+)`).FindAllStringSubmatch(body, -1)
	for _, f := range found {
		if !strings.Contains(string(reference), "| `"+f[1]+"` |") {
			t.Errorf("docs/metrics.md lacks %s", f[1])
		}
	}
	if n := strings.Count(string(reference), "\n| `"); n != len(found) {
		t.Errorf("%d metrics are served, docs/metrics.md has %d", len(found), n)
	}
}

// TestServedMetricsAndHealth runs two instances on one slot, makes an emergency exit and takes a table out of the
// publication, and reads what they serve about it.
func TestServedMetricsAndHealth(t *testing.T) {
	s := newSite(t)
	s.seedPositions(3)
	sink, _ := s.file("x")
	leader := s.serve(sink)
	leader.await("/readyz", 200, "streaming")
	standby := s.serve(sink, "--pprof")
	standby.await("/readyz", 503, "standby: another instance uses the slot")
	standby.await("/livez", 200, "alive")
	s.exec(`update lowcap_positions set features = '{"pm_execution_history":{"prev_state":"S3","last_trim":{"timestamp":"2026-01-01T00:00:01Z",
		"price":0.5,"size_frac":1,"signal":"emergency_exit"},"trim_pool":[]}}' where timeframe = 'p1'`)
	for _, line := range []string{
		`lowcap_cdc_events_total{topic="emergency-exits",type="lowcap.emergency_exit.executed.v1"} 1`,
		`lowcap_cdc_events_total{topic="emergency-exits",type="lowcap.emergency_exit.triggered.v1"} 0`,
		"lowcap_cdc_quarantined_total 1", "lowcap_cdc_leader 1", "lowcap_cdc_images 3", "lowcap_cdc_transactions_total 1",
		"lowcap_cdc_gaps_total 0", "lowcap_cdc_slot_loss_seconds +Inf", `lowcap_cdc_table_missing{table="lowcap_positions"} 0`,
		"lowcap_cdc_last_emergency_exit_timestamp_seconds 1.", "lowcap_cdc_retained_wal_bytes", "go_goroutines", "process_resident_memory_bytes",
	} {
		leader.await("/metrics", 200, "\n"+line)
	}
	standby.await("/metrics", 200, "\nlowcap_cdc_leader 0")
	s.exec(`alter publication lowcap_cdc drop table token_timeframe_blocks`)
	standby.await("/metrics", 200, "\n"+`lowcap_cdc_table_missing{table="token_timeframe_blocks"} 1`)
	standby.await("/debug/pprof/", 200, "goroutine")
	if code, _ := leader.get("/debug/pprof/", ""); code != 404 {
		t.Errorf("pprof without its flag: %d", code)
	}
	if !strings.HasPrefix(leader.base, "http://127.0.0.1:") && !strings.HasPrefix(leader.base, "http://[::1]:") {
		t.Errorf("--http :0 listens at %s", leader.base)
	}
	documented(t, leader)
	leader.cmd.Process.Kill() //nolint:errcheck // it runs
	leader.cmd.Wait()         //nolint:errcheck // it was killed
	waitFor(t, standby.log, "took over")
	if n := strings.Count(standby.log.String(), `"message":"starting"`); n != 1 {
		t.Errorf("the standby has logged %d times that it starts: %s", n, standby.log)
	}
	standby.await("/readyz", 200, "streaming")
	standby.await("/metrics", 200, "\nlowcap_cdc_leader 1")
	for _, word := range []string{`"message":"standby`, `"message":"took over"`, `"message":"streaming"`} {
		for _, line := range strings.Split(standby.log.String(), "\n") {
			if strings.Contains(line, word) && !strings.Contains(line, `"lsn":`) {
				t.Errorf("no LSN in %s", line)
			}
		}
	}
}

// TestToken asks for a token everywhere but where a kubelet looks.
func TestToken(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	instance := s.serve(sink, "--http-token", "sesame")
	for _, c := range []struct {
		path, token string
		want        int
	}{{"/metrics", "", 401}, {"/metrics", "sesam", 401}, {"/metrics", "sesame", 200}, {"/livez", "", 200}} {
		if code, body := instance.get(c.path, c.token); code != c.want {
			t.Errorf("%s with token %q: %d %s", c.path, c.token, code, body)
		}
	}
	if strings.Contains(instance.log.String(), "sesame") {
		t.Error("the token is logged")
	}
}
