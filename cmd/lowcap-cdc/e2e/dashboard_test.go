package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/deploy/lab"
)

// TestDashboardAnswers: in a real Prometheus, beside a sidecar and a notify under load, each panel's query answers with data.
func TestDashboardAnswers(t *testing.T) {
	s := newSite(t)
	s.seedPositions(lab.LoadPositions)
	sink, events := s.file("x")
	s.drain("k", sink)
	instance := s.serve(sink)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // it is not looked at
	}))
	t.Cleanup(receiver.Close)
	notify := s.notifyByFile(sink, receiver.URL)
	prometheus := s.prometheus(strings.TrimPrefix(instance.base, "http://"), notify)
	load := lab.NewLoad(1)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	silent := panels(t)
	for deadline := time.Now().Add(patience); len(silent) > 0 && time.Now().Before(deadline); <-tick.C {
		for range 20 {
			if err := load.Write(t.Context(), s.conn); err != nil {
				t.Fatal(err)
			}
		}
		for panel, expr := range silent {
			if prometheus.answers(expr) {
				delete(silent, panel)
			}
		}
	}
	for panel, expr := range silent {
		t.Errorf("panel %s has no data: %s", panel, expr)
	}
	if len(events()) < 100 {
		t.Error("there was hardly any load")
	}
}

// notifyByFile starts a notify with a heartbeat, and returns where it serves.
func (s *site) notifyByFile(sink, to string) (address string) {
	s.t.Helper()
	dir := s.t.TempDir()
	config := filepath.Join(dir, "notify.yaml")
	text := fmt.Sprintf("heartbeat: {url: %q, every: 1s}\nroutes: [{name: all, as: webhook, to: %q, severity: info}]\n", to, to)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), shared.binary, "notify", "--config", config, "--sink", sink, "--slot", s.name+"k",
		"--topic-prefix", s.name+".", "--state", filepath.Join(dir, "state"), "--http", ":0")
	log := s.startUntil(cmd, "serving http")
	return regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(log.String())[1]
}

// panels returns the queries of the dashboard, in a window that a test can wait for.
func panels(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, RefID string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "10s", "$namespace", ".*", "$job", ".*")
	queries := make(map[string]string)
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries[p.Title+" "+target.RefID] = fill.Replace(target.Expr)
		}
	}
	if len(queries) < 30 {
		t.Fatalf("the dashboard has only %d queries", len(queries))
	}
	return queries
}

// prometheus is a server that scrapes each second.
type prometheus struct {
	t    *testing.T
	base string
}

func (s *site) prometheus(targets ...string) *prometheus {
	s.t.Helper()
	dir := s.t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- {job_name: lowcap-cdc, static_configs: [{targets: [%q]}]}\n"+
		"- {job_name: notify, static_configs: [{targets: [%q]}]}\n", targets[0], targets[1])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	address := freeAddress(s.t)
	cmd := exec.CommandContext(s.t.Context(), "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("%v; run: apt-get install prometheus", err)
	}
	s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
	return &prometheus{s.t, "http://" + address}
}

// answers reports whether a query has data now.
func (p *prometheus) answers(expr string) bool {
	p.t.Helper()
	response, err := http.Get(p.base + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return false // it starts
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return false
	}
	if answer.Error != "" {
		p.t.Fatalf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result) > 0
}
