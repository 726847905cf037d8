package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// verbsThatConnect are all verbs that use settings, with the arguments that each needs.
var verbsThatConnect = map[string][]string{
	"run": nil, "init": nil, "check": nil, "status": nil, "teardown": {"--yes"}, "reconcile": {"--yes"}, "tail": nil, "audit": {"WIF"},
	"audit verify": nil, "trades": nil, "report": nil, "replay": {"--into", "file:copy"}, "notify": {"--to", "https://127.0.0.1:1/"},
}

// refuses runs a verb that must end at once, with exit code 2 and one line, and must leave nothing behind.
func refuses(t *testing.T, verb string, environment []string, args ...string) (line string) {
	t.Helper()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.binary, append(append(strings.Fields(verb), verbsThatConnect[verb]...), args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environment...)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 {
		t.Errorf("%s %q: exit %d, want 2: %s", verb, args, cmd.ProcessState.ExitCode(), out)
	}
	if text := strings.TrimSpace(string(out)); strings.Count(text, "\n") > 0 {
		t.Errorf("%s %q: more than one line: %s", verb, args, text)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%s %q leaves %v behind (%v)", verb, args, left, err)
	}
	return string(out)
}

// TestInvalidSettings: a setting that cannot be right is exit code 2 in every verb, at once, before anything is asked or
// written; no one listens at the addresses.
func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	const database, broker = "postgres://u@127.0.0.1:1/x", "kafka://127.0.0.1:1"
	for name, c := range map[string]struct {
		sink string
		args []string
		want string
	}{
		"slot":                 {"file:out", []string{"--slot", "Lowcap-CDC"}, `--slot "Lowcap-CDC" is no name`},
		"slot too long":        {"file:out", []string{"--slot", strings.Repeat("s", 64)}, "--slot is no name"},
		"empty slot":           {"file:out", []string{"--slot", ""}, "--slot is no name"},
		"publication":          {"file:out", []string{"--publication", ""}, "--publication is no name"},
		"schema":               {"file:out", []string{"--schema", strings.Repeat("s", 64)}, "--schema is no name"},
		"prefix":               {broker, []string{"--topic-prefix", "low cap/"}, "--topic-prefix cannot begin"},
		"prefix too long":      {broker, []string{"--topic-prefix", strings.Repeat("p", 240)}, "--topic-prefix cannot begin"},
		"port of a broker":     {"kafka://127.0.0.1:99999", nil, `broker "127.0.0.1:99999" is not host:port`},
		"stdout without colon": {"stdout", nil, "written with its colon"},
		"stdout and more":      {"stdout:x", nil, "written with its colon"},
		"a file of a host":     {"file://host/dir", nil, "is no directory of this machine"},
		"broker without port":  {"kafka://127.0.0.1", nil, "is not host:port"},
		"port 0":               {"kafka://127.0.0.1:9092,127.0.0.1:0", nil, `broker "127.0.0.1:0" is not host:port`},
		"SASL without a user":  {broker, []string{"--kafka-sasl", "plain"}, "--kafka-sasl needs --kafka-user"},
		"user without SASL":    {broker, []string{"--kafka-user", "anna"}, "set --kafka-sasl"},
		"SASL mechanism":       {broker, []string{"--kafka-sasl", "gssapi"}, "--kafka-sasl must be one of"},
		"password file":        {broker, []string{"--kafka-sasl", "plain", "--kafka-user", "u", "--kafka-password-file", "nowhere"}, "--kafka-password-file"},
		"key without cert":     {broker, []string{"--kafka-key", "k.pem"}, "belong together"},
		"CA that is not there": {broker, []string{"--kafka-ca", "nowhere.pem"}, "nowhere.pem"},
		"DSN":                  {"file:out", []string{"--postgres", "postgres://u:SECRET@h:port/x"}, "--postgres: its port is not valid"},
		"port in the DSN":      {"file:out", []string{"--postgres", "host=h port=99999 password=SECRET"}, "--postgres: its port is not valid"},
		"sslmode":              {"file:out", []string{"--postgres", "postgres://u:SECRET@h/x?sslmode=on"}, "--postgres: its sslmode is not valid"},
		"sink":                 {"user=u password=SECRET", nil, "--sink is neither"},
		"sink with a password": {"redis://u:SECRET@h", nil, `--sink "redis" is neither`},
		"registry":             {broker, []string{"--schema-registry", "registry"}, "--schema-registry"},
		"port of a registry":   {broker, []string{"--schema-registry", "http://127.0.0.1:99999"}, "--schema-registry"},
		"log level":            {"file:out", []string{"--log-level", "loud"}, "--log-level must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for verb := range verbsThatConnect {
				if verb == "notify" && strings.HasPrefix(c.sink, "file:") {
					continue // which needs more there
				}
				line := refuses(t, verb, []string{"LOWCAP_CDC_POSTGRES=" + database, "LOWCAP_CDC_SINK=" + c.sink}, c.args...)
				if !strings.Contains(line, c.want) || strings.Contains(line, "SECRET") {
					t.Errorf("%s: %q, want %q", verb, line, c.want)
				}
			}
		})
	}
}

// TestInvalidFlagsOfVerbs: the same for the flags that one verb has.
func TestInvalidFlagsOfVerbs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb string
		args []string
	}{
		{"run", []string{"--until", "5/G"}}, {"run", []string{"--until", "0/0"}}, {"run", []string{"--until", "yesterday"}},
		{"run", []string{"--http", ":99999"}}, {"run", []string{"--http", "nonsense"}}, {"run", []string{"--ready-lag", "long"}},
		{"run", []string{"--http", ":0", "--http-token-file", "nowhere"}}, {"run", []string{"--http", ":0", "--http-token-file", "/dev/null"}},
		{"run", []string{"--postgres", " \n"}}, {"run", []string{"--sink", "file:out "}}, {"run", []string{"--sink", "file:out\n"}},
		{"tail", []string{"--since", "20000w"}}, {"tail", []string{"--since=-1h"}}, {"notify", []string{"--to", "https://h/", "--type", "trade.closed"}},
		{"run", []string{"--kafka-sasl", "plain", "--kafka-user", "u", "--kafka-password-file", "/dev/null"}},
		{"notify", []string{"--to", "https://h/", "--page-url", "cdc"}},
		{"tail", []string{"--since", "0/G"}}, {"tail", []string{"--type", "nothing.*"}}, {"tail", []string{"-n", "-1"}},
		{"audit", []string{"--from", "x"}}, {"audit", []string{"--to", "1/2/3"}}, {"audit", []string{"--format", "xml"}},
		{"trades", []string{"--since", "x"}}, {"report", []string{"--since", "monday"}}, {"report", []string{"--to", "0/G"}},
		{"report", []string{"--since", "1d", "--to", "2d"}}, {"report", []string{"--pub", "x"}}, {"replay", []string{"--from", "x"}}, {"replay", []string{"--into", "nothing"}}, {"notify", []string{"--to", "nowhere"}},
		{"audit", []string{"compare", "--every", "-1s"}}, {"audit", []string{"compare", "--every", "1ns"}}, {"audit", []string{"compare", "--patience", "-1s"}},
	} {
		refuses(t, c.verb, []string{"LOWCAP_CDC_POSTGRES=postgres://u@127.0.0.1:1/x", "LOWCAP_CDC_SINK=kafka://127.0.0.1:1"}, c.args...)
	}
}

// TestSecretsInTheWrongPlace: whatever is broken around a secret, and whatever key it stands under, it is not printed.
func TestSecretsInTheWrongPlace(t *testing.T) {
	t.Parallel()
	for _, content := range []string{
		"postgres: user= password=SECRET\nsink: file:out\n",
		"postgres: [postgres://u:SECRET@h/x]\nsink: file:out\n",
		"postgres: {password: SECRET}\nsink: file:out\n",
		"postgres:\n  - SECRET\nsink: file:out\n",
		"passwrod: SECRET\n",
		"postgres://u:SECRET@h/x\n",
		"postgres://u:SECRET@h/x: yes\n",
		"sink: SECRET\npostgres: postgres://u@h/x\n",
		"sink: user=u password=SECRET\npostgres: postgres://u@h/x\n",
		"sink: kafka://u:SECRET@h:1\npostgres: postgres://u@h/x\n",
		"sink: kafka://SECRET\npostgres: postgres://u@h/x\n",
		"log-level: SECRET\n",
		"kafka-tls: SECRET\n",
		"kafka-sasl: SECRET\n",
		"ready-lag: SECRET\n",
		"pprof: [SECRET]\n",
		"slot: SECRET!\npostgres: postgres://u@h/x\nsink: file:out\n",
		"slot: postgres://u:SECRET@h/x\npostgres: postgres://u@h/x\nsink: file:out\n",
		"schema-registry: SECRET\nsink: kafka://h:1\npostgres: postgres://u@h/x\n",
		"schema-registry: 'https://u:SECRET@h:port/'\nsink: kafka://h:1\npostgres: postgres://u@h/x\n",
		"kafka-password: \"SECRET\n",
		"kafka-password: SECRET: SECRET\n",
		"\tkafka-password: SECRET\n",
		"until: SECRET\npostgres: postgres://u@h/x\nsink: file:out\n",
		"http: SECRET\npostgres: postgres://u@127.0.0.1:1/x\nsink: file:out\n",
	} {
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if line := refuses(t, "run", nil, "--config", path); strings.Contains(line, "SECRET") {
			t.Errorf("%q: %s", content, line)
		}
	}
	for _, name := range []string{"KAFKA_TLS", "LOG_FORMAT", "READY_LAG", "SLOT", "SINK", "HTTP"} {
		environment := []string{"LOWCAP_CDC_POSTGRES=postgres://u@127.0.0.1:1/x", "LOWCAP_CDC_SINK=file:out", "LOWCAP_CDC_" + name + "=SECRET/S"}
		if line := refuses(t, "run", environment); strings.Contains(line, "SECRET") {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// TestOutputThatIsFull: what could not be printed is no success.
func TestOutputThatIsFull(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(1)
	dir, _ := s.file("x")
	s.drain("k", dir)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close() //nolint:errcheck // nothing is in it
	for _, verb := range []string{"tail", "audit verify", "audit verify --json", "audit at 1", "status", "check", "init --dry-run", "init", "version",
		"completion bash", "completion fish"} {
		cmd := exec.CommandContext(t.Context(), shared.binary, append(strings.Fields(verb), "--postgres", shared.postgres.DSN(s.name), "--sink", dir,
			"--slot", s.name+"k")...)
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = full, &said
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "no space left on device") {
			t.Errorf("%s: %v: %s", verb, err, &said)
		}
	}
}
