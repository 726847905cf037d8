package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// messageRight says who may write logical messages into the WAL. Out of the box everybody may.
type messageRight struct {
	functions string // pg_logical_emit_message in its forms, as SQL names them
	own       bool   // this role may
	public    bool   // every role may
}

func readMessageRight(ctx context.Context, conn *pgx.Conn) (messageRight, error) {
	var r messageRight
	err := conn.QueryRow(ctx, `select string_agg(p.oid::regprocedure::text, ', ' order by p.oid), bool_and(has_function_privilege(p.oid, 'execute')),
		bool_or(exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0 and a.privilege_type = 'EXECUTE'))
		from pg_proc p where p.proname = 'pg_logical_emit_message' and p.pronamespace = 'pg_catalog'::regnamespace`).Scan(&r.functions, &r.own, &r.public)
	if err != nil {
		return r, fmt.Errorf("read who may write messages into the WAL: %w", err)
	}
	return r, nil
}

func (r *messageRight) revoke() string {
	return "revoke execute on function " + r.functions + " from public"
}

func (r *messageRight) grant(role string) string {
	return "grant execute on function " + r.functions + " to " + role
}
