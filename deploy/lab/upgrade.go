package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PrepareUpgrade makes the files of a server of a later version, at the port of the one that it is to replace, for pg_upgrade to fill.
// It does not start it.
func (p *Postgres) PrepareUpgrade(ctx context.Context, major string) (*Postgres, error) {
	bin, err := postgresOf(ctx, major)
	if err != nil {
		return nil, err
	}
	var args []string
	if number, err := strconv.Atoi(major); err == nil && number >= 18 {
		args = []string{"--no-data-checksums"} // as the versions before have it
	}
	to, err := newPostgres(ctx, "", bin, p.settings, args...)
	if err != nil {
		return nil, err
	}
	to.Port = p.Port
	return to, nil
}

// Shell returns a line of a shell that runs as the server's owner, in its directory, with the server's programs first.
func (p *Postgres) Shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "PATH="+p.bin+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	return cmd
}

// Upgrade stops the server and makes another of a later version out of it with pg_upgrade, which is started.
func (p *Postgres) Upgrade(ctx context.Context, major string) (*Postgres, error) {
	if err := p.Stop(ctx, "fast"); err != nil {
		return nil, err
	}
	to, err := p.PrepareUpgrade(ctx, major)
	if err != nil {
		return nil, err
	}
	if to.Port, err = FreePort(); err != nil {
		return nil, err
	}
	const logical = "-c wal_level=logical -c max_replication_slots=20"
	err = to.command(ctx, "pg_upgrade", "-b", p.bin, "-B", to.bin, "-d", p.Data(), "-D", to.Data(), "-U", "postgres", "--no-sync",
		"-p", strconv.Itoa(p.Port), "-P", strconv.Itoa(to.Port), "-o", logical, "-O", logical)
	if err != nil {
		return nil, err
	}
	return to, to.Start(ctx)
}

// Restore makes the database of another server by a dump of this one's.
func (p *Postgres) Restore(ctx context.Context, database string, to *Postgres) error {
	conn, err := pgx.Connect(ctx, to.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if _, err := conn.Exec(ctx, "create database "+pgx.Identifier{database}.Sanitize()); err != nil {
		return err
	}
	dump := exec.CommandContext(ctx, p.Program("pg_dump"), "--dbname", p.DSN(database))
	restore := exec.CommandContext(ctx, p.Program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", to.DSN(database))
	var dumped, restored bytes.Buffer
	dump.Stderr, restore.Stderr = &dumped, &restored
	if restore.Stdin, err = dump.StdoutPipe(); err != nil {
		return err
	}
	if err := restore.Start(); err != nil {
		return err
	}
	if err := errors.Join(dump.Run(), restore.Wait()); err != nil {
		return fmt.Errorf("dump and restore: %w: %s%s", err, &dumped, &restored)
	}
	return nil
}

// Backup is a copy of a server's files, taken while it was stopped.
type Backup struct {
	of  *Postgres
	dir string
}

// Backup stops the server, copies its files, and starts it again.
func (p *Postgres) Backup(ctx context.Context) (*Backup, error) {
	if err := p.Stop(ctx, "fast"); err != nil {
		return nil, err
	}
	b := &Backup{of: p, dir: filepath.Join(p.dir, "backup")}
	if out, err := exec.CommandContext(ctx, "cp", "-a", p.Data(), b.dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the server's files: %w: %s", err, out)
	}
	return b, p.Start(ctx)
}

// RestoreTo makes another server of the backup and of the WAL that was written since, up to a place: recovery to a point in time.
// The server goes on, on a timeline of its own. The first server must be running, or its files be there.
func (b *Backup) RestoreTo(ctx context.Context, lsn string) (*Postgres, error) {
	p := &Postgres{bin: b.of.bin, settings: b.of.settings, owner: b.of.owner}
	var err error
	if p.dir, err = os.MkdirTemp("", "lowcap-pg"); err != nil {
		return nil, err
	}
	if p.Port, err = FreePort(); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", b.dir, p.Data()).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the backup: %w: %s", err, out)
	}
	recovery := fmt.Sprintf("restore_command = 'cp %s/pg_wal/%%f %%p'\nrecovery_target_lsn = '%s'\nrecovery_target_action = promote\n", b.of.Data(), lsn)
	if err := errors.Join(appendFile(filepath.Join(p.Data(), "postgresql.auto.conf"), recovery),
		appendFile(filepath.Join(p.Data(), "recovery.signal"), "")); err != nil {
		return nil, err
	}
	if p.owner != nil {
		if err := os.Chown(p.dir, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, err
		}
	}
	return p, p.Start(ctx)
}
