package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/decode"
)

// Permanent is an error that stays until somebody changes something: a grant, a setting, a table, a password.
type Permanent struct{ err error }

func (e *Permanent) Error() string { return e.err.Error() }
func (e *Permanent) Unwrap() error { return e.err }

// IsPermanent reports whether trying again is useless until an operator has acted.
func IsPermanent(err error) bool {
	var permanent *Permanent
	var column *decode.ColumnError
	var lost *LostError
	return errors.As(err, &permanent) || errors.As(err, &column) || errors.As(err, &lost)
}

func permanentf(format string, args ...any) error { return &Permanent{fmt.Errorf(format, args...)} }

// ErrSlotActive says that another connection uses the slot: another instance is running.
var ErrSlotActive = errors.New("slot is in use")

// LostError says that the stream cannot go on where the sink's checkpoint is: changes after it will never be sent.
type LostError struct{ Why string }

func (e *LostError) Error() string { return e.Why + "; run: lowcap-cdc reconcile" }

func lostf(format string, args ...any) error { return &LostError{fmt.Sprintf(format, args...)} }

// The SQLSTATE codes that an operator must do something about.
const (
	codeInvalidPassword  = "28P01"
	codeInvalidAuth      = "28000"
	codeUnknownDatabase  = "3D000"
	codeNoPrivilege      = "42501"
	codeUndefinedTable   = "42P01"
	codeUndefinedObject  = "42704"
	codeObjectInUse      = "55006"
	codeObjectNotInState = "55000"
	codeConfigLimit      = "53400"
	codeDuplicateObject  = "42710"
	codeInvalidEncoding  = "22021" // of a character
	codeUntranslatable   = "22P05" // a character
	codeNotSupported     = "0A000"
)

func sqlState(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// explainConnect turns a failed connection attempt into one line. It never shows the password.
func explainConnect(err error, config *pgconn.Config) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	where := fmt.Sprintf("connect to Postgres at %s as %q", at(config.Host, config.Port), config.User)
	switch sqlState(err) {
	case codeInvalidPassword:
		return permanentf("%s: wrong password; set the password in --postgres, PGPASSWORD or the password file", where)
	case codeInvalidAuth:
		return permanentf("%s: %s; %s", where, message(err), admit(message(err), config))
	case codeUnknownDatabase:
		return permanentf("%s: database %q does not exist; correct the name in --postgres", where, config.Database)
	case codeNoPrivilege:
		err := fmt.Errorf("%s: %s; %s", where, message(err), admit(message(err), config))
		if config.RuntimeParams["replication"] != "" {
			err = &noRight{err}
		}
		return &Permanent{err}
	case codeNotSupported:
		return permanentf("%s: %s; the database's encoding is one that cannot be read as UTF-8", where, message(err))
	case codeProtocolViolation:
		return permanentf("%s: %s: a pooler answers there, and it cannot replicate; %s", where, message(err), direct(config.Host, config.Port))
	}
	if err := explainTLS(err, where, config.Host); err != nil {
		return err
	}
	if why := explainUnreachable(err, config.Host); why != "" {
		return fmt.Errorf("%s: %s", where, why)
	}
	var dial *net.OpError
	if errors.As(err, &dial) {
		return fmt.Errorf("%s: %w; is the server running there?", where, dial.Err)
	}
	return fmt.Errorf("%s: %s", where, message(err))
}

// admit says what lets a role in that the server has refused. Its words are compared in English only: in another language
// the general advice holds too.
func admit(refusal string, config *pgconn.Config) string {
	role, database := pgx.Identifier{config.User}.Sanitize(), pgx.Identifier{config.Database}.Sanitize()
	switch {
	case strings.Contains(refusal, "permission denied for database"):
		return "run: grant connect on database " + database + " to " + role
	case strings.Contains(refusal, "walsender") || strings.Contains(refusal, "REPLICATION"):
		return "run: alter role " + role + " replication"
	case strings.Contains(refusal, "not permitted to log in"):
		return "run: alter role " + role + " login"
	case strings.Contains(refusal, "does not exist"):
		return "run: create role " + role + " login replication, or correct the user in --postgres"
	}
	return fmt.Sprintf("allow the role in pg_hba.conf, by the line host %s %s ADDRESS scram-sha-256, and run: select pg_reload_conf(); a logical connection is of its database, a line for replication does not count",
		database, role)
}

// noRight says that the server does not let a role replicate.
type noRight struct{ err error }

func (e *noRight) Error() string { return e.err.Error() }
func (e *noRight) Unwrap() error { return e.err }

// explainStream says why the server ended the stream.
func explainStream(err error) error {
	switch sqlState(err) {
	case codeUndefinedObject:
		// The publication did not exist at that place in the WAL, and will not have existed there the next time either.
		return lostf("decode the WAL: %s", message(err))
	case codeObjectNotInState:
		return lostf("read the slot: %s", message(err)) // invalidated while it was read
	}
	return fmt.Errorf("replication stream ended by the server: %w", err)
}

// message returns what the server said, or the innermost cause on one line.
func message(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Message
	}
	text := strings.TrimSpace(err.Error())
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = strings.TrimSpace(text[i+1:])
	}
	return text
}
