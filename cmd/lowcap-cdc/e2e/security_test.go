package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/deploy/lab"
)

// securedBroker returns the broker with authentication, encryption and access control.
func securedBroker(t *testing.T) *lab.Kafka {
	t.Helper()
	k, err := shared.secured()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSASL: the right password by each mechanism, with and without TLS, works from end to end; a wrong one, a mechanism
// that the broker does not offer, and a user without rights are each one clear line without the password.
func TestSASL(t *testing.T) {
	t.Parallel()
	k := securedBroker(t)
	ca := []string{"--kafka-ca", k.Certificates().CA}
	for name, c := range map[string]struct {
		broker, mechanism, user, password string
		args                              []string
		want                              string
	}{
		"plain":                  {k.Secured(), "plain", "alice", "wonderland", nil, ""},
		"scram-sha-256":          {k.Secured(), "scram-sha-256", "alice", "wonderland", nil, ""},
		"scram-sha-512":          {k.Secured(), "scram-sha-512", "alice", "wonderland", nil, ""},
		"scram-sha-512 over TLS": {k.SecuredTLS(), "scram-sha-512", "alice", "wonderland", ca, ""},
		"wrong password, plain":  {k.Secured(), "plain", "alice", "sesame", nil, "--kafka-user"},
		"wrong password, scram":  {k.Secured(), "scram-sha-256", "alice", "sesame", nil, "--kafka-user"},
		"wrong password, TLS":    {k.SecuredTLS(), "scram-sha-512", "alice", "sesame", ca, "--kafka-user"},
		"unknown user":           {k.Secured(), "scram-sha-512", "nobody", "sesame", nil, "--kafka-user"},
		"mechanism not there":    {k.SecuredTLS(), "plain", "alice", "wonderland", ca, "--kafka-sasl"},
		"no rights":              {k.Secured(), "plain", "mallory", "mirror", nil, "grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedPositions(2)
			args := append([]string{"--kafka-sasl", c.mechanism, "--kafka-user", c.user}, c.args...)
			cmd := s.command("k", "kafka://"+c.broker, append(args, "--until", "now")...)
			cmd.Env = append(cmd.Environ(), "LOWCAP_CDC_KAFKA_PASSWORD="+c.password)
			s.attempt(cmd, k, c.password, c.want)
		})
	}
}

// TestTLS: a CA and a client certificate work from end to end; each of them missing or wrong is one clear line that
// names the setting.
func TestTLS(t *testing.T) {
	t.Parallel()
	k := securedBroker(t)
	files := k.Certificates()
	client := []string{"--kafka-cert", files.Cert, "--kafka-key", files.Key}
	for name, c := range map[string]struct {
		broker string
		args   []string
		want   string
	}{
		"CA and client certificate":     {k.TLS(), append(client, "--kafka-ca", files.CA), ""},
		"no CA":                         {k.TLS(), append(client, "--kafka-tls"), "--kafka-ca"},
		"wrong CA":                      {k.TLS(), append(client, "--kafka-ca", files.WrongCA), "--kafka-ca"},
		"no client certificate":         {k.TLS(), []string{"--kafka-ca", files.CA}, "--kafka-cert"},
		"client certificate of another": {k.TLS(), []string{"--kafka-ca", files.CA, "--kafka-cert", files.WrongCert, "--kafka-key", files.WrongKey}, "--kafka-cert"},
		"no TLS":                        {k.TLS(), nil, "--kafka-tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedPositions(2)
			s.attempt(s.command("k", "kafka://"+c.broker, append(c.args, "--until", "now")...), k, "PRIVATE KEY", c.want)
		})
	}
}

// TestCheckOfTLSAtAPlaintextPort: the port is named at once, and not only that no one answers.
func TestCheckOfTLSAtAPlaintextPort(t *testing.T) {
	t.Parallel()
	k := securedBroker(t)
	s := newSite(t)
	begun := time.Now()
	out, code := s.verb("kafka://"+k.Addr(), "check", "--kafka-tls")
	if code != settings.ExitRepair || !strings.Contains(out, k.Addr()+" ends the connection when TLS begins") ||
		!strings.Contains(out, "without --kafka-tls") {
		t.Errorf("exit %d: %s", code, out)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if out, _ := s.verb("kafka://"+k.TLS(), "check", "--kafka-tls"); strings.Contains(out, "plaintext") ||
		!strings.Contains(out, "--kafka-ca") {
		t.Errorf("another fault of TLS says %s", out)
	}
}

// attempt runs a command. Where nothing is wanted it must succeed and its two baselines be there; otherwise it must end
// for repair with a line that holds what is wanted. It must never show the secret.
func (s *site) attempt(cmd *exec.Cmd, k *lab.Kafka, secret string, want ...string) {
	s.t.Helper()
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), secret) {
		s.t.Errorf("the secret is shown: %s", out)
	}
	if want[0] != "" {
		s.expectLine(cmd, out, settings.ExitRepair, want...)
		return
	}
	if err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	records, err := lab.ReadCommitted(s.t.Context(), k.Addr(), s.name+".positions")
	if err != nil || len(records) != 2 {
		s.t.Errorf("%d events on the broker, want 2 (%v)", len(records), err)
	}
}

// expectLine fails unless a command that has ended did so with the code and a last line that holds all that is wanted.
func (s *site) expectLine(cmd *exec.Cmd, out []byte, code int, want ...string) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := lines[len(lines)-1]
	for _, text := range append(want, "lowcap-cdc: ") {
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(last, text) {
			s.t.Errorf("exit %d, want %d with %q: %s", got, code, text, last)
		}
	}
}

// TestTopicRights takes one right after the other from a user that has all: each is one line that names what is refused
// and the right to grant.
func TestTopicRights(t *testing.T) {
	t.Parallel()
	k := securedBroker(t)
	for name, c := range map[string]struct{ resource, operation, want, grant string }{
		"all rights":                       {},
		"no write on a topic":              {"positions", "WRITE", ".positions", "grant Write"},
		"nothing on a topic":               {"quarantine", "ANY", ".quarantine", "grant Write and Describe"},
		"no write on the state":            {"cdc-state", "WRITE", ".cdc-state", "grant Write"},
		"no read on the state":             {"cdc-state", "READ", ".cdc-state", "Read on the state topic"},
		"no write on the transactional id": {"id", "WRITE", ".cdc-", "grant Write and Describe on the transactional id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.seedPositions(2)
			s.prepareTopics(k)
			s.grantAllBut(k, c.resource, c.operation)
			cmd := s.command("k", "kafka://"+k.Secured(), "--kafka-sasl", "plain", "--kafka-user", "mallory", "--until", "now")
			cmd.Env = append(cmd.Environ(), "LOWCAP_CDC_KAFKA_PASSWORD=mirror")
			s.attempt(cmd, k, "mirror", c.want, c.grant)
		})
	}
}

// prepareTopics makes the topics as an administrator.
func (s *site) prepareTopics(k *lab.Kafka) {
	s.t.Helper()
	cmd := exec.CommandContext(
		s.t.Context(),
		shared.binary,
		"init",
		"--postgres",
		shared.postgres.DSN(s.name),
		"--sink",
		"kafka://"+k.Addr(),
		"--topic-prefix",
		s.name+".",
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
}

// grantAllBut gives mallory every right that the README names except one.
func (s *site) grantAllBut(k *lab.Kafka, resource, operation string) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	granted := 0
	grant := func(b *kadm.ACLBuilder, name string, operations ...kadm.ACLOperation) {
		var left []kadm.ACLOperation
		for _, o := range operations {
			if name != resource || (o.String() != operation && operation != "ANY") {
				left = append(left, o)
			}
		}
		if len(left) == 0 {
			return
		}
		granted += len(left)
		results, err := admin.CreateACLs(
			s.t.Context(),
			b.Allow("User:mallory").AllowHosts().Operations(left...).ResourcePatternType(kadm.ACLPatternLiteral),
		)
		if err != nil || results[0].Err != nil {
			s.t.Fatal(err, results)
		}
	}
	for _, topic := range append(topics, "cdc-state") {
		operations := []kadm.ACLOperation{kadm.OpWrite, kadm.OpDescribe}
		if topic == "cdc-state" {
			operations = append(operations, kadm.OpRead)
		}
		grant(kadm.NewACLs().Topics(s.name+"."+topic), topic, operations...)
	}
	grant(kadm.NewACLs().TransactionalIDs(s.name+".cdc-"+s.name+"k"), "id", kadm.OpWrite, kadm.OpDescribe)
	s.waitForACLs(admin, granted)
}

// waitForACLs waits until the broker acts on what has been granted: it answers before.
func (s *site) waitForACLs(admin *kadm.Client, want int) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for got := -1; got != want; {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("%d rights are granted, want %d", got, want)
		}
		all, err := admin.DescribeACLs(
			s.t.Context(),
			kadm.NewACLs().AnyResource().ResourcePatternType(kadm.ACLPatternAny).Operations().Allow("User:mallory").AllowHosts(),
		)
		if err != nil {
			s.t.Fatal(err)
		}
		got = 0
		for _, result := range all {
			for _, acl := range result.Described {
				if strings.HasPrefix(acl.Name, s.name) {
					got++
				}
			}
		}
	}
}
