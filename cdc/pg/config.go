// Package pg is the Postgres side of the pipeline: it owns the replication connection, the slot, the snapshot, and the
// checks of what the database must offer.
package pg

import (
	"context"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/decode"
)

// Config says where the source is and under which names it works.
type Config struct {
	DSN         string // as libpq reads it: a URL or key=value pairs, sslmode, passfile, service
	Schema      string // schema of the two tables
	Slot        string
	Publication string
	Temporary   bool                     // the slot dies with the connection: for looking
	Still       bool                     // write nothing into the WAL: a server is handed over
	Whole       bool                     // do not start when a table has left the stream and that is not told: it is handed over with this
	Hook        func(point string) error // called at "during-snapshot" and "before-confirm"; nil in production
	Notice      func(text string)        // told what an operator should know, from any goroutine; nil for nobody
	// Dial opens the connections; nil for TCP and Unix sockets. It is given names as --postgres has them.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Ignored func() // told of each record of who makes a change that is not the server's; nil for nobody
}

func (c Config) notice(text string) {
	if c.Notice != nil {
		c.Notice(text)
	}
}

func (c Config) hook(point string) error {
	if c.Hook == nil {
		return nil
	}
	return c.Hook(point)
}

// table returns a watched table's quoted, schema-qualified name.
func (c Config) table(t decode.Table) string { return pgx.Identifier{c.Schema, t.String()}.Sanitize() }

// role returns the name of the role that connects, quoted.
func (c Config) role() string {
	config, err := parseDSN(c.DSN)
	if err != nil {
		return "ROLE"
	}
	return pgx.Identifier{config.User}.Sanitize()
}

// sessionParameters take back what a role, a database or a server may have set: how values are printed, for the decoder
// reads one format only, and every limit that would end a snapshot or a wait.
var sessionParameters = map[string]string{
	"application_name": applicationName, "client_encoding": encodingUTF8,
	"TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex",
	"search_path": "pg_catalog", "standard_conforming_strings": "on", "quote_all_identifiers": "off",
	"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0", "idle_session_timeout": "0",
	"default_transaction_read_only": "off", "default_transaction_isolation": "read committed", "default_transaction_deferrable": "off",
	"synchronous_commit": "local", // a marker waits for no standby: it counts once it is in the WAL
	"jit":                "off",   // it takes longer than any of the queries
	"row_security":       "off",   // a snapshot that row-level security would thin out is an error
}

// preparedStatements is how many of them a session keeps. The driver makes room for 512, twice, and no session gives ten.
const preparedStatements = 16

// connect opens an ordinary connection.
func (c Config) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := parseDSN(c.DSN)
	if err != nil {
		return nil, &Permanent{fmt.Errorf("read --postgres: %w", err)}
	}
	c.prepare(&config.Config)
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = preparedStatements, 0
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, c.explainConnect(ctx, err, &config.Config)
	}
	return conn, nil
}

// connectReplication opens a connection on which replication commands can be given.
func (c Config) connectReplication(ctx context.Context) (*pgconn.PgConn, error) {
	config, err := parseDSN(c.DSN)
	if err != nil {
		return nil, &Permanent{fmt.Errorf("read --postgres: %w", err)}
	}
	c.prepare(&config.Config)
	config.RuntimeParams["replication"] = "database"
	config.DialFunc = gathering(config.DialFunc)
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, c.explainConnect(ctx, err, &config.Config)
	}
	return conn, nil
}

// prepare sets the session's parameters: those that every supported version has with the connection, the others after it.
func (c Config) prepare(config *pgconn.Config) {
	if c.Dial != nil {
		config.DialFunc = c.Dial
		config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	for name, value := range sessionParameters {
		config.RuntimeParams[name] = value
	}
	config.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if encodingOf(conn) == encodingASCII {
			if err := setRaw(ctx, conn); err != nil {
				return err
			}
		}
		if majorVersion(conn) < 17 {
			return nil
		}
		_, err := conn.Exec(ctx, "set transaction_timeout = 0").ReadAll()
		return err
	}
}

// End is Now that writes nothing: pg_upgrade refuses a slot that has not read all there is, and a message for one slot would be
// unread by another. What was committed asynchronously a moment ago may lie behind it.
func End(ctx context.Context, c Config) (decode.LSN, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only asked
	return flushed(ctx, conn)
}

// Now returns a place in the WAL such that everything committed before the call lies before it, and an idle server's
// stream reaches it. For that it writes one message into the WAL, which makes the server flush what it had committed
// asynchronously; a role that may not write messages does without.
func Now(ctx context.Context, c Config) (decode.LSN, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if err := checkPrimary(ctx, conn); err != nil {
		return 0, err
	}
	_, err = conn.Exec(ctx, `select pg_logical_emit_message(true, 'lowcap-cdc.until', '')`)
	if err != nil && sqlState(err) != codeNoPrivilege {
		return 0, fmt.Errorf("mark the end of the WAL: %w", err)
	}
	return flushed(ctx, conn)
}

func flushed(ctx context.Context, conn *pgx.Conn) (decode.LSN, error) {
	var lsn string
	if err := conn.QueryRow(ctx, `select pg_current_wal_flush_lsn()::text`).Scan(&lsn); err != nil {
		return 0, fmt.Errorf("read the end of the WAL: %w", err)
	}
	return decode.ParseLSN(lsn)
}
