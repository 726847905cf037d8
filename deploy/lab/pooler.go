package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Pooler is a PgBouncer in front of a server, as providers have one.
type Pooler struct {
	server  *Postgres
	port    int
	dir     string
	process *exec.Cmd
}

// StartPooler starts a PgBouncer in front of the server. It takes no notice of the session parameters that are named, and
// refuses others that it does not know.
func (p *Postgres) StartPooler(ctx context.Context, ignored ...string) (*Pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; !exists(program) {
			return nil, errors.New("no pooler found; run: apt-get install pgbouncer")
		}
	}
	b := &Pooler{server: p}
	if b.port, err = FreePort(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "lowcap-pooler"); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = trust\nauth_file = %s\npool_mode = transaction\nignore_startup_parameters = %s\n",
		p.address(), p.Port, b.port, filepath.Join(b.dir, "users"), strings.Join(ignored, ","))
	for name, content := range map[string]string{"config": config, "users": `"postgres" ""` + "\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // it refuses to run as root
		return nil, err
	}
	b.process = exec.CommandContext(context.WithoutCancel(ctx), program, "-q", filepath.Join(b.dir, "config"))
	b.process.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner, Pdeathsig: syscall.SIGKILL}
	if err := b.process.Start(); err != nil {
		return nil, fmt.Errorf("start PgBouncer: %w", err)
	}
	return b, b.waitReady(ctx)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (b *Pooler) waitReady(ctx context.Context) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", b.addr())
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return fmt.Errorf("PgBouncer did not start: %w", err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func (b *Pooler) addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// DSN returns the connection string of a database through the pooler.
func (b *Pooler) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", b.addr(), database)
}

// Port returns the port that it listens on.
func (b *Pooler) Port() int { return b.port }

// Close kills the pooler and removes its files.
func (b *Pooler) Close() error {
	b.process.Process.Kill() //nolint:errcheck // it may have ended
	b.process.Wait()         //nolint:errcheck // it was killed
	return os.RemoveAll(b.dir)
}
