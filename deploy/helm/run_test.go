package helm

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"lowcap-cdc/deploy/lab"
)

// TestChartRuns runs what the rendered pods run, as processes: each container's arguments, environment and files as they stand
// there, at ports of this machine's choice. Every probe is content, and an emergency exit reaches the phone.
func TestChartRuns(t *testing.T) {
	server, err := lab.StartPostgres(t.Context(), "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	broker, err := lab.StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() }) //nolint:errcheck // the test is over
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the server goes too
	if err := lab.SeedPositions(t.Context(), conn, 1); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 10)
	phone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told <- r.URL.Path
		fmt.Fprintln(w, `{"ok":true}`)
	}))
	defer phone.Close()
	values := object{
		"postgres": object{"dsn": server.DSN("trading")}, "kafka": object{"brokers": []string{broker.Addr()}},
		"notify": object{"enabled": true, "secret": "telegram", "config": object{"routes": []object{{"name": "phone", "as": "telegram", "to": phone.URL,
			"chat": "1", "token-file": "/etc/lowcap-cdc/notify-secrets/token", "severity": "page"}}}},
	}
	n := &node{t: t, dir: t.TempDir(), binary: filepath.Join(t.TempDir(), "lowcap-cdc")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", n.binary, "lowcap-cdc/cmd/lowcap-cdc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	n.write("values.yaml", string(content))
	n.write("notify-secrets/token", "1:t\n")
	with := filepath.Join(n.dir, "values.yaml")
	n.start(render(t, "least.yaml", "-f", with, "--show-only", "templates/deployment.yaml"))
	n.until("the sidecar to stream", func() bool { return strings.Contains(n.said(), `"streaming"`) }) // what came before is its baseline
	objects := render(t, "least.yaml", "-f", with, "--show-only", "templates/notify.yaml")
	n.write("notify/notify.yaml", n.here(at(t, objects, "ConfigMap", "data", "notify.yaml").(string)))
	n.start(objects)
	n.until("notify to watch", func() bool { return strings.Contains(n.said(), "watching from") })
	if _, err := conn.Exec(t.Context(), `update lowcap_positions set features =
		'{"pm_execution_history":{"last_trim":{"timestamp":"2026-01-01T00:00:00Z","price":1,"size_frac":1,"signal":"emergency_exit"}}}'`); err != nil {
		t.Fatal(err)
	}
	select {
	case path := <-told:
		if path != "/bot1:t/sendMessage" {
			t.Errorf("the phone was asked for %s", path)
		}
	case <-time.After(3 * time.Minute):
		t.Fatalf("the exit was not told: %s", n.said())
	}
}

// node runs containers as processes. What they find in /etc/lowcap-cdc lies in its directory.
type node struct {
	t           *testing.T
	dir, binary string
	logs        []string
}

func (n *node) write(name, content string) {
	n.t.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

// here returns a text with the paths of the mounts on this machine.
func (n *node) here(text string) string { return strings.ReplaceAll(text, "/etc/lowcap-cdc", n.dir) }

func (n *node) said() (all string) {
	for _, path := range n.logs {
		content, _ := os.ReadFile(path) //nolint:errcheck // it is there
		all += string(content)
	}
	return all
}

// start runs a deployment's container, and waits until its probes are content.
func (n *node) start(objects object) {
	n.t.Helper()
	container := at(n.t, objects, "Deployment", "spec", "template", "spec", "containers", 0)
	asked, given := fmt.Sprint(":", at(n.t, container, "ports", 0, "containerPort")), fmt.Sprint(":", freePort(n.t))
	here := func(value any) string { return strings.ReplaceAll(n.here(fmt.Sprint(value)), asked, given) }
	cmd := exec.CommandContext(n.t.Context(), n.binary)
	for _, arg := range at(n.t, container, "args").([]any) {
		cmd.Args = append(cmd.Args, here(arg))
	}
	cmd.Env = []string{"PATH=/nowhere"} // an image has nothing else
	for _, variable := range at(n.t, container, "env").([]any) {
		cmd.Env = append(cmd.Env, at(n.t, variable, "name").(string)+"="+here(at(n.t, variable, "value")))
	}
	log, err := os.Create(filepath.Join(n.dir, at(n.t, container, "name").(string)+".log"))
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	n.logs = append(n.logs, log.Name())
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); log.Close() }) //nolint:errcheck // the test is over
	for _, probe := range []string{"livenessProbe", "readinessProbe"} {
		asks, ok := container.(object)[probe].(object)
		if !ok {
			continue
		}
		url := "http://127.0.0.1" + given + at(n.t, asks, "httpGet", "path").(string)
		n.until(probe, func() bool {
			response, err := http.Get(url)
			if err != nil {
				return false
			}
			response.Body.Close() //nolint:errcheck // the status is what counts
			return response.StatusCode == http.StatusOK
		})
	}
}

func (n *node) until(what string, is func() bool) {
	n.t.Helper()
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(3*time.Minute)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			n.t.Fatalf("waited in vain for %s: %s", what, n.said())
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
