package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/chaos/oracle"
)

// expected reads what the triggers wrote down.
func expected(ctx context.Context, conn *pgx.Conn) (oracle.Steps, error) {
	rows, err := conn.Query(ctx, "select position, entity, op, old, new from chaos_log order by ordinal")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	log := oracle.NewLog()
	for rows.Next() {
		var isPosition bool
		var entity, op string
		var was, is []byte
		if err := rows.Scan(&isPosition, &entity, &op, &was, &is); err != nil {
			return nil, err
		}
		log.Add(isPosition, entity, op, was, is)
	}
	return log.Steps, rows.Err()
}
