package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// ntfyServer takes what an app would show, over TLS under the name of the real server.
const ntfyServer = `import http.server, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open("/run/pages", "a") as pages:
            pages.write(self.path + "\n" + body + "\n")
        self.send_response(200)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/ntfy.crt", "/run/ntfy.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
`

// composition is the file, started without an engine: on a machine of its own, where the services' names are this machine.
type composition struct {
	t        *testing.T
	h        *lab.Host
	services map[string]any
	programs string // where Postgres' are
}

// TestCompositionRuns runs every command, environment and health check of the composition as processes, as the image would: an
// emergency exit of the load reaches the phone, and Prometheus finds everybody.
func TestCompositionRuns(t *testing.T) {
	c := &composition{t: t, h: lab.Boot(t, "--net"), services: composeFile(t)["services"].(map[string]any)}
	defer func() {
		if t.Failed() {
			for _, unit := range []string{"kafka", "lowcap-cdc", "notify", "load"} {
				said, _ := c.h.Try("journalctl", "--no-pager", "-o", "cat", "-n", "10", "-u", unit)             //nolint:errcheck // a help
				state, _ := c.h.Try("systemctl", "show", unit, "-p", "ExecMainStatus,ExecMainCode,ActiveState") //nolint:errcheck // a help
				t.Log(unit, state, said)
			}
		}
	}()
	own := c.h.Run("uname", "-n") // a broker asks for its own address
	c.h.Write("/etc/hosts", "127.0.0.1 localhost "+own+" ntfy.sh "+strings.Join(slices.Collect(maps.Keys(c.services)), " ")+"\n")
	c.postgres()
	c.kafka()
	c.phone()
	c.h.Run("install", "-m", "755", build(t), "/usr/local/bin/lowcap-cdc")
	image, check := imageOf(t)
	c.ours("lowcap-cdc", image, check)
	c.ours("notify", image, check)
	c.h.Until("notify to watch", func() bool {
		said, _ := c.h.Try("journalctl", "-u", "notify", "-o", "cat") //nolint:errcheck // it may be empty yet
		return strings.Contains(said, "watching from")
	})
	load := c.service("load")
	command := []string{filepath.Join(c.programs, "psql")}
	for _, word := range words(load["command"])[1:] {
		command = append(command, strconv.Quote(word)) // a unit splits at spaces
	}
	c.h.Service("load", environment(load, nil), command...)
	c.h.Until("an exit on the phone", func() bool {
		pages, _ := c.h.Try("cat", "/run/pages") //nolint:errcheck // it is not there yet
		return strings.HasPrefix(pages, "/lowcap-cdc-demo\n") && strings.Contains(pages, "price: ")
	})
	c.prometheus()
}

func (c *composition) service(name string) map[string]any { return c.services[name].(map[string]any) }

func words(list any) (all []string) {
	items, _ := list.([]any)
	for _, item := range items {
		all = append(all, os.Expand(fmt.Sprint(item), func(name string) string {
			_, otherwise, _ := strings.Cut(name, ":-") // nobody has set it
			return otherwise
		}))
	}
	return all
}

// environment returns the unit's lines for a service's environment, with what its image has.
func environment(service map[string]any, image map[string]string) string {
	all := maps.Clone(image)
	if all == nil {
		all = make(map[string]string)
	}
	variables, _ := service["environment"].(map[string]any)
	for name, value := range variables {
		all[name] = fmt.Sprint(value)
	}
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&lines, "Environment=\"%s=%s\"\n", name, all[name])
	}
	return lines.String()
}

// postgres starts the server with the command's settings, and does what the image does with its environment and the SQL files.
func (c *composition) postgres() {
	c.t.Helper()
	service := c.service("postgres")
	c.programs = c.h.StartPostgres()
	variables := service["environment"].(map[string]any)
	psql := func(database string, args ...string) {
		c.t.Helper()
		c.h.Run(append([]string{c.programs + "/psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", "/run/postgresql", "-U", "postgres", "-d", database}, args...)...)
	}
	for _, word := range words(service["command"]) {
		if name, value, isSetting := strings.Cut(word, "="); isSetting {
			psql("postgres", "-c", fmt.Sprintf("alter system set %s = '%s'", name, value))
		}
	}
	c.h.Run("systemctl", "restart", "postgres")
	psql("postgres", "-c", fmt.Sprintf("create database %s", variables["POSTGRES_DB"]))
	psql("postgres", "-c", fmt.Sprintf("alter role postgres password '%s'", variables["POSTGRES_PASSWORD"]))
	for _, volume := range words(service["volumes"]) {
		path, err := filepath.Abs(strings.Split(volume, ":")[0])
		if err != nil {
			c.t.Fatal(err)
		}
		psql(fmt.Sprint(variables["POSTGRES_DB"]), "-f", path)
	}
	check := words(service["healthcheck"].(map[string]any)["test"])
	c.h.Run("sh", "-c", "PATH="+c.programs+":$PATH; "+check[1])
}

// kafka starts a broker of the properties that its image makes of the environment.
func (c *composition) kafka() {
	var properties strings.Builder
	for name, value := range c.service("kafka")["environment"].(map[string]any) {
		name = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "KAFKA_")), "_", ".")
		fmt.Fprintf(&properties, "%s=%v\n", name, value)
	}
	c.h.StartKafkaAs(properties.String())
}

// phone starts the server of the app, with a certificate that this machine believes.
func (c *composition) phone() {
	c.t.Helper()
	c.h.Run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=ntfy.sh",
		"-addext", "subjectAltName=DNS:ntfy.sh", "-keyout", "/run/ntfy.key", "-out", "/run/ntfy.crt")
	c.h.Run("cp", "/run/ntfy.crt", "/etc/ssl/certs/ca-certificates.crt")
	c.h.Write("/run/ntfy.py", ntfyServer)
	c.h.Service("ntfy", "", "/usr/bin/env", "python3", "/run/ntfy.py")
}

var variable = regexp.MustCompile(`(?m)^ENV ([A-Z_]+)=(\S+)$`)
var healthCheck = regexp.MustCompile(`(?m)^HEALTHCHECK .* CMD (\[.*\])$`)

// imageOf returns what the Dockerfile gives every container: its environment and its health check.
func imageOf(t *testing.T) (variables map[string]string, check []string) {
	t.Helper()
	content, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	variables = make(map[string]string)
	for _, found := range variable.FindAllStringSubmatch(string(content), -1) {
		variables[found[1]] = found[2]
	}
	found := healthCheck.FindSubmatch(content)
	if found == nil || len(variables) == 0 {
		t.Fatalf("the Dockerfile has no health check, or no environment: %v", variables)
	}
	if err := json.Unmarshal(found[1], &check); err != nil {
		t.Fatal(err)
	}
	return variables, check
}

// confined is what the composition asks of our containers, in systemd's words; an image has no other file to write.
const confined = "DynamicUser=yes\nProtectSystem=strict\nCapabilityBoundingSet=\nNoNewPrivileges=yes\nRestart=on-failure\n"

// ours starts a container of our image, and asks its health check until that is content.
func (c *composition) ours(name string, image map[string]string, check []string) {
	c.t.Helper()
	service := c.service(name)
	command := words(service["command"])
	if command == nil {
		command = []string{"run"} // the image's
	}
	lines := environment(service, image)
	c.h.Service(name, confined+lines, append([]string{"/usr/local/bin/lowcap-cdc"}, command...)...)
	if own, ok := service["healthcheck"].(map[string]any); ok {
		check = words(own["test"])[1:]
	}
	set := "set -e\n" + strings.ReplaceAll(lines, "Environment=\"", "export \"")
	c.h.Until(name+" to be healthy", func() bool {
		_, err := c.h.Try("sh", "-c", set+"/usr/local/bin"+strings.Join(check, " "))
		return err == nil
	})
}

// prometheus starts the real one with the composition's files, and waits until it has reached every target.
func (c *composition) prometheus() {
	c.t.Helper()
	for _, volume := range words(c.service("prometheus")["volumes"]) {
		parts := strings.Split(volume, ":")
		path, err := filepath.Abs(parts[0])
		if err != nil {
			c.t.Fatal(err)
		}
		c.h.Run("install", "-D", "-m", "644", path, parts[1])
	}
	c.h.Service("composed-prometheus", "", "/usr/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/prometheus")
	c.h.Until("Prometheus to reach everybody", func() bool {
		out, _ := c.h.Try("curl", "-s", "http://localhost:9090/api/v1/query?query=sum(up)") //nolint:errcheck // it starts
		return strings.Contains(out, `"2"]`)
	})
}
