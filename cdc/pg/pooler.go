package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATE codes of what does not know replication.
const (
	codeProtocolViolation  = "08P01" // PgBouncer, of a parameter that a session of ours needs
	codeSyntax             = "42601" // Supavisor, which gives an ordinary connection, of a replication command
	codeTooManyConnections = "53300"
)

// tryReplication opens a connection as the stream does, asks who is there, and closes it. It changes nothing.
func (c Config) tryReplication(ctx context.Context) error {
	conn, err := c.connectReplication(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	_, err = c.identifySystem(ctx, conn)
	return err
}

// identifySystem asks a replication connection which system is behind it.
func (c Config) identifySystem(ctx context.Context, conn *pgconn.PgConn) (pglogrepl.IdentifySystemResult, error) {
	system, err := pglogrepl.IdentifySystem(ctx, conn)
	switch {
	case err == nil:
		return system, nil
	case sqlState(err) == codeSyntax:
		config, _ := parseDSN(c.DSN) // it has connected
		return system, &Permanent{&pooledError{fmt.Sprintf("%s gave an ordinary connection for one that replicates, as a pooler does; %s",
			at(config.Host, config.Port), direct(config.Host, config.Port))}}
	}
	return system, fmt.Errorf("identify system: %s", message(err))
}

// pooledError says that a pooler answers in place of the server.
type pooledError struct{ what string }

func (e *pooledError) Error() string { return e.what }

func at(host string, port uint16) string { return net.JoinHostPort(host, strconv.Itoa(int(port))) }

// direct says what to connect to where a pooler answers.
func direct(host string, port uint16) string {
	lower := strings.ToLower(host)
	switch {
	case strings.HasSuffix(lower, ".pooler.supabase.com"):
		return "set --postgres to Supabase's direct connection, db.REF.supabase.co:5432 and a user without .REF: Supavisor cannot replicate on any port"
	case strings.HasSuffix(lower, ".supabase.co") && port != 5432:
		return "set --postgres to port 5432: Supabase's pooler cannot replicate"
	case strings.HasSuffix(lower, ".neon.tech") && strings.Contains(lower, "-pooler"):
		return "set --postgres to " + strings.Replace(host, "-pooler", "", 1) + ": Neon's pooler cannot replicate"
	case strings.HasSuffix(lower, ".postgres.database.azure.com") && port == 6432:
		return "set --postgres to port 5432: Azure's PgBouncer cannot replicate"
	case strings.Contains(lower, ".proxy-") && strings.HasSuffix(lower, ".rds.amazonaws.com"):
		return "set --postgres to the instance's or the cluster's own endpoint: RDS Proxy cannot replicate"
	}
	return "set --postgres to the host and port of Postgres itself"
}

// explainUnreachable says of an address that cannot be dialled why, where it is an IPv6 address and this host has none.
func explainUnreachable(err error, host string) string {
	all := dialErrors(err)
	for _, e := range all {
		address, ok := e.Addr.(*net.TCPAddr)
		if !ok || address.IP.To4() != nil {
			return ""
		}
	}
	for _, e := range all {
		for _, no := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
			if errors.Is(e.Err, no) {
				return noIPv6(host)
			}
		}
	}
	return ""
}

func noIPv6(host string) string {
	const what = "it has only an IPv6 address, and there is no way from this host to it"
	if strings.HasSuffix(strings.ToLower(host), ".supabase.co") {
		return what + "; give this host IPv6, or buy the project's IPv4 add-on: the pooler, which has an IPv4 address, cannot replicate"
	}
	return what + "; give this host IPv6, or the server an IPv4 address"
}

// dialErrors returns what became of each address of a host.
func dialErrors(err error) (all []*net.OpError) {
	switch e := err.(type) { //nolint:errorlint // it goes down the tree itself, to see all of them
	case *net.OpError:
		return []*net.OpError{e}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			all = append(all, dialErrors(one)...)
		}
	case interface{ Unwrap() error }:
		return dialErrors(e.Unwrap())
	}
	return all
}
