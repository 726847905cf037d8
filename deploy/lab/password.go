package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// RequirePasswords makes the server ask everybody but postgres for a password.
func (p *Postgres) RequirePasswords(t testing.TB) {
	t.Helper()
	rules := "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n" +
		"host replication all 127.0.0.1/32 scram-sha-256\n"
	if err := os.WriteFile(filepath.Join(p.Data(), "pg_hba.conf"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.command(t.Context(), "pg_ctl", "-D", p.Data(), "reload"); err != nil {
		t.Fatal(err)
	}
}
