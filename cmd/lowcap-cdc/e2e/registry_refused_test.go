package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/deploy/lab"
)

// TestRegistryRefuses starts with a registry that does not take the schemas, or not us: each is one line that says what to
// do, before anything is written. TLS and passwords are asked for by a proxy in front of the real registry.
func TestRegistryRefuses(t *testing.T) {
	t.Parallel()
	real := registry(t)
	files := securedBroker(t).Certificates()
	locked := behindLock(t, real.URL(), files)
	const gone = "http://127.0.0.1:1" // nobody listens there
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(user string, args ...string) []string {
		return append([]string{"--schema-registry", strings.Replace(locked, "://", "://"+user, 1)}, args...)
	}
	client := []string{"--schema-registry-cert", files.Cert, "--schema-registry-key", files.Key}
	secure := append(client, "--schema-registry-ca", files.CA)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"password in the URL":     {with("anna:sesame@", secure...), settings.ExitDone, ""},
		"password in a file":      {with("anna@", append(secure, "--schema-registry-password-file", password)...), settings.ExitDone, ""},
		"wrong password":          {with("anna:mirror@", secure...), settings.ExitRepair, "--schema-registry-password-file"},
		"no user":                 {with("", secure...), settings.ExitRepair, "answers 401"},
		"no CA":                   {with("anna:sesame@", client...), settings.ExitRepair, "--schema-registry-ca"},
		"wrong CA":                {with("anna:sesame@", append(client, "--schema-registry-ca", files.WrongCA)...), settings.ExitRepair, "--schema-registry-ca"},
		"no client certificate":   {with("anna:sesame@", "--schema-registry-ca", files.CA), settings.ExitRepair, "--schema-registry-cert"},
		"nobody there":            {[]string{"--schema-registry", gone}, settings.ExitFailed, "no answer from the schema registry at " + gone},
		"another server":          {[]string{"--schema-registry", strings.TrimSuffix(real.URL(), "/apis/ccompat/v7") + "/nothing"}, settings.ExitRepair, "answers 404"},
		"no URL":                  {[]string{"--schema-registry", "registry"}, settings.ExitUsage, "https://host:8081"},
		"certificate without TLS": {[]string{"--schema-registry", real.URL(), "--schema-registry-ca", files.CA}, settings.ExitUsage, "https://"},
		"none for Avro":           {nil, settings.ExitUsage, "set --schema-registry"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.seedPositions(2)
			sink, _ := s.kafka()
			cmd := s.command("k", sink, append(c.args, "--value-format", "avro", "--until", "now")...)
			out, _ := cmd.CombinedOutput() //nolint:errcheck // the exit code tells
			if bytes.Contains(out, []byte("sesame")) || bytes.Contains(out, []byte("mirror")) {
				t.Errorf("the password is shown: %s", out)
			}
			if c.code != settings.ExitDone {
				s.expectLine(cmd, out, c.code, c.want)
			} else if values, _ := s.values(); len(values) != 2 {
				t.Errorf("%d events are there, want 2: %s", len(values), out)
			}
		})
	}
}

// behindLock returns the address of a proxy that wants a client certificate, and a user with a password.
func behindLock(t *testing.T, address string, files *lab.Certificates) string {
	t.Helper()
	proxy := passOn(t, address)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "anna" || password != "sesame" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	ca, err := os.ReadFile(files.CA)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(files.Server, files.Server)
	if err != nil {
		t.Fatal(err)
	}
	// Only before TLS 1.3 is it sure that a client reads why it was refused.
	server.TLS = &tls.Config{
		MinVersion:   tls.VersionTLS12,
		MaxVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{certificate},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    x509.NewCertPool(),
	}
	server.TLS.ClientCAs.AppendCertsFromPEM(ca)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// passOn returns a proxy.
func passOn(t *testing.T, address string) http.Handler {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
}

// TestIncompatibleSchema finds another schema under one of its subjects, with a rule that ours breaks.
func TestIncompatibleSchema(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(1)
	sink, _ := s.kafka()
	address := registry(t).URL()
	subject := s.name + ".positions-lowcap.v1.PositionBaseline"
	body, err := json.Marshal(
		map[string]string{"schema": `{"type":"record","name":"PositionBaseline","namespace":"lowcap.v1","fields":[{"name":"id","type":"long"}]}`},
	)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, http.MethodPost, address+"/subjects/"+subject+"/versions", string(body), &struct{}{})
	ask(t, http.MethodPut, address+"/config/"+subject, `{"compatibility":"FORWARD"}`, &struct{}{})
	cmd := s.command("k", sink, "--schema-registry", address, "--value-format", "avro", "--until", "now")
	out, _ := cmd.CombinedOutput() //nolint:errcheck // the exit code tells
	s.expectLine(cmd, out, settings.ExitRepair, subject, "answers 409", "PUT /config/")
	if values, _ := s.values(); len(values) != 0 {
		t.Errorf("%d events were written", len(values))
	}
}

// TestRegistryGoesAway stops the registry under a running sidecar and cuts its connection to Postgres, so that its pipeline
// starts again: what was registered stays so. Who reads Avro needs the registry, and says so.
func TestRegistryGoesAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(3)
	sink, _ := s.kafka()
	away := httptest.NewServer(passOn(t, registry(t).URL()))
	with := []string{"--schema-registry", away.URL, "--value-format", "avro"}
	cmd := s.command("k", sink, with...)
	log := newWatched("streaming")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()         //nolint:errcheck // it was killed
	defer cmd.Process.Kill() //nolint:errcheck // it runs
	waitFor(t, log, "streaming")
	away.Close()
	s.cutOff("k")
	waitFor(t, log, "pipeline ended")
	s.exit(1)
	s.awaitValue("lowcap.emergency_exit.executed.v1")
	if out, code := s.verb(sink, "tail", with...); code != settings.ExitFailed ||
		!strings.Contains(out, "no answer from the schema registry") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := s.verb(sink, "tail"); code != settings.ExitRepair || !strings.Contains(out, "set --schema-registry") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// awaitValue waits until a committed value holds a text.
func (s *site) awaitValue(text string) {
	s.t.Helper()
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		values, _ := s.values()
		if bytes.Contains(bytes.Join(values, nil), []byte(text)) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("no %s in %d events", text, len(values))
		}
	}
}
