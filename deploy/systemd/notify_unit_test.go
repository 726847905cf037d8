package systemd

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

const notifyUnit = "lowcap-cdc-notify.service"

// TestNotifyUnitRuns installs the second unit beside the first: it reads what the first one writes, tells a receiver of an
// exit with the secret of the environment file, is started again after a kill, and is not tried again with a wrong setting.
func TestNotifyUnitRuns(t *testing.T) {
	h := lab.Boot(t)
	server := install(t, h)
	h.Run("systemctl", "start", "lowcap-cdc")
	arrived := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { arrived <- r.URL.Path }))
	defer receiver.Close()
	installNotify(t, h, receiver.URL)
	h.Run("systemctl", "start", "lowcap-cdc-notify")
	said := func(text string, times int) func() bool {
		return func() bool { return strings.Count(journal(h), text) >= times }
	}
	h.Until("each route to have its place", said("watching from", 1))
	h.Run("systemctl", "kill", "--signal=KILL", "lowcap-cdc-notify")
	h.Until("the unit to start again after a kill", said("watching from", 2))
	makeExit(t, server)
	select {
	case path := <-arrived:
		if path != "/bot1:sesame/sendMessage" {
			t.Errorf("the receiver was asked for %s", path)
		}
	case <-time.After(3 * time.Minute):
		t.Fatalf("the exit was not told: %s", journal(h))
	}
	h.Run("systemctl", "stop", "lowcap-cdc-notify")
	h.Write("/etc/lowcap-cdc/notify.yaml", "routes: [{name: phone, as: fax, to: 'http://localhost'}]\n")
	h.Try("systemctl", "start", "lowcap-cdc-notify") //nolint:errcheck // whether it fails at once is seen below
	h.Until("a wrong setting to fail the unit", func() bool {
		out, _ := h.Try("systemctl", "is-failed", "lowcap-cdc-notify") //nolint:errcheck // its words count
		return strings.TrimSpace(out) == "failed"
	})
}

func journal(h *lab.Host) string {
	out, _ := h.Try("journalctl", "-u", "lowcap-cdc-notify", "-o", "cat") //nolint:errcheck // it may be empty yet
	return out
}

// installNotify installs the unit as its header says, with one secret and one route.
func installNotify(t *testing.T, h *lab.Host, to string) {
	t.Helper()
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	h.Run("install", "-m", "644", filepath.Join(here, notifyUnit), "/etc/systemd/system/"+notifyUnit)
	h.Run("chmod", "755", "/etc/lowcap-cdc")
	h.Run("sh", "-c", "chmod 600 /etc/lowcap-cdc/environment && echo TELEGRAM_TOKEN=1:sesame >> /etc/lowcap-cdc/environment")
	h.Write("/etc/lowcap-cdc/notify.yaml", "routes: [{name: phone, as: telegram, to: '"+to+
		"', chat: '1', token-env: TELEGRAM_TOKEN, severity: page}]\n")
	h.Run("chmod", "644", "/etc/lowcap-cdc/notify.yaml")
	h.Run("install", "-m", "700", "-d", "/etc/systemd/system/"+notifyUnit+".d")
	h.Write("/etc/systemd/system/"+notifyUnit+".d/test.conf", "[Service]\nRestartSec=100ms\n")
	h.Run("systemctl", "daemon-reload")
}

// makeExit makes an emergency exit.
func makeExit(t *testing.T, server *lab.Postgres) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.DSN("trading"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // nothing was left undone on it
	if err := lab.SeedPositions(t.Context(), conn, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `update lowcap_positions set features =
		'{"pm_execution_history":{"last_trim":{"timestamp":"2026-01-01T00:00:00Z","price":1,"size_frac":1,"signal":"emergency_exit"}}}'`); err != nil {
		t.Fatal(err)
	}
}
