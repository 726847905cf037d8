package main

import (
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// TestSASL runs the sidecar against a real broker with authentication and access control: the right password by both
// mechanisms, a wrong one, and a user without rights; each failure is one clear line without the password.
func TestSASL(t *testing.T) {
	k, err := lab.StartSecuredKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close() //nolint:errcheck // the test is over
	for name, c := range map[string]struct{ mechanism, user, password, want string }{
		"plain":               {"plain", "alice", "wonderland", ""},
		"scram":               {"scram-sha-512", "alice", "wonderland", ""},
		"wrong password":      {"scram-sha-512", "alice", "sesame", "--kafka-user"},
		"mechanism not there": {"scram-sha-256", "alice", "wonderland", "--kafka-sasl"},
		"no rights":           {"plain", "mallory", "mirror", "grant"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			cmd := s.command("k", "kafka://"+k.Secured(), "--until", "now", "--kafka-sasl", c.mechanism, "--kafka-user", c.user)
			cmd.Env = append(cmd.Environ(), "LOWCAP_CDC_KAFKA_PASSWORD="+c.password)
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			last := lines[len(lines)-1]
			if (err == nil) != (c.want == "") || !strings.Contains(last, c.want) {
				t.Errorf("%v: %s", err, last)
			}
			if strings.Contains(string(out), c.password) {
				t.Errorf("the password is shown: %s", out)
			}
		})
	}
}
