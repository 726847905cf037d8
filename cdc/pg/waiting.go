package pg

import (
	"context"
	"time"
)

// waitingAfter is how long a slot's creation may take before the operator is told what it waits for, and how often that is
// looked at again.
const waitingAfter = 2 * time.Second

// sayWaiting begins to tell what a slot's creation waits for, until end is called.
func sayWaiting(ctx context.Context, c Config) (end func()) {
	waiting, created := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		tellWaiting(waiting, c)
	}()
	return func() { created(); <-told }
}

// tellWaiting tells the operator whose open transactions the creation of a slot waits for: every one that has written must
// end first. It goes on until ctx ends, and says the same only once.
func tellWaiting(ctx context.Context, c Config) {
	ticker := time.NewTicker(waitingAfter)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text, err := openTransactions(ctx, c)
		if err == nil && text != "" && text != said {
			c.notice("the slot can only be created when every open transaction that has written is over; it waits for " + text)
			said = text
		}
	}
}

// openTransactions names the transactions that have written and are still open, the oldest first, at most three of them.
func openTransactions(ctx context.Context, c Config) (text string, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	err = conn.QueryRow(ctx, `select coalesce(string_agg(who, ', ' order by age desc), '') from (
		select who, age from (
			select `+processOf("o.pid")+` || coalesce(' since ' || to_char(o.xact_start, 'YYYY-MM-DD HH24:MI:SS'), '') as who, age(o.backend_xid) as age
			from pg_stat_activity o where o.backend_xid is not null and o.pid <> pg_backend_pid()
			union all
			select format('prepared transaction %L of %s since %s', x.gid, x.owner, to_char(x.prepared, 'YYYY-MM-DD HH24:MI:SS')), age(x.transaction)
			from pg_prepared_xacts x) every
		order by age desc limit 3) oldest`).Scan(&text)
	return text, err
}
