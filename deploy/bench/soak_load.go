package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// soakPlan is what a soak does, and for how long.
type soakPlan struct {
	lasting time.Duration
	every   time.Duration // between two samples
	count   time.Duration // between two counts of the state topic's records
	say     time.Duration // between two lines of progress
	rate    int           // writes a second, most of them one transaction
	blocks  int           // thousands of them that are known, and that nobody writes to
	tokens  int           // of a big transaction: three changes and three events each
	big     time.Duration // between two of them
	idle    time.Duration // between two stretches in which nothing is written
	idleFor time.Duration
}

// planFor is the load of a bot that is always at work.
func planFor(lasting time.Duration) soakPlan {
	return soakPlan{lasting: lasting, every: 10 * time.Second, count: time.Minute, say: time.Minute, rate: 150, blocks: 10,
		tokens: 5000, big: 5 * time.Minute, idle: 10 * time.Minute, idleFor: time.Minute}
}

// soakWriters write at once, so that rows are written by two that do not know of each other.
const soakWriters = 2

// load writes as the bot does, until it is told to end.
func (p soakPlan) load(ctx context.Context, dsn string, writer int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	writing := context.WithoutCancel(ctx)        // a transaction is made to its end
	load := lab.NewLoad(uint64(writer))
	tick := time.NewTicker(time.Second * soakWriters / time.Duration(p.rate))
	defer tick.Stop()
	began := time.Now()
	for next := p.big; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		since := time.Since(began)
		if since > p.idle && since%p.idle < p.idleFor {
			continue
		}
		if writer == 0 && since > next {
			next += p.big
			if err := load.WriteHuge(writing, conn, p.tokens); err != nil {
				return err
			}
		}
		if err := load.Write(writing, conn); err != nil {
			return err
		}
	}
}
