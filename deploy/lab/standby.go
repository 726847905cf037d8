package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Standby makes a physical standby of the server, from a copy of its data while it is stopped for a moment, and starts
// both. The copy has none of the primary's slots, as one of pg_basebackup; the standby keeps failover slots where its version can.
func (p *Postgres) Standby(ctx context.Context) (*Postgres, error) {
	if err := p.Stop(ctx, "fast"); err != nil {
		return nil, err
	}
	s := &Postgres{bin: p.bin, owner: p.owner, settings: p.settings}
	var err error
	if s.dir, err = os.MkdirTemp("", "lowcap-pg"); err != nil {
		return nil, err
	}
	if s.Port, err = FreePort(); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", p.Data(), s.dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the primary's data: %w: %s", err, out)
	}
	slots, err := filepath.Glob(filepath.Join(s.Data(), "pg_replslot", "*"))
	for _, slot := range slots {
		err = errors.Join(err, os.RemoveAll(slot))
	}
	if err != nil {
		return nil, err
	}
	if s.owner != nil {
		if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			return nil, err
		}
	}
	follow := fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres dbname=postgres'\n"+
		"primary_slot_name = 'standby'\nhot_standby_feedback = on\n", p.Port)
	if p.keepsFailoverSlots() {
		follow += "sync_replication_slots = on\n"
	}
	if err := errors.Join(appendFile(filepath.Join(s.Data(), "postgresql.auto.conf"), follow),
		appendFile(filepath.Join(s.Data(), "standby.signal"), "")); err != nil {
		return nil, err
	}
	return s, errors.Join(p.Start(ctx), s.Start(ctx))
}

// keepsFailoverSlots reports whether the server is of a version (17) that does.
func (p *Postgres) keepsFailoverSlots() bool {
	content, err := os.ReadFile(filepath.Join(p.Data(), "PG_VERSION"))
	return err == nil && string(content) >= "17"
}

// Promote makes a standby the primary.
func (p *Postgres) Promote(ctx context.Context) error {
	return p.command(ctx, "pg_ctl", "-D", p.Data(), "-w", "promote")
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
