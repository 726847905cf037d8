package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"
)

// networkFaults are what can happen to a TCP connection, on the way to one server.
func networkFaults(server string, to func(*world, *rand.Rand) *proxy) []fault {
	poisoned := func(kind, direction string, attributes func(*rand.Rand) string) func(context.Context, *world, *rand.Rand) error {
		return func(ctx context.Context, w *world, random *rand.Rand) error {
			p := to(w, random)
			if err := p.poison(kind, direction, attributes(random)); err != nil {
				return err
			}
			defer p.heal(ctx)
			return during(ctx, random, 200*time.Millisecond, 3*time.Second)
		}
	}
	silence := func(*rand.Rand) string { return `"timeout":0` }
	return []fault{
		{server + ": connections cut", 15, false, func(ctx context.Context, w *world, random *rand.Rand) error {
			p := to(w, random)
			p.cut()
			return errors.Join(during(ctx, random, 0, 1500*time.Millisecond), p.join())
		}},
		{server + ": requests dropped", 8, false, poisoned("timeout", "upstream", silence)},
		{server + ": answers dropped", 8, false, poisoned("timeout", "downstream", silence)},
		{server + ": answers delayed", 8, false, poisoned("latency", "downstream", delay)},
		{server + ": requests cut short", 8, false, poisoned("limit_data", "upstream", someBytes)},
		{server + ": answers cut short", 8, false, poisoned("limit_data", "downstream", someBytes)},
		{server + ": connections reset", 8, false, poisoned("reset_peer", "downstream", func(random *rand.Rand) string {
			return fmt.Sprintf(`"timeout":%d`, random.IntN(300))
		})},
		{server + ": SIGKILL, noticed late", 8, true, func(ctx context.Context, w *world, random *rand.Rand) error {
			p := to(w, random)
			if err := p.poison("slow_close", "upstream", fmt.Sprintf(`"delay":%d`, 500+random.IntN(2000))); err != nil {
				return err
			}
			defer p.heal(ctx)
			return errors.Join(w.sidecar.signal(syscall.SIGKILL), during(ctx, random, 200*time.Millisecond, time.Second))
		}},
	}
}

func someBytes(random *rand.Rand) string { return fmt.Sprintf(`"bytes":%d`, 1+random.IntN(4000)) }

func delay(random *rand.Rand) string {
	latency := 20 + random.IntN(400)
	return fmt.Sprintf(`"latency":%d,"jitter":%d`, latency, latency/2)
}
