package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/lab"
)

// disturb replays every trace, kills and restarts the sidecar half way, and tells of an exit that fails.
func (s *sidecar) disturb(ctx context.Context, conn *pgx.Conn) error {
	traces, err := lab.Traces()
	if err != nil {
		return err
	}
	for i := range traces {
		if i == len(traces)/2 {
			say("kill -9")
			s.kill()
		}
		if err := replay(ctx, conn, &traces[i]); err != nil {
			return err
		}
		if i == len(traces)/2 {
			say("starting it again; it continues from its last Kafka transaction")
			if err := s.restart(ctx); err != nil {
				return err
			}
		}
	}
	return fail(ctx, conn)
}

// fail writes an exit that fails until its trade is closed with its tokens. Its ten minutes pass in a moment, so that it is told
// as abandoned and not as pending before.
func fail(ctx context.Context, conn *pgx.Conn) error {
	say("an exit fails at each tick; then the trade is closed with 7,960 tokens left")
	for _, step := range lab.FailedExit() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
		if _, err := conn.Exec(ctx, step.SQL); err != nil {
			return err
		}
	}
	return nil
}

// replay writes one trace. The traces share their rows, so what an earlier one left is deleted first.
func replay(ctx context.Context, conn *pgx.Conn, trace *lab.Trace) error {
	say("%s", trace.Name)
	if _, err := conn.Exec(ctx, "delete from token_timeframe_blocks; delete from lowcap_positions"); err != nil {
		return err
	}
	if err := trace.Prepare(ctx, conn); err != nil {
		return err
	}
	for i := range trace.Log {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
		if err := trace.Log[i].Apply(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}
