package receiver

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

const subjectLength = 150 // characters; RFC 5322 allows 998 on a line

// email sends messages to a mail server: smtps://HOST:465 with TLS from the beginning, smtp://HOST:587 with STARTTLS, which
// only a server on this machine may be without. The Message-ID is a function of the reference, so a mailbox that knows it
// may drop a second copy, but none has to.
type email struct {
	config  Config
	host    string
	port    int
	isTLS   bool // from the beginning
	isLocal bool
}

func newEmail(c Config) (*email, error) {
	u, err := url.Parse(c.To)
	if err != nil || u.Hostname() == "" || (u.Scheme != "smtp" && u.Scheme != "smtps") {
		return nil, errors.New("to is not a URL like smtps://mail.example.org:465 or smtp://mail.example.org:587")
	}
	if c.From == "" || len(c.MailTo) == 0 {
		return nil, errors.New("as: email needs from and recipients")
	}
	if c.MailUser != "" && c.Secret == "" {
		return nil, errors.New("user needs password-file or password-env")
	}
	e := &email{config: c, host: u.Hostname(), isTLS: u.Scheme == "smtps"}
	e.port, _ = strconv.Atoi(u.Port())
	if e.port == 0 {
		e.port = map[bool]int{true: 465, false: 587}[e.isTLS]
	}
	ip := net.ParseIP(e.host)
	e.isLocal = e.host == "localhost" || (ip != nil && ip.IsLoopback())
	_, err = e.message(&Message{What: "x"}, false, time.Now())
	return e, err
}

// IsIdempotent implements Receiver.
func (e *email) IsIdempotent() bool { return false }

// Send implements Receiver.
func (e *email) Send(ctx context.Context, m *Message, plain bool) Answer {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	message, err := e.message(m, plain, time.Now())
	if err != nil {
		return Answer{Kind: Refused, Detail: tell(err.Error(), nil)}
	}
	client, err := mail.NewClient(e.host, append(e.options(), mail.WithDialContextFunc(e.dial(ctx)))...)
	if err != nil {
		return Answer{Kind: Misset, Detail: tell(err.Error(), nil)}
	}
	if err := client.DialWithContext(ctx); err != nil {
		return e.judge(err)
	}
	defer client.Close()                                                   //nolint:errcheck // what counts has been answered
	if err := client.Send(message); err != nil && !message.IsDelivered() { // else only the farewell failed
		return e.judge(err)
	}
	return Answer{Kind: Delivered}
}

func (e *email) options() []mail.Option {
	options := []mail.Option{mail.WithPort(e.port), mail.WithTimeout(attemptWithin / 2)}
	switch {
	case e.isTLS:
		options = append(options, mail.WithSSL())
	case e.isLocal && e.config.MailUser == "":
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if e.config.MailUser != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(e.config.MailUser), mail.WithPassword(e.config.Secret))
	}
	return options
}

// dial returns how to connect. The connection ends with ctx whatever happens on it: the library waits for a greeting without
// a limit.
func (e *email) dial(ctx context.Context) mail.DialContextFunc {
	return func(dialing context.Context, network, address string) (conn net.Conn, err error) {
		if e.isTLS {
			conn, err = (&tls.Dialer{Config: &tls.Config{ServerName: e.host, MinVersion: tls.VersionTLS12}}).DialContext(dialing, network, address)
		} else {
			conn, err = (&net.Dialer{}).DialContext(dialing, network, address)
		}
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // what counts has been answered
		}
		return conn, err
	}
}

// message makes the mail. It names no program and no host but the sender's.
func (e *email) message(m *Message, plain bool, now time.Time) (*mail.Msg, error) {
	mime := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := mime.From(e.config.From); err != nil {
		return nil, err
	}
	if err := mime.To(e.config.MailTo...); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(m.Reference))
	mime.SetMessageIDWithValue(hex.EncodeToString(sum[:16]) + "@lowcap-cdc")
	mime.SetDateWithValue(now)
	mime.SetGenHeader("Auto-Submitted", "auto-generated")
	mime.Subject(firstRunes("["+string(m.Severity)+"] "+m.Title(), subjectLength))
	text := m.Text(now)
	if plain {
		text = m.Plain(now)
		mime.Subject("[" + string(m.Severity) + "] lowcap-cdc")
	}
	mime.SetBodyString(mail.TypeTextPlain, text)
	return mime, nil
}

// judge says what an error of the library means. Only the message itself is refused with a 5xx; one before it, for login or
// an address, is the setting's.
func (e *email) judge(err error) Answer {
	a := Answer{Kind: Failed, Detail: readable.Printable(tell(err.Error(), []string{e.config.Secret}))}
	var failed *mail.SendError
	var said *textproto.Error
	isSend, isSaid := errors.As(err, &failed), errors.As(err, &said)
	switch {
	case isSend && failed.IsTemp():
	case isSend && failed.Reason == mail.ErrSMTPDataClose && failed.ErrorCode() >= 500, isSend && failed.Reason == mail.ErrWriteContent:
		a.Kind = Refused
	case isSend && failed.ErrorCode() >= 500, isSaid && said.Code >= 500:
		a.Kind = Misset
	case isSend && failed.Reason == mail.ErrSMTPDataClose:
		a.Arrived = true // the connection broke before the answer
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		a.Kind = Misset
	}
	return a
}
