package receiver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"time"
)

const subjectLength = 150 // characters; RFC 5322 allows 998 on a line

// email sends messages to a mail server: smtps://HOST:465 with TLS from the beginning, smtp://HOST:587 with STARTTLS, which
// only a server on this machine may be without. The Message-ID is a function of the reference, so a mailbox that knows it
// may drop a second copy, but none has to.
type email struct {
	config  Config
	host    string
	address string // host and port
	isTLS   bool   // from the beginning
	isLocal bool
	from    *mail.Address
	to      []*mail.Address
}

func newEmail(c Config) (*email, error) {
	u, err := url.Parse(c.To)
	if err != nil || !hasHost(u) || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return nil, errors.New("to is not a URL like smtps://mail.example.org:465 or smtp://mail.example.org:587")
	}
	if c.From == "" || len(c.MailTo) == 0 {
		return nil, errors.New("as: email needs from and recipients")
	}
	if c.MailUser != "" && c.Secret == "" {
		return nil, errors.New("user needs password-file or password-env")
	}
	e := &email{config: c, host: u.Hostname(), isTLS: u.Scheme == "smtps"}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "465", false: "587"}[e.isTLS]
	}
	e.address = net.JoinHostPort(e.host, port)
	ip := net.ParseIP(e.host)
	e.isLocal = e.host == "localhost" || (ip != nil && ip.IsLoopback())
	if e.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("from %q: %w", c.From, err)
	}
	for _, to := range c.MailTo {
		parsed, err := mail.ParseAddress(to)
		if err != nil {
			return nil, fmt.Errorf("recipients %q: %w", to, err)
		}
		e.to = append(e.to, parsed)
	}
	return e, nil
}

// IsIdempotent implements Receiver.
func (e *email) IsIdempotent() bool { return false }

// Send implements Receiver.
func (e *email) Send(ctx context.Context, m *Message, plain bool) Answer {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	client, err := e.login(ctx)
	if err != nil {
		return e.judge(err, Misset)
	}
	defer client.Close() //nolint:errcheck // what counts has been answered
	if err := e.envelope(client); err != nil {
		return e.judge(err, Misset)
	}
	body, err := client.Data()
	if err != nil {
		return e.judge(err, Misset)
	}
	if _, err := body.Write(e.message(m, plain, time.Now())); err != nil {
		return e.judge(err, Failed)
	}
	if err := body.Close(); err != nil { // it waits for the answer
		return e.judge(err, Refused)
	}
	client.Quit() //nolint:errcheck // the message is there
	return Answer{Kind: Delivered}
}

// login connects and logs in. The connection ends with ctx whatever happens on it: the library itself waits without a limit.
func (e *email) login(ctx context.Context) (*smtp.Client, error) {
	config := &tls.Config{ServerName: e.host, MinVersion: tls.VersionTLS12}
	dial := (&net.Dialer{}).DialContext
	if e.isTLS {
		dial = (&tls.Dialer{Config: config}).DialContext
	}
	conn, err := dial(ctx, "tcp", e.address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // what counts has been answered
	client, err := smtp.NewClient(conn, e.host)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(e.encrypt(client, config), e.authenticate(client)); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return client, nil
}

// errMisset marks what no other attempt changes.
var errMisset = errors.New("the setting is wrong")

func (e *email) encrypt(client *smtp.Client, config *tls.Config) error {
	if e.isTLS {
		return nil
	}
	if ok, _ := client.Extension("STARTTLS"); ok {
		return client.StartTLS(config)
	}
	if e.isLocal && e.config.MailUser == "" {
		return nil
	}
	return fmt.Errorf("%w: the server does not offer STARTTLS; try smtps://", errMisset)
}

func (e *email) authenticate(client *smtp.Client) error {
	if e.config.MailUser == "" {
		return nil
	}
	_, isEncrypted := client.TLSConnectionState()
	_, ways := client.Extension("AUTH")
	offered := strings.Fields(ways)
	switch {
	case !isEncrypted:
		return nil // encrypt has said so
	case contains(offered, "PLAIN"):
		return client.Auth(smtp.PlainAuth("", e.config.MailUser, e.config.Secret, e.host))
	case contains(offered, "LOGIN"):
		return client.Auth(&loginAuth{e.config.MailUser, e.config.Secret})
	}
	return fmt.Errorf("%w: the server offers neither PLAIN nor LOGIN, only %q", errMisset, ways)
}

func contains(list []string, word string) bool {
	for _, w := range list {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// loginAuth is the mechanism LOGIN, which some servers have alone: the server asks for the name, then for the password.
type loginAuth struct{ user, password string }

func (l *loginAuth) Start(*smtp.ServerInfo) (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginAuth) Next(question []byte, more bool) ([]byte, error) {
	switch {
	case !more:
		return nil, nil
	case strings.HasPrefix(strings.ToLower(string(question)), "user"):
		return []byte(l.user), nil
	}
	return []byte(l.password), nil
}

func (e *email) envelope(client *smtp.Client) error {
	if err := client.Mail(e.from.Address); err != nil {
		return err
	}
	for _, to := range e.to {
		if err := client.Rcpt(to.Address); err != nil {
			return err
		}
	}
	return nil
}

// message makes the mail.
func (e *email) message(m *Message, plain bool, now time.Time) []byte {
	subject, text := firstRunes("["+string(m.Severity)+"] "+m.Title(), subjectLength), m.Text(now)
	if plain {
		subject, text = "["+string(m.Severity)+"] lowcap-cdc", m.Plain(now)
	}
	var to []string
	for _, address := range e.to {
		to = append(to, address.String())
	}
	sum := sha256.Sum256([]byte(m.Reference))
	var b bytes.Buffer
	for _, header := range [][2]string{
		{"From", e.from.String()}, {"To", strings.Join(to, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", now.Format(time.RFC1123Z)}, {"Message-ID", "<" + hex.EncodeToString(sum[:16]) + "@lowcap-cdc>"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	b.WriteString("\r\n")
	body := quotedprintable.NewWriter(&b)
	body.Write([]byte(text)) //nolint:errcheck // into memory
	body.Close()             //nolint:errcheck // into memory
	return b.Bytes()
}

// judge says what an error means; lasting is what a 5xx means at this point of the conversation: only the message itself is
// refused, what comes before it is a matter of the setting.
func (e *email) judge(err error, lasting Kind) Answer {
	a := Answer{Kind: Failed, Detail: tell(err.Error(), []string{e.config.Secret})}
	var said *textproto.Error
	isSaid := errors.As(err, &said)
	switch {
	case errors.Is(err, errMisset):
		a.Kind = Misset
	case isSaid && said.Code >= 500:
		a.Kind = lasting
	case !isSaid && lasting == Refused:
		a.Arrived = true // the connection broke before the answer
	}
	return a
}
