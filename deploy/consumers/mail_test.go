package consumers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// TestMailServer lets notify send mail to a real mail server, with TLS from the beginning and by STARTTLS: encrypted, logged in,
// and readable; and not at all with a wrong password or to a server that nobody vouches for.
func TestMailServer(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	binary := in("lowcap-cdc")
	if err := run("go", "build", "-o", binary, "lowcap-cdc/cmd/lowcap-cdc"); err != nil {
		t.Fatal(err)
	}
	if err := run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
		"-addext", "subjectAltName=DNS:localhost", "-keyout", in("key"), "-out", in("certificate")); err != nil {
		t.Fatal(err)
	}
	for way, scheme := range map[string]string{"starttls": "smtp", "tls": "smtps"} {
		t.Run(way, func(t *testing.T) {
			port, mails := mailServer(t, in("certificate"), in("key"), way)
			send := func(password, trusted string) (string, error) {
				t.Helper()
				config := in("notify.yaml")
				text := fmt.Sprintf("routes: [{name: mail, as: email, to: '%s://localhost:%s', from: cdc@example.org, recipients: [anna@example.org], user: cdc, password-env: PASSWORD}]\n",
					scheme, port)
				if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(t.Context(), binary, "notify", "--config", config, "--test")
				cmd.Env = append(os.Environ(), "PASSWORD="+password, "SSL_CERT_FILE="+trusted)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			if out, err := send("sesame", in("certificate")); err != nil || !strings.Contains(out, "delivered") {
				t.Fatalf("%v: %s", err, out)
			}
			if !mails.Scan() {
				t.Fatal("the server has no mail")
			}
			mail := gjson.Parse(mails.Text())
			if mail.Get("from").String() != "cdc@example.org" || mail.Get("to.0").String() != "anna@example.org" ||
				!strings.Contains(mail.Get("subject").String(), "[info] Test of lowcap-cdc notify") || !mail.Get("encrypted").Bool() ||
				!mail.Get("authenticated").Bool() || !strings.Contains(mail.Get("text").String(), "meaning: nothing has happened") {
				t.Errorf("%s", mail.Raw)
			}
			if out, err := send("wrong-secret", in("certificate")); err == nil || !strings.Contains(out, "misset") || strings.Contains(out, "wrong-secret") {
				t.Errorf("a wrong password: %v: %s", err, out)
			}
			if out, err := send("sesame", "/dev/null"); err == nil || !strings.Contains(out, "certificate") {
				t.Errorf("a certificate that nobody vouches for: %v: %s", err, out)
			}
		})
	}
}

// mailServer starts the server and returns its port, and the mails that it takes, a line each.
func mailServer(t *testing.T, certificate, key, way string) (port string, mails *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python(t, "mail/requirements.txt"), "-W", "ignore", "mail/server.py", certificate, key, way)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); io.Copy(io.Discard, out); cmd.Wait() }) //nolint:errcheck // the test is over
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the mail server did not start")
	}
	return lines.Text(), lines
}
