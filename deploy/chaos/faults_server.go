package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"time"
)

func (w *world) someBroker(random *rand.Rand) int { return random.IntN(len(w.kafka.Brokers)) }

func killBroker(ctx context.Context, w *world, random *rand.Rand) error {
	k := w.kafka.Brokers[w.someBroker(random)]
	if err := k.Kill(); err != nil {
		return err
	}
	return errors.Join(during(ctx, random, 0, time.Second), k.Start(ctx))
}

func stopBroker(ctx context.Context, w *world, random *rand.Rand) error {
	k := w.kafka.Brokers[w.someBroker(random)]
	if err := k.Stop(); err != nil {
		return err
	}
	return k.Start(ctx)
}

func freezeBroker(ctx context.Context, w *world, random *rand.Rand) error {
	k := w.kafka.Brokers[w.someBroker(random)]
	if err := k.Pause(); err != nil {
		return err
	}
	return errors.Join(during(ctx, random, 200*time.Millisecond, 4*time.Second), k.Continue())
}

// crashPostgres stops the server without a checkpoint; its next start is a crash recovery.
func crashPostgres(ctx context.Context, w *world, random *rand.Rand) error {
	if err := w.postgres.Stop(ctx, "immediate"); err != nil {
		return err
	}
	return errors.Join(during(ctx, random, 0, 500*time.Millisecond), w.postgres.Start(ctx))
}

// stopPostgres stops the server in order. It waits for the sidecar to take what is still to be sent.
func stopPostgres(ctx context.Context, w *world, _ *rand.Rand) error {
	if err := w.postgres.Stop(ctx, "fast"); err != nil {
		return err
	}
	return w.postgres.Start(ctx)
}

// killBackend kills the process that serves the sidecar. Postgres then ends all others and recovers as after a crash.
func killBackend(ctx context.Context, w *world, _ *rand.Rand) error {
	pid := 0
	err := eventually(ctx, "find the walsender", func() error {
		return w.ask(ctx, "select active_pid from pg_replication_slots where slot_name = 'disturbed' and active_pid is not null", &pid)
	})
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func terminateWalsender(ctx context.Context, w *world, _ *rand.Rand) error {
	return eventually(ctx, "terminate the walsender", func() error {
		return w.ask(ctx, "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'disturbed'")
	})
}
