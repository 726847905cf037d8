// Package systemd holds the unit. Its tests verify it, weigh its hardening, and run it under a systemd of their own.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

const unit = "lowcap-cdc.service"

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %s: %v: %s; is it installed? run: .ci/deps systemd", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A misspelt setting is only a warning to systemd, and the hardening that it names is then missing.
func TestUnitVerifies(t *testing.T) {
	for _, unit := range []string{unit, notifyUnit} {
		verify(t, unit)
	}
}

func verify(t *testing.T, unit string) {
	t.Helper()
	installed := strings.Replace(read(t, unit), "ExecStart=/usr/local/bin/lowcap-cdc", "ExecStart=/bin/true", 1)
	path := filepath.Join(t.TempDir(), unit)
	if err := os.WriteFile(path, []byte(installed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := analyze(t, "verify", "--man=no", "--recursive-errors=no", path); strings.Contains(out, unit) {
		t.Errorf("%s", out)
	}
}

// The unit's own comment says how much is exposed; versions of systemd differ by a few tenths.
func TestExposureIsWhatTheUnitSays(t *testing.T) {
	says := number(t, `security says (\d+\.\d+)`, read(t, unit))
	is := number(t, `exposure level for lowcap-cdc.service: (\d+\.\d+)`, analyze(t, "security", "--offline=true", "--no-pager", "./"+unit))
	if is > says+0.3 {
		t.Errorf("the exposure is %.1f, the unit says %.1f", is, says)
	}
}

func number(t *testing.T, pattern, text string) float64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("nothing like %q in %s", pattern, text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExampleSetsSettingsThatExist(t *testing.T) {
	help, err := exec.CommandContext(t.Context(), "go", "run", "lowcap-cdc/cmd/lowcap-cdc", "run", "--help").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	for _, name := range regexp.MustCompile(`LOWCAP_CDC_[A-Z_]+`).FindAllString(read(t, "environment.example"), -1) {
		if !strings.Contains(string(help), "$"+name+")") {
			t.Errorf("there is no setting %s", name)
		}
	}
}

// TestUnitRuns installs the unit as its header says, under a real systemd: with all its hardening it streams, a process that
// hangs is replaced, a wrong setting is not tried again, and a stop is in order.
func TestUnitRuns(t *testing.T) {
	h := lab.Boot(t)
	install(t, h)
	h.Run("systemctl", "start", "lowcap-cdc")
	if status := h.Property("StatusText"); status != "streaming" {
		t.Errorf("started, and the status is %q", status)
	}
	events := "/var/lib/lowcap-cdc/events.jsonl"
	h.Run("test", "-e", events)

	main := h.Property("MainPID")
	h.Run("kill", "-STOP", main)
	h.Until("the watchdog to replace a process that hangs", func() bool {
		return h.Property("NRestarts") != "0" && h.Property("StatusText") == "streaming" && h.Property("MainPID") != main
	})

	h.Run("systemctl", "stop", "lowcap-cdc")
	if result := h.Property("Result"); result != "success" {
		t.Errorf("stopped, and the result is %q", result)
	}

	h.Run("sed", "-i", "s/^LOWCAP_CDC_SINK=.*/LOWCAP_CDC_SINK=nonsense:/", "/etc/lowcap-cdc/environment")
	if _, err := h.Try("systemctl", "start", "lowcap-cdc"); err == nil {
		t.Error("a wrong setting starts")
	}
	if status, state := h.Property("ExecMainStatus"), h.Property("ActiveState"); status != "2" || state != "failed" {
		t.Errorf("a wrong setting ends with code %s and leaves the unit %s", status, state)
	}
}

// install builds the binary, starts a database, and installs the unit with a shorter watchdog.
func install(t *testing.T, h *lab.Host) *lab.Postgres {
	t.Helper()
	server, err := lab.StartPostgres(t.Context(), "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context()) //nolint:errcheck // nothing was left undone on it
	binary := filepath.Join(t.TempDir(), "lowcap-cdc")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "lowcap-cdc/cmd/lowcap-cdc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	h.Run("install", "-m", "755", binary, "/usr/local/bin/lowcap-cdc")
	h.Run("install", "-m", "644", filepath.Join(here, unit), "/etc/systemd/system/"+unit)
	h.Run("install", "-m", "700", "-d", "/etc/lowcap-cdc", "/etc/systemd/system/"+unit+".d")
	settings := "LOWCAP_CDC_POSTGRES=" + server.DSN("trading") + "\nLOWCAP_CDC_SINK=file:/var/lib/lowcap-cdc\n"
	h.Write("/etc/lowcap-cdc/environment", settings)
	h.Write("/etc/systemd/system/"+unit+".d/test.conf", "[Service]\nWatchdogSec=5s\nRestartSec=100ms\n")
	h.Run("systemctl", "daemon-reload")
	return server
}
