package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

func killSidecar(_ context.Context, w *world, _ *rand.Rand) error {
	return w.sidecar.signal(syscall.SIGKILL)
}

func stopSidecar(_ context.Context, w *world, _ *rand.Rand) error {
	return w.sidecar.signal(syscall.SIGTERM)
}

func freezeSidecar(ctx context.Context, w *world, random *rand.Rand) error {
	if err := w.sidecar.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(during(ctx, random, 100*time.Millisecond, 3*time.Second), w.sidecar.signal(syscall.SIGCONT))
}

// twins starts a second instance beside the first, lets them contend, and takes the first one away.
func twins(ctx context.Context, w *world, random *rand.Rand) error {
	first := w.sidecar
	if err := w.second(); err != nil {
		return err
	}
	err := during(ctx, random, 0, time.Second)
	first.stop()
	return err
}

// second starts another instance, which is the sidecar from now on.
func (w *world) second() error {
	i, err := startInstance(w.dir, fmt.Sprintf("sidecar%d", len(w.retired)+2), w.command)
	if err != nil {
		return err
	}
	w.retired = append(w.retired, w.sidecar)
	w.sidecar = i
	return nil
}

// zombie freezes an instance in whatever it is doing, has a second one take over, and lets the first one continue: what it
// still wants to write must be refused.
func zombie(ctx context.Context, w *world, random *rand.Rand) error {
	return replaceFrozen(ctx, w, random, 0)
}

// longZombie does so after the broker has given the frozen one's transaction up.
func longZombie(ctx context.Context, w *world, random *rand.Rand) error {
	return replaceFrozen(ctx, w, random, 75*time.Second)
}

func replaceFrozen(ctx context.Context, w *world, random *rand.Rand, frozen time.Duration) error {
	first := w.sidecar
	if err := first.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	defer first.stop()
	if err := pause(ctx, frozen); err != nil {
		return err
	}
	if err := w.second(); err != nil {
		return err
	}
	if _, err := w.recovered(ctx); err != nil {
		return err
	}
	if err := first.signal(syscall.SIGCONT); err != nil {
		return err
	}
	return during(ctx, random, 300*time.Millisecond, time.Second)
}
