package pg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc/check"
)

// provider is who runs the server: what can be changed there, and by whom. docs/managed-postgres.md has the sources.
type provider struct {
	name      string
	roles     []string          // that only its servers have
	settings  []string          // likewise
	hosts     []string          // how the names of its hosts end
	parameter string            // how a parameter is set, with its name and value
	instead   map[string]string // how those are set that have another name there, or cannot be set
	replicate string            // what gives a role, %s, the right to replicate
	statement string            // the same as SQL, where it is more than an attribute of the role
	notes     string            // what surprises there
	major     int               // version of this server
	evidence  string            // by what it was recognised
}

// own is a server that nobody else runs, or nobody whom we know.
var own = provider{replicate: "alter role %s replication"}

const neonLimit = "ask Neon: it sets this itself, and removes a slot that nobody reads after about 40 hours"

// providers are those that check knows, the more special before the more general.
var providers = []provider{
	{
		name: "Supabase", roles: []string{"supabase_admin"}, settings: []string{"supautils.reserved_roles"}, hosts: []string{".supabase.co", ".supabase.com"},
		parameter: "supabase --experimental --project-ref REF postgres-config update --config %s=%s",
		replicate: "alter role %s with replication, as postgres",
		notes: "the direct connection, db.REF.supabase.co:5432, has only an IPv6 address without the IPv4 add-on, and no pooler can replicate; " +
			"an upgrade of the project drops the slot",
	},
	{
		name: "Amazon Aurora", hosts: nil, // recognised by its function
		parameter: "set %s = %s in the cluster's parameter group",
		instead: map[string]string{
			"wal_level": "set rds.logical_replication = 1 in the cluster's parameter group, and reboot the writer",
		},
		replicate: "grant rds_replication to %s", statement: "grant rds_replication to %s",
		notes: "RDS Proxy cannot replicate: connect to the cluster's writer endpoint; after a blue/green switch the slot is missing",
	},
	{
		name: "Amazon RDS", roles: []string{"rds_superuser", "rdsadmin"}, settings: []string{"rds.extensions", "rds.logical_replication"},
		hosts:     []string{".rds.amazonaws.com", ".rds.amazonaws.com.cn"},
		parameter: "set %s = %s in the instance's parameter group",
		instead: map[string]string{
			"wal_level": "set rds.logical_replication = 1 in the instance's parameter group, and reboot the instance",
		},
		replicate: "grant rds_replication to %s", statement: "grant rds_replication to %s",
		notes: "RDS Proxy cannot replicate: connect to the instance itself; a major upgrade asks that slots are dropped first",
	},
	{
		name: "Google Cloud SQL", roles: []string{"cloudsqlsuperuser", "cloudsqladmin"}, settings: []string{"cloudsql.logical_decoding", "cloudsql.iam_authentication"},
		parameter: "set the instance's database flag %s = %s",
		instead: map[string]string{
			"wal_level": "set the instance's database flag cloudsql.logical_decoding = on; the instance restarts",
		},
		replicate: "alter user %s with replication, as a member of cloudsqlsuperuser",
		notes:     "point-in-time recovery and clones come up without the slot",
	},
	{
		name: "Azure Database for PostgreSQL", roles: []string{"azure_pg_admin", "azuresu"}, settings: []string{"azure.extensions"},
		hosts:     []string{".postgres.database.azure.com"},
		parameter: "set the server parameter %s = %s",
		replicate: "alter role %s with replication, as the server's administrator",
		notes:     "port 6432 is the built-in PgBouncer: connect to 5432; before Postgres 17 a failover may lose the slot",
	},
	{
		name: "Neon", roles: []string{"neon_superuser"}, settings: []string{"neon.tenant_id", "neon.timeline_id"}, hosts: []string{".neon.tech", ".neon.build"},
		parameter: "ask Neon to set %s = %s",
		instead: map[string]string{
			"wal_level":                     "enable logical replication in the project's settings; it restarts all computes and cannot be undone",
			"max_slot_wal_keep_size":        neonLimit,
			"idle_replication_slot_timeout": neonLimit,
		},
		replicate: "alter role %s with replication, or connect as a role that the console, the CLI or the API has made",
		notes: "hosts with -pooler in their name cannot replicate; a slot that nobody reads is removed after about 40 hours, and restoring a branch " +
			"removes all; while the sidecar runs the compute never scales to zero",
	},
}

// readProvider recognises who runs the server by what it says of itself, and only then by the name of the host. What cannot be
// read is no evidence.
func readProvider(ctx context.Context, conn *pgx.Conn, c Config) *provider {
	var roles, settings, foundRoles, foundSettings []string
	for i := range providers {
		roles, settings = append(roles, providers[i].roles...), append(settings, providers[i].settings...)
	}
	found, aurora := own, false
	conn.QueryRow(ctx, `select current_setting('server_version_num')::int / 10000, array(select rolname::text from pg_roles where rolname = any($1)),
		exists (select from pg_proc where proname = 'aurora_version')`, roles).Scan(&found.major, &foundRoles, &aurora) //nolint:errcheck // see above
	bySetting := conn.QueryRow(ctx, `select array(select name from unnest($1::text[]) name where current_setting(name, true) <> '')`, settings)
	bySetting.Scan(&foundSettings) //nolint:errcheck // see above
	host := conn.Config().Host
	for i := range providers {
		p := providers[i]
		p.major = found.major
		if p.evidence = p.recognise(foundRoles, foundSettings, host, aurora); p.evidence != "" {
			return &p
		}
	}
	return &found
}

// recognise returns what speaks for the provider; nothing speaks against one.
func (p *provider) recognise(roles, settings []string, host string, aurora bool) string {
	if p.name == "Amazon Aurora" && aurora {
		return "function aurora_version"
	}
	for _, role := range p.roles {
		if slices.Contains(roles, role) {
			return "role " + role
		}
	}
	for _, setting := range p.settings {
		if slices.Contains(settings, setting) {
			return "setting " + setting
		}
	}
	for _, ending := range p.hosts {
		if strings.HasSuffix(strings.ToLower(host), ending) {
			return "host " + host
		}
	}
	return ""
}

// set returns how a parameter is set on this server.
func (p *provider) set(name, value string, restart bool) string {
	switch {
	case p.instead[name] != "":
		return p.instead[name]
	case p.name != "" && restart:
		return fmt.Sprintf(p.parameter, name, value) + ", and restart Postgres"
	case p.name != "":
		return fmt.Sprintf(p.parameter, name, value)
	case restart:
		return "alter system set " + name + " = " + value + ", and restart Postgres"
	}
	if strings.Trim(value, "0123456789") != "" {
		value = quoteLiteral(value)
	}
	return "alter system set " + name + " = " + value + "; select pg_reload_conf()"
}

// grant returns what gives a role, quoted, the right to replicate.
func (p *provider) grant(role string) string {
	if p.name == "Supabase" && p.major < 17 {
		return "lowcap-cdc check as postgres: below Postgres 17 no other role of Supabase may replicate"
	}
	return fmt.Sprintf(p.replicate, role)
}

// statements returns the SQL that lets a role, quoted, log in and replicate.
func (p *provider) statements(role string) []string {
	if p.statement == "" {
		return []string{"alter role " + role + " with login replication"}
	}
	return []string{"alter role " + role + " with login", fmt.Sprintf(p.statement, role)}
}

// check says who runs the server, and what surprises there; nothing of a server that nobody else runs.
func (p *provider) check() []check.Finding {
	if p.name == "" {
		return nil
	}
	return []check.Finding{{Name: "provider", Severity: check.OK, Detail: fmt.Sprintf("%s, by its %s: %s", p.name, p.evidence, p.notes)}}
}
