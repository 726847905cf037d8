package pg

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
)

// TestProviders: check recognises who runs a server by its roles, its settings or the name of its host, and gives that
// provider's words: for what cannot be set by SQL there, and for the right to replicate.
func TestProviders(t *testing.T) {
	t.Parallel()
	for _, major := range []string{"16", "17"} {
		server, err := startServer(t, major, "wal_level=replica", "max_slot_wal_keep_size=-1")
		if err != nil {
			t.Fatal(err)
		}
		p := newPlaceOn(t, server, "")
		p.exec(`create role cdc login`)
		for name, c := range map[string]struct {
			role, setting, host string
			says                [4]string // provider, wal_level, replication right, outage
		}{
			"nobody": {says: [4]string{"", "alter system set wal_level = logical, and restart Postgres", `alter role "cdc" replication`, "alter system set max_slot_wal_keep_size = '50GB'"}},
			"Supabase": {"supabase_admin", "supautils.reserved_roles", "db.abcdefgh.supabase.co", [4]string{
				"Supabase, by its ", "postgres-config update --config wal_level=logical", map[string]string{
					"16": "below Postgres 17 no other role", "17": `alter role "cdc" with replication, as postgres`}[major],
				"postgres-config update --config max_slot_wal_keep_size=50GB"}},
			"RDS": {"rds_superuser", "rds.extensions", "x.abc.eu-west-1.rds.amazonaws.com", [4]string{
				"Amazon RDS, by its ", "rds.logical_replication = 1 in the instance's parameter group", `grant rds_replication to "cdc"`, "instance's parameter group"}},
			"Cloud SQL": {"cloudsqlsuperuser", "cloudsql.iam_authentication", "", [4]string{
				"Google Cloud SQL, by its ", "cloudsql.logical_decoding = on", `alter user "cdc" with replication`, "database flag max_slot_wal_keep_size = 50GB"}},
			"Azure": {"azure_pg_admin", "azure.extensions", "x.postgres.database.azure.com", [4]string{
				"Azure Database for PostgreSQL, by its ", "server parameter wal_level = logical", "as the server's administrator", "server parameter max_slot_wal_keep_size"}},
			"Neon": {"neon_superuser", "neon.tenant_id", "ep-cool-name-123456.eu-central-1.aws.neon.tech", [4]string{
				"Neon, by its ", "enable logical replication in the project's settings", "the console, the CLI or the API", "about 40 hours"}},
		} {
			for by, evidence := range map[string]struct{ do, undo, host string }{
				"role":    {"create role " + c.role, "drop role " + c.role, ""},
				"setting": {fmt.Sprintf("alter role cdc set %s = 'x'", c.setting), "alter role cdc reset all", ""},
				"host":    {"select 1", "select 1", c.host},
			} {
				if (by == "role" && c.role == "") || (by == "setting" && c.setting == "") || (by == "host" && c.host == "") && c.role != "" {
					continue
				}
				p.exec(evidence.do)
				config := p.as("cdc")
				if evidence.host != "" {
					config.DSN = strings.Replace(config.DSN, "127.0.0.1", evidence.host, 1) + "&hostaddr=127.0.0.1"
				}
				p.hears(name+" by "+by+" on "+major, config, c.says)
				p.exec(evidence.undo)
			}
		}
		p.exec(`create function public.aurora_version() returns text language sql as $$ select '1' $$`)
		p.hears("Aurora", p.as("cdc"), [4]string{"Amazon Aurora, by its function", "in the cluster's parameter group", "grant rds_replication", "cluster's parameter group"})
	}
}

// hears fails unless check says what is wanted, and nothing of alter system where somebody else runs the server.
func (p *place) hears(what string, c Config, says [4]string) {
	p.t.Helper()
	said := make(map[string]check.Finding)
	for _, f := range Check(p.t.Context(), c, &cdc.Checkpoint{}) {
		said[f.Name] = f
		if says[0] != "" && strings.Contains(f.Repair, "alter system") {
			p.t.Errorf("%s: %s: run %q", what, f.Name, f.Repair)
		}
	}
	if f, there := said["provider"]; there != (says[0] != "") || !strings.HasPrefix(f.Detail, says[0]) {
		p.t.Errorf("%s: provider %q, want %q", what, f.Detail, says[0])
	}
	for i, name := range []string{"wal_level", "replication right", "outage"} {
		if f := said[name]; f.Severity == check.OK || !strings.Contains(f.Repair, says[i+1]) {
			p.t.Errorf("%s: %s: %s %q, run %q, want %q", what, name, f.Severity, f.Detail, f.Repair, says[i+1])
		}
	}
}

// TestGrantsOfProviders: the statements for the administrator are those that work there.
func TestGrantsOfProviders(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(`create role cdc login; create role rds_superuser; create role rds_replication`)
	grants, err := Grants(t.Context(), p.as("cdc"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range grants {
		p.exec(sql)
	}
	if got := strings.Join(grants, "; "); strings.Contains(got, "login replication") || !strings.Contains(got, `grant rds_replication to "cdc"`) {
		t.Errorf("%s", got)
	}
}

// TestPooler: in front of the server there is a pooler. One that refuses what it does not know, and one that takes no notice of
// it: check and run say what answers, and where to connect instead.
func TestPooler(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	for name, ignored := range map[string][]string{"refuses": nil, "takes no notice": append(parameterNames(), "replication")} {
		pooler, err := p.server.StartPooler(t.Context(), ignored...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pooler.Close() }) //nolint:errcheck // the test is over
		for host, want := range map[string]string{
			"127.0.0.1":                                             "set --postgres to the host and port of Postgres itself",
			"aws-0-eu-central-1.pooler.supabase.com":                "Supabase's direct connection, db.REF.supabase.co:5432",
			"db.abcdefgh.supabase.co":                               "set --postgres to port 5432: Supabase's pooler",
			"ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech": "set --postgres to ep-cool-name-123456.eu-central-1.aws.neon.tech",
			"x.proxy-abc.eu-west-1.rds.amazonaws.com":               "RDS Proxy cannot replicate",
		} {
			config := p.config
			config.DSN = strings.Replace(pooler.DSN(p.name), "127.0.0.1", host, 1) + "&hostaddr=127.0.0.1"
			said := ""
			for _, f := range Check(t.Context(), config, &cdc.Checkpoint{}) {
				if f.Severity == check.Fail && strings.Contains(f.Detail+f.Repair, "pooler") {
					said += f.Detail + f.Repair
				}
			}
			if !strings.Contains(said, want) {
				t.Errorf("%s: check of %s: %q, want %q", name, host, said, want)
			}
			if _, err := New(config).Start(t.Context(), startOf()); err == nil || !IsPermanent(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: run on %s: %v, want %q", name, host, err, want)
			}
		}
	}
}

func parameterNames() (names []string) {
	for name := range sessionParameters {
		names = append(names, name)
	}
	return names
}

// TestOnlyIPv6: a server that listens at an IPv6 address only, by its address and by a name.
func TestOnlyIPv6(t *testing.T) {
	t.Parallel()
	server, err := startServerAt(t, "::1")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(rowA)
	for host, dsn := range map[string]string{"address": p.config.DSN, "name": strings.Replace(p.config.DSN, "[::1]", "db.example.com", 1) + "&hostaddr=::1"} {
		config := p.config
		config.DSN, config.Slot = dsn, p.name+host
		for _, f := range Check(t.Context(), config, &cdc.Checkpoint{}) {
			if f.Severity == check.Fail && f.Name != "publication" {
				t.Errorf("%s: %s: %s", host, f.Name, f.Detail)
			}
		}
		to := newMemorySink()
		if err := p.runAs(config, to, ""); err != nil || to.count() == 0 {
			t.Errorf("%s: %d events, %v", host, to.count(), err)
		}
	}
}

// TestNoIPv6: what is said where a host has only an IPv6 address and this one has no way to it.
func TestNoIPv6(t *testing.T) {
	t.Parallel()
	dial := func(ip string, errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 5432}, Err: os.NewSyscallError("connect", errno)}
	}
	v6, v4 := dial("2a05:d014::1", syscall.ENETUNREACH), dial("10.0.0.1", syscall.ECONNREFUSED)
	for name, c := range map[string]struct {
		err  error
		host string
		want string
	}{
		"only IPv6": {fmt.Errorf("failed: %w", errors.Join(v6)), "db.example.com", "only an IPv6 address"},
		"Supabase":  {errors.Join(dial("2a05:d014::1", syscall.EADDRNOTAVAIL), v6), "db.abcdefgh.supabase.co", "IPv4 add-on"},
		"both":      {errors.Join(v6, v4), "db.example.com", ""},
		"refused":   {dial("2a05:d014::1", syscall.ECONNREFUSED), "db.example.com", ""},
	} {
		got := explainUnreachable(c.err, c.host)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if full := explainConnect(c.err, &pgconn.Config{Host: c.host, Port: 5432, User: "cdc"}).Error(); !strings.Contains(full, c.want) {
			t.Errorf("%s: %q", name, full)
		}
	}
}

// TestIdleTimeout: Postgres 18 takes a slot away that nobody reads. check says so before, and a run that comes too late knows
// that the slot is lost, and why.
func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "18", "idle_replication_slot_timeout=1s")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(rowA)
	to := newMemorySink()
	p.mustRun(to)
	if f := p.finds(p.config, "outage"); f.Severity != check.Warn || !strings.Contains(f.Detail, "a slot that nobody reads is lost after 1s") {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	p.until("the slot is taken away", func() bool {
		p.exec(`checkpoint`)
		return p.ask(`select coalesce(max(invalidation_reason), '') from pg_replication_slots where slot_name = '`+p.config.Slot+`'`) == "idle_timeout"
	})
	if f := p.finds(p.config, "slot"); f.Severity != check.Fail {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	p.exec(clear)
	var lost *LostError
	if err := p.run(to); !errors.As(err, &lost) {
		t.Fatalf("%v is no lost slot", err)
	}
	before := to.count()
	if err := p.runAs(p.config, to, lost.Why); err != nil {
		t.Fatal(err)
	}
	if got := to.since(before); !strings.HasPrefix(got, "stream.gap ") || !strings.Contains(got, "entry_block.cleared") {
		t.Errorf("%s", got)
	}
}
