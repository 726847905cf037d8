package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// LoadPositions is how many positions a Load writes to.
	LoadPositions = 20
	loadBlocks    = 20
)

// Load writes like the source system and its operators do: whole documents read and written back without locking, stale
// copies, reverts and restores, values that cannot be read beside others that can, blocks milliseconds apart, deletes and
// inserts, savepoints that are rolled back, transactions of several rows, annotations; and messages of strangers. The same
// seed gives the same statements in the same order.
type Load struct {
	random *rand.Rand
	desks  [LoadPositions]desk
	step   int
}

// NewLoad returns a generator. Several may write to one database at once, each with its own seed and connection.
func NewLoad(seed uint64) *Load {
	l := &Load{random: rand.New(rand.NewPCG(seed, 1))}
	for i := range l.desks {
		l.desks[i] = newDesk(i)
	}
	return l
}

// SeedPositions inserts n positions; a Load writes to the first LoadPositions of them.
func SeedPositions(ctx context.Context, conn *pgx.Conn, n int) error {
	_, err := conn.Exec(ctx, SeedSQL(n))
	return err
}

// SeedSQL returns the statement that inserts n positions.
func SeedSQL(n int) string {
	return fmt.Sprintf(`insert into lowcap_positions (id, token_chain, token_contract, timeframe, features)
		select md5(i::text)::uuid, 'solana', 'X', 'p' || i, '{"pm_execution_history":{"prev_state":"S2"}}'
		from generate_series(0, %d - 1) i`, n)
}

// Write makes the next transactions, mostly one. A transaction that lost against another writer is rolled back and is
// no error. After any other error the connection should be replaced; the next Write continues.
func (l *Load) Write(ctx context.Context, conn *pgx.Conn) error { return write(ctx, conn, l.next()) }

// WriteTo is Write to one of the two tables only.
func (l *Load) WriteTo(ctx context.Context, conn *pgx.Conn, table string) error {
	l.step++
	if table == "token_timeframe_blocks" {
		return write(ctx, conn, l.block(l.random.IntN(loadBlocks)))
	}
	return write(ctx, conn, l.documents(l.random.IntN(LoadPositions)))
}

// write makes transactions, each of them one string.
func write(ctx context.Context, conn *pgx.Conn, all []string) error {
	for _, sql := range all {
		if _, err := conn.Exec(ctx, sql); err != nil {
			if !lostRace(err) {
				return fmt.Errorf("load: %.200s: %w", sql, err)
			}
			if _, err := conn.Exec(ctx, "rollback"); err != nil {
				return fmt.Errorf("load: rollback: %w", err)
			}
		}
	}
	return nil
}

// lostRace reports a deadlock, a serialization failure, or a key that another writer inserted first.
func lostRace(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && (strings.HasPrefix(server.Code, "40") || server.Code == "23505")
}

// next draws what to write; each string is one transaction.
func (l *Load) next() []string {
	l.step++
	position, block := l.random.IntN(LoadPositions), l.random.IntN(loadBlocks)
	switch draw := l.random.IntN(42); {
	case draw < 6:
		return []string{l.fill(position)}
	case draw < 22:
		return l.documents(position)
	case draw < 25:
		return []string{l.trade(position)}
	case draw < 26:
		return []string{fmt.Sprintf("update lowcap_positions set status = '%s' where timeframe = 'p%d'",
			pick(l.random, "active", "watchlist", "dormant", "paused"), position)}
	case draw < 28:
		return l.reinsert(position)
	case draw < 35:
		return l.block(block)
	case draw < 37:
		return []string{l.severalRows(position, block)}
	case draw < 39:
		return []string{l.savepoint(position, block)}
	case draw < 41:
		return []string{l.stranger()}
	}
	return []string{"begin; " + l.desks[position].write(l.history(position)) + "; rollback"}
}

func pick(random *rand.Rand, from ...string) string { return from[random.IntN(len(from))] }

// fill buys or sells a little. The history says nothing of it, so after two minutes without a record it is reported.
func (l *Load) fill(position int) string {
	sums := pick(l.random, "total_quantity = total_quantity + 1, total_tokens_bought = total_tokens_bought + 1",
		"total_quantity = greatest(total_quantity - 1, 0), total_tokens_sold = total_tokens_sold + 1",
		"total_quantity = total_quantity + 1")
	return fmt.Sprintf("update lowcap_positions set %s where timeframe = 'p%d'", sums, position)
}

// trade opens a trade, or closes it and appends it to the completed ones.
func (l *Load) trade(position int) string {
	return fmt.Sprintf(`update lowcap_positions set
		completed_trades = case when current_trade_id is null then completed_trades else completed_trades || '[{"trade":%[1]d,"pnl":1.50}]' end,
		closed_at = case when current_trade_id is null then closed_at else clock_timestamp() end, close_reason = 'state_transition',
		current_trade_id = case when current_trade_id is null then md5('%[1]d')::uuid end where timeframe = 'p%[2]d'`, l.step, position)
}

// reinsert deletes a row and inserts it with another id, in one transaction or in two, sometimes with its history.
func (l *Load) reinsert(position int) []string {
	gone := fmt.Sprintf("delete from lowcap_positions where timeframe = 'p%d'", position)
	features := "null"
	if l.random.IntN(2) == 0 {
		features = l.desks[position].features(l.desks[position].current)
	}
	back := fmt.Sprintf("insert into lowcap_positions (token_chain, token_contract, timeframe, features) values ('solana', 'X', 'p%d', %s)",
		position, features)
	if l.random.IntN(2) == 0 {
		return []string{gone, back}
	}
	return []string{gone + "; " + back}
}

func (l *Load) severalRows(position, block int) string {
	second := (position + 1) % LoadPositions
	return strings.Join([]string{"begin", l.annotation(), l.desks[position].write(l.history(position)),
		l.desks[second].write(l.history(second)),
		fmt.Sprintf("update lowcap_positions set status = 'active', state = 'S1' where timeframe < 'p%d'", l.random.IntN(5)),
		l.block(block)[0], "commit"}, "; ")
}

func (l *Load) savepoint(position, block int) string {
	return strings.Join([]string{"begin", l.desks[position].write(l.history(position)), "savepoint a",
		"update lowcap_positions set features = null, status = 'never'", "rollback to a", l.annotation(),
		fmt.Sprintf("delete from token_timeframe_blocks where token_contract = 'C%d'", block), "commit"}, "; ")
}

func (l *Load) annotation() string {
	return fmt.Sprintf(`select pg_logical_emit_message(true, 'lowcap-cdc', '{"actor":"op%d","reason":"load"}')`, l.step)
}
