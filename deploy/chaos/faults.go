package main

import (
	"context"
	"math/rand/v2"
	"time"
)

// fault is one kind of disturbance. inject makes it and takes it away again: when it returns, nothing stands in the way
// of the sidecar any more.
type fault struct {
	name   string
	weight int  // how often it is drawn, relative to the others
	kill   bool // a process dies by SIGKILL
	inject func(ctx context.Context, w *world, random *rand.Rand) error
}

// deck is the faults to draw from.
type deck []fault

// longRun is from how many kills on a run also waits for what takes more than a minute.
const longRun = 500

func faults(o options) deck {
	d := deck{
		{"sidecar: SIGKILL", 600, true, killSidecar},
		{"sidecar: SIGTERM", 15, false, stopSidecar},
		{"sidecar: SIGSTOP, SIGCONT", 20, false, freezeSidecar},
		{"two instances, the first dies", 20, true, twins},
		{"frozen instance replaced, then thawed", 10, false, zombie},
		{"broker: SIGKILL", 12, true, killBroker},
		{"broker: SIGSTOP, SIGCONT", 10, false, freezeBroker},
		{"broker: stopped in order", 4, false, stopBroker},
		{"Postgres: immediate shutdown", 15, true, crashPostgres},
		{"Postgres: a backend SIGKILLed", 10, true, killBackend},
		{"Postgres: stopped in order", 8, false, stopPostgres},
		{"walsender terminated", 20, false, terminateWalsender},
	}
	d = append(d, networkFaults("Postgres", func(w *world, _ *rand.Rand) *proxy { return w.toPG })...)
	d = append(d, networkFaults("Kafka", func(w *world, random *rand.Rand) *proxy { return w.toKafka[random.IntN(len(w.toKafka))] })...)
	if o.seals {
		d = append(d, fault{"sealer: SIGKILL", 10, true, killSealer})
	}
	if o.pages {
		d = append(d, fault{"notify: SIGKILL", 10, true, killNotify})
	}
	if o.changes {
		d = append(d, changeFaults(o)...)
	}
	if o.brokers > 1 {
		d = append(d, fault{"leaders moved", 60, false, moveLeaders})
	}
	if o.kills >= longRun {
		d = append(d, fault{"frozen beyond the transaction timeout", 3, false, longZombie})
	}
	return d
}

func (d deck) draw(random *rand.Rand) fault {
	sum := 0
	for _, f := range d {
		sum += f.weight
	}
	at := random.IntN(sum)
	for _, f := range d {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	return d[0]
}

// during waits for a drawn time while a fault is at work.
func during(ctx context.Context, random *rand.Rand, least, most time.Duration) error {
	return pause(ctx, between(random, least, most))
}
