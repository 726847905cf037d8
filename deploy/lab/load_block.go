package lab

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// block draws a write to an entry block; each string is one transaction.
func (l *Load) block(n int) []string {
	book := "onchain_crypto"
	if n == 0 {
		book = "social" // a block that the bot never looks at
	}
	where := fmt.Sprintf("where token_contract = 'C%d' and book_id = '%s'", n, book)
	switch l.random.IntN(8) {
	case 0, 1: // a failure of both stages is two upserts, milliseconds apart
		return []string{upsertBlock(n, book, "blocked_s1, last_s1_failure_ts"), upsertBlock(n, book, "blocked_s2, last_s2_failure_ts")}
	case 2, 3: // a failure of stage 1 blocks both, and leaves only its own timestamp
		return []string{upsertBlock(n, book, "blocked_s1, blocked_s2, last_s1_failure_ts")}
	case 4, 5: // a success clears stage 1
		return []string{"update token_timeframe_blocks set blocked_s1 = false, last_success_ts = clock_timestamp() " + where}
	case 6: // an operator clears, or leaves NULL behind
		return []string{fmt.Sprintf("update token_timeframe_blocks set blocked_s1 = %s, blocked_s2 = false %s",
			pick(l.random, "null", "false", "true"), where)}
	}
	return []string{"delete from token_timeframe_blocks " + where}
}

// upsertBlock sets the flags among the columns to true and the timestamps to now.
func upsertBlock(n int, book, columns string) string {
	values := make([]string, 0, 3)
	sets := make([]string, 0, 3)
	for _, c := range strings.Split(columns, ", ") {
		value := "true"
		if strings.HasSuffix(c, "_ts") {
			value = "clock_timestamp()"
		}
		values, sets = append(values, value), append(sets, c+" = excluded."+c)
	}
	return fmt.Sprintf(`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, book_id, %s)
		values ('C%d', 'solana', '1h', '%s', %s)
		on conflict (token_contract, token_chain, timeframe, book_id) do update set %s`,
		columns, n, book, strings.Join(values, ", "), strings.Join(sets, ", "))
}

// WriteHuge blocks, clears and deletes many tokens in one transaction: three events for each, more than a batch holds
// from 4,000 on.
func (l *Load) WriteHuge(ctx context.Context, conn *pgx.Conn, tokens int) error {
	l.step++
	_, err := conn.Exec(ctx, fmt.Sprintf(`begin;
		insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
			select 'H%[1]d-' || i, 'solana', '1h', true, now() from generate_series(1, %[2]d) i;
		update token_timeframe_blocks set blocked_s1 = false where token_contract like 'H%[1]d-%%';
		delete from token_timeframe_blocks where token_contract like 'H%[1]d-%%'; commit`, l.step, tokens))
	if err != nil {
		return fmt.Errorf("load: huge transaction: %w", err)
	}
	return nil
}
