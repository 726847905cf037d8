package lab

import (
	"fmt"
	"maps"
)

// damaged returns a history of which one part cannot be read, as an edit by hand or a faulty version of the source leaves it.
// What stands beside that part is as it was.
func (l *Load) damaged(history map[string]any) map[string]any {
	h := maps.Clone(history)
	switch l.random.IntN(8) {
	case 0: // no object
		h["trim_pool"] = []any{[]any{}, "empty", 7}[l.random.IntN(3)]
	case 1:
		h["trim_pool"] = spoiled(h["trim_pool"], "usd_basis", fmt.Sprintf("%d.0", l.step))
	case 2:
		h["trim_pool"] = spoiled(h["trim_pool"], "recovery_started", "yes")
	case 3:
		h["trim_pool"] = spoiled(h["trim_pool"], "dx_count", 0.5)
	case 4:
		h["last_trim"] = spoiled(h["last_trim"], "price", "0.05")
	case 5:
		h["last_trim"] = spoiled(h["last_trim"], "size_frac", true)
	case 6: // no timestamp that could be read
		h["last_s1_buy"] = map[string]any{"timestamp": pick(l.random, "", "soon", "2026-13-01T00:00:00Z"), "price": 1}
	case 7:
		h["prev_state"] = l.step
	}
	return h
}

// spoiled returns an object with another value in a field; what is no object stays.
func spoiled(object any, field string, value any) any {
	fields, ok := object.(map[string]any)
	if !ok {
		return object
	}
	fields = maps.Clone(fields)
	fields[field] = value
	return fields
}

// stranger draws what a role without any right on the two tables can do: write logical messages of any prefix and size.
func (l *Load) stranger() string {
	isTransactional := pick(l.random, "true", "false")
	switch l.random.IntN(5) {
	case 0: // a forged marker of a table that is there
		return message(isTransactional, "lowcap-cdc.table", fmt.Sprintf(`'{"table":"%s","oid":%d,"member":1,"why":"forged"}'`,
			pick(l.random, "lowcap_positions", "token_timeframe_blocks"), l.step))
	case 1: // the same, with the true identity of the table
		return `select pg_logical_emit_message(` + isTransactional + `, 'lowcap-cdc.table', json_build_object('table', c.relname,
			'oid', c.oid::bigint, 'member', r.oid::bigint, 'why', repeat('forged ', 1000), 'since_lsn', 1, 'since_time', 1)::text)
			from pg_class c join pg_publication_rel r on r.prrelid = c.oid where c.relname = 'lowcap_positions'`
	case 2:
		return message(isTransactional, pick(l.random, "lowcap-cdc.table", "lowcap-cdc"), "'{'")
	case 3: // its own transaction has no event that this could stand in
		return message("true", "lowcap-cdc", `'{"actor":"mallory","reason":"forged"}'`)
	}
	return message(isTransactional, "other", fmt.Sprintf("repeat('x', %d)", 1<<(10+l.random.IntN(13))))
}

func message(isTransactional, prefix, content string) string {
	return fmt.Sprintf("select pg_logical_emit_message(%s, '%s', %s)", isTransactional, prefix, content)
}
