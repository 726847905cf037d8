package simulate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/sidecar"
)

// restartAfter is when a sidecar that has ended is started again.
const restartAfter = time.Second

// instance keeps a sidecar running.
type instance struct {
	world   *world
	name    string
	lives   int
	host    *host
	cancel  context.CancelFunc
	running int         // lives that have not come to their end yet; a killed one takes a while to notice
	stopped bool        // the present life is told to end
	over    bool        // it is not started again
	resumes atomic.Bool // it has found the slot free, and is about to fence whoever has the sink
}

// start begins a life.
func (i *instance) start() {
	if !i.mayStart() {
		return
	}
	i.lives++
	h := &host{name: fmt.Sprintf("%s.%d", i.name, i.lives)}
	ctx, cancel := context.WithCancel(context.Background())
	i.host, i.cancel, i.stopped = h, cancel, false
	i.resumes.Store(false)
	resumes := func(is bool) func() {
		return func() {
			if !h.isDown() {
				i.resumes.Store(is)
			}
		}
	}
	i.running++
	w, n, waits := i.world, i.world.net, 0
	run, phase, claimed := sidecar.Run, w.phase, w.claimed
	switch {
	case phase == adopting && i.name == "a":
		run, w.adopter = sidecar.Adopt, h.name
		w.trace.say("%s is to adopt the server", h.name)
	case phase == handing:
		run = sidecar.HandOver
		w.trace.say("%s is to hand the server over", h.name)
	default:
		w.trace.say("%s starts", h.name)
	}
	postgres := "postgres://cdc@" + postgresAt + "/" + w.server.database + "?sslmode=disable"
	go func() {
		err := run(ctx, sidecar.Config{
			Postgres: postgres, Sink: "kafka://" + brokerAt(0), Slot: "slot", Batch: w.batch,
			DialPostgres: func(ctx context.Context, _, to string) (net.Conn, error) { return n.dial(ctx, h, to, false) },
			DialKafka:    func(ctx context.Context, _, to string) (net.Conn, error) { return n.dial(ctx, h, to, true) },
			Spread: func(d time.Duration) time.Duration {
				waits++
				return time.Duration(n.draw(fmt.Sprintf("%s waits %d", h.name, waits)).Int64N(int64(d)))
			},
			Log: &logger{w: w, host: h}, Hooks: cdc.Hooks{Starting: resumes(false), Resuming: resumes(true), Resumed: resumes(false),
				Committed: func(p cdc.Progress) { i.committed(h, phase, p) }},
		})
		n.plan(0, h.name+" has ended", func() { i.ended(h, phase, claimed, err) })
	}()
}

// committed follows what a life, which began in a phase, has committed.
func (i *instance) committed(h *host, began phase, p cdc.Progress) {
	w := i.world
	if !p.Snapshot {
		w.committed.Store(&p.Checkpoint)
	}
	if p.Checkpoint.HandedOver && (began != handing || lsn(p.Checkpoint.LSN) < w.server.end()) {
		w.net.plan(0, h.name+" hands over too early", func() { w.failed("handover: %s says so at %v", h.name, p.Checkpoint.LSN) })
	}
	if a := p.Checkpoint.Adoption; a != nil && a.CameAlong {
		w.net.plan(0, h.name+" has to prove an adoption", func() { w.interrupt(h, i.name) })
	}
}

// interrupt has the instance killed that has told an adoption and not proved it yet, once in half of the seeds.
func (w *world) interrupt(h *host, name string) {
	random := w.net.draw("a proof is interrupted")
	if !w.interrupted && !h.isDown() && !w.rules.calm && random.IntN(2) == 0 && w.happens("a proof is interrupted") {
		w.interrupted, w.rules.crashes[name] = true, random.IntN(12)
	}
}

// ended follows the end of a life that began in a phase, or when the server was claimed already: then every run goes on with it.
func (i *instance) ended(h *host, began phase, claimed bool, err error) {
	i.running--
	if h.isDown() {
		return // whoever has killed it has seen to the next one
	}
	h.crash() // what its process had open
	i.world.trace.say("%s ends: %v", h.name, err)
	switch w := i.world; {
	case began == handing:
		w.handed = w.handed || err == nil
	case (began != adopting || claimed && w.claimed && i.name != "a") && sidecar.AsksForRepair(err) && w.phase != stopping:
		w.failed("%s asks for an operator: %v", h.name, err)
	case began != adopting || i.name != "a" || i.stopped || w.phase != adopting:
	case err == nil:
		w.adopted()
	case strings.Contains(err.Error(), "run: lowcap-cdc run"), strings.Contains(err.Error(), "run: lowcap-cdc init"):
		// Nothing is known yet, or the coordinator has not written the markers of the first commit.
		if w.unknown++; w.unknown > 3 {
			w.changes--
			w.adopted()
		}
	}
	i.again()
}

func (i *instance) again() {
	i.world.net.plan(restartAfter, fmt.Sprintf("%s starts again after life %d", i.name, i.lives), func() {
		if !i.over && (i.host == nil || i.host.isDown()) {
			i.start()
		}
	})
}

// crash kills the present life, and has the next one started.
func (i *instance) crash() {
	if i.host == nil || i.host.isDown() {
		return
	}
	i.host.crash()
	i.cancel()
	i.again()
}

// stop asks the present life to end.
func (i *instance) stop() {
	if i.stopped = true; i.cancel != nil {
		i.cancel()
	}
}

// logger takes down what a life logs; a killed one says nothing any more.
type logger struct {
	w    *world
	host *host
}

// Write implements io.Writer.
func (l *logger) Write(line []byte) (int, error) {
	if !l.host.isDown() {
		l.w.trace.log(l.host.name, string(line))
		if name, _ := isOurs(l.host.name); strings.Contains(string(line), "changes are lost to the stream") {
			l.w.net.plan(0, l.host.name+" has found a loss", func() { l.w.rules.foundLoss(name) })
		}
	}
	return len(line), nil
}
