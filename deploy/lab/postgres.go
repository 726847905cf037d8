// Package lab starts the real components that tests and the demo run against: Postgres and Kafka, each private, on free
// ports of this machine, gone when they are closed.
package lab

import (
	"cmp"
	"context"
	_ "embed" // the source's tables
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

//go:embed source.sql
var sourceSQL string

// Postgres is a private server.
type Postgres struct {
	Port         int
	host         string // the only address at which it listens; empty is 127.0.0.1
	dir, bin     string
	settings     []string
	certificates *Certificates       // nil without TLS
	environment  []string            // of the server; nil is the lab's own
	owner        *syscall.Credential // initdb and postgres refuse to run as root
}

// StartPostgres starts a server with wal_level=logical: of the major version that LOWCAP_CDC_POSTGRES_VERSION names, or
// the one that is installed. Settings are name=value pairs that come after the lab's own.
func StartPostgres(ctx context.Context, settings ...string) (*Postgres, error) {
	return StartPostgresOf(ctx, "", settings...)
}

// StartPostgresOf starts a server of a major version (14 to 18); empty is that of StartPostgres.
func StartPostgresOf(ctx context.Context, major string, settings ...string) (*Postgres, error) {
	return StartPostgresAt(ctx, "127.0.0.1", major, settings...)
}

// StartPostgresAt starts a server that listens at one address only.
func StartPostgresAt(ctx context.Context, host, major string, settings ...string) (*Postgres, error) {
	bin, err := programsOf(ctx, major)
	if err != nil {
		return nil, err
	}
	p, err := newPostgres(ctx, host, bin, settings)
	if err != nil {
		return nil, err
	}
	return p, p.Start(ctx)
}

// StartEncryptedPostgres starts a server that takes connections with TLS and without: see DSN and TLS.
func StartEncryptedPostgres(ctx context.Context, settings ...string) (*Postgres, error) {
	bin, err := programsOf(ctx, "")
	if err != nil {
		return nil, err
	}
	p, err := newPostgres(ctx, "127.0.0.1", bin, settings)
	if err != nil {
		return nil, err
	}
	if p.certificates, err = makeCertificates(p.dir); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	if p.owner != nil {
		if err := os.Chown(p.certificates.Server, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, err
		}
	}
	p.settings = append([]string{"ssl=on", "ssl_cert_file=" + p.certificates.Server, "ssl_key_file=" + p.certificates.Server}, settings...)
	return p, p.Start(ctx)
}

// newPostgres makes the files of a server; it does not start it.
func newPostgres(ctx context.Context, host, bin string, settings []string, args ...string) (p *Postgres, err error) {
	p = &Postgres{host: host, bin: bin, settings: settings}
	if p.owner, err = unprivileged(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "lowcap-pg"); err != nil {
		return nil, err
	}
	if p.owner != nil {
		if err := os.Chown(p.dir, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, err
		}
	}
	if p.Port, err = FreePort(); err != nil {
		return nil, err
	}
	args = append([]string{"-D", p.Data(), "-A", "trust", "-U", "postgres", "--no-sync"}, args...)
	return p, p.command(ctx, "initdb", args...)
}

// programsOf finds the programs of a major version; empty is that of StartPostgres.
func programsOf(ctx context.Context, major string) (string, error) {
	if major = cmp.Or(major, os.Getenv("LOWCAP_CDC_POSTGRES_VERSION")); major != "" {
		return postgresOf(ctx, major)
	}
	return postgresBin()
}

// postgresBin finds the programs of the server that is installed.
func postgresBin() (string, error) {
	if dir := os.Getenv("LOWCAP_CDC_PGBIN"); dir != "" {
		return dir, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		if path, err := exec.LookPath("initdb"); err == nil {
			return filepath.Dir(path), nil
		}
		return "", errors.New("no Postgres server found; run: apt-get install postgresql, or set LOWCAP_CDC_PGBIN to the directory of initdb")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, errU := strconv.ParseUint(u.Uid, 10, 32)
			gid, errG := strconv.ParseUint(u.Gid, 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errU, errG)
		}
	}
	return nil, errors.New("root cannot run Postgres, and there is no user postgres or nobody")
}

// Data returns the directory of the server's files.
func (p *Postgres) Data() string { return filepath.Join(p.dir, "data") }

// Program returns the path of one of the server's programs.
func (p *Postgres) Program(name string) string { return filepath.Join(p.bin, name) }

func (p *Postgres) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, p.Program(name), args...)
	cmd.Dir, cmd.Env = p.dir, p.environment
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// Start starts the server again after Stop, on the same port with the same data.
func (p *Postgres) Start(ctx context.Context) error {
	// pg_ctl leaves the server running with its output in a file, so that no pipe keeps this command waiting.
	return p.command(ctx, "pg_ctl", "-D", p.Data(), "-l", filepath.Join(p.dir, "log"), "-w", "-o", p.Options(), "start")
}

// Options returns the command line that the server is started with.
func (p *Postgres) Options() string {
	options := fmt.Sprintf("-p %d -k %s -h %s -c wal_level=logical -c max_replication_slots=20 -c max_wal_senders=20 "+
		"-c max_connections=60", p.Port, p.dir, p.address())
	for _, s := range p.settings {
		options += " -c " + s
	}
	return options
}

// Stop stops the server: mode is fast, or immediate for a crash.
func (p *Postgres) Stop(ctx context.Context, mode string) error {
	return p.command(ctx, "pg_ctl", "-D", p.Data(), "-m", mode, "-w", "stop")
}

// Close stops the server and removes its data.
func (p *Postgres) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return errors.Join(p.Stop(ctx, "immediate"), os.RemoveAll(p.dir))
}

func (p *Postgres) address() string { return cmp.Or(p.host, "127.0.0.1") }

// DSN returns the connection string of a database.
func (p *Postgres) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", net.JoinHostPort(p.address(), strconv.Itoa(p.Port)), database)
}

// TLS returns the connection string of a database of an encrypted server.
func (p *Postgres) TLS(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=verify-ca&sslrootcert=%s", p.Port, database, p.certificates.CA)
}

// CreateSource creates a database with the source's two tables, and returns a connection to it.
func (p *Postgres) CreateSource(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, p.DSN("postgres"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize()); err != nil {
		return nil, err
	}
	source, err := pgx.Connect(ctx, p.DSN(database))
	if err != nil {
		return nil, err
	}
	_, err = source.Exec(ctx, sourceSQL)
	return source, err
}
