package receiver

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http/httptest"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

// mailServer speaks SMTP as far as a client without TLS needs it, and answers as told: by the verb, and DATA's end as ".".
func mailServer(t *testing.T, answers map[string]string) (address string, got chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) //nolint:errcheck // the test is over
	got = make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveMail(conn, answers, got)
		}
	}()
	return listener.Addr().String(), got
}

func serveMail(conn net.Conn, answers map[string]string, got chan string) {
	defer conn.Close() //nolint:errcheck // a test
	say := func(verb, usual string) bool {
		answer, ok := answers[verb]
		if !ok {
			answer = usual
		}
		if answer == "" { // it hangs up
			return false
		}
		fmt.Fprintf(conn, "%s\r\n", answer)
		return true
	}
	say("HELLO", "220 mail.example ESMTP")
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		verb, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " ")
		switch verb {
		case "EHLO":
			say("EHLO", "250-mail.example\r\n250 8BITMIME")
		case "DATA":
			if !say("DATA", "354 go on") {
				return
			}
			var mail strings.Builder
			for lines.Scan() && lines.Text() != "." {
				mail.WriteString(lines.Text() + "\n")
			}
			got <- mail.String()
			if !say(".", "250 queued") {
				return
			}
		case "QUIT":
			say("QUIT", "221 bye")
			return
		default:
			if !say(verb, "250 ok") {
				return
			}
		}
	}
}

func emailTo(t *testing.T, address string) Receiver {
	t.Helper()
	r, err := New(Config{As: "email", To: "smtp://" + address, From: "cdc@example.org", MailTo: []string{"anna@example.org", "ben@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEmail(t *testing.T) {
	address, got := mailServer(t, nil)
	to := emailTo(t, address)
	m := Of(exit(), "https://page.example")
	for range 2 {
		if answer := to.Send(t.Context(), m, false); answer.Kind != Delivered {
			t.Fatalf("%+v", answer)
		}
	}
	first, second := <-got, <-got
	for _, text := range []string{"Subject:", "Emergency exit", "To: <anna@example.org>, <ben@example.org>", "Auto-Submitted: auto-generated", "proceeds: 60 USD"} {
		if !strings.Contains(first, text) {
			t.Errorf("%q is not in %s", text, first)
		}
	}
	id := func(mail string) string {
		for line := range strings.Lines(mail) {
			if strings.HasPrefix(line, "Message-ID:") {
				return line
			}
		}
		return ""
	}
	if id(first) == "" || id(first) != id(second) {
		t.Errorf("the copies have the ids %q and %q", id(first), id(second))
	}
}

// TestEmailAnswers: only the message itself is refused; what comes before it is a matter of the setting.
func TestEmailAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    Answer
	}{
		{"too large", map[string]string{".": "552 5.3.4 message too big"}, Answer{Kind: Refused}},
		{"spam", map[string]string{".": "554 5.7.1 rejected"}, Answer{Kind: Refused}},
		{"greylisted", map[string]string{"RCPT": "450 4.2.0 try later"}, Answer{Kind: Failed}},
		{"no such mailbox", map[string]string{"RCPT": "550 5.1.1 no such user"}, Answer{Kind: Misset}},
		{"sender unknown", map[string]string{"MAIL": "553 5.7.1 not yours"}, Answer{Kind: Misset}},
		{"busy", map[string]string{".": "451 4.3.0 busy"}, Answer{Kind: Failed}},
		{"it hangs up before the answer", map[string]string{".": ""}, Answer{Kind: Failed, Arrived: true}},
		{"only the farewell fails", map[string]string{"RSET": "", "QUIT": ""}, Answer{Kind: Delivered}},
	} {
		address, _ := mailServer(t, c.answers)
		if got := emailTo(t, address).Send(t.Context(), Of(exit(), ""), false); got.Kind != c.want.Kind || got.Arrived != c.want.Arrived {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestEmailWantsTLS: a server elsewhere without STARTTLS gets nothing, and one that only hangs is given up.
func TestEmailWantsTLS(t *testing.T) {
	address, got := mailServer(t, nil)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{As: "email", To: "smtp://127.0.0.1:" + port, From: "a@example.org", MailTo: []string{"b@example.org"}, MailUser: "a", Secret: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	if answer := r.Send(t.Context(), Of(exit(), ""), false); answer.Kind != Misset || len(got) > 0 || strings.Contains(answer.Detail, "sesame") {
		t.Errorf("%+v", answer)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the test is over
	begun := time.Now()
	if answer := emailTo(t, silent.Addr().String()).Send(t.Context(), Of(exit(), ""), false); answer.Kind != Failed || time.Since(begun) > 2*attemptWithin {
		t.Errorf("%+v after %s", answer, time.Since(begun))
	}
}

// TestEmailLogsIn speaks to a server with TLS, which asks for the way that it knows.
func TestEmailLogsIn(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS() // only for its certificate
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	for way, want := range map[string]string{"PLAIN": "AHUAc2VzYW1l", "LOGIN": "dQ== c2VzYW1l"} {
		client, peer := net.Pipe()
		go func() {
			defer peer.Close() //nolint:errcheck // a test
			serveAuth(tls.Server(peer, server.TLS), way, want)
		}()
		e, err := newEmail(Config{To: "smtps://example.com", From: "a@example.org", MailTo: []string{"b@example.org"}, MailUser: "u", Secret: "sesame"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := smtp.NewClient(tls.Client(client, &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		if err := e.authenticate(conn); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		conn.Close() //nolint:errcheck // the test is over
	}
}

// serveAuth greets, offers one way to log in, and says whether that came as wanted.
func serveAuth(conn net.Conn, way, want string) {
	fmt.Fprint(conn, "220 mail.example ESMTP\r\n")
	var got []string
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch words[0] {
		case "EHLO":
			fmt.Fprintf(conn, "250-mail.example\r\n250 AUTH %s\r\n", way)
			continue
		case "AUTH":
			got = append(got, words[2:]...)
		default:
			got = append(got, words...)
		}
		switch {
		case strings.Join(got, " ") == want:
			fmt.Fprint(conn, "235 in\r\n")
		case len(got) == 0:
			fmt.Fprint(conn, "334 VXNlcm5hbWU6\r\n")
		case len(got) == 1 && way == "LOGIN":
			fmt.Fprint(conn, "334 UGFzc3dvcmQ6\r\n")
		default:
			fmt.Fprint(conn, "535 no\r\n")
		}
	}
}
