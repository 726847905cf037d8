package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
)

const (
	watchEvery = 5 * time.Second
	// stalledAfter is how old the newest checkpoint may be. The sidecar commits one at least every 30 s, whatever happens
	// in the database, and on every sink.
	stalledAfter = 60 * time.Second
	// failingAfter is how long a route may fail before the others are told.
	failingAfter = 60 * time.Second
)

// watch looks whether the stream moves and the routes deliver, and tells the routes when not.
type watch struct {
	m       *messenger
	started atomic.Bool // every route has had its place

	mu       sync.Mutex
	newest   mark
	moved    time.Time // when another checkpoint was last seen, by our own clock: the database's may be wrong
	readFail string    // why the sink could not be read the last time

	stalled  bool
	failing  map[string]bool    // routes whose failing the others were told
	withdraw context.CancelFunc // ends the telling of what is no longer true
}

func newWatch(m *messenger) *watch {
	return &watch{m: m, moved: time.Now(), failing: make(map[string]bool), withdraw: func() {}}
}

// look reads the newest checkpoint. A sink in which nothing is yet has one without a number.
func (w *watch) look(ctx context.Context) (cdc.Checkpoint, error) {
	found, err := w.m.feed.checkpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.readFail = err.Error()
		return found, err
	}
	w.readFail = ""
	if now := markOf(&found); now != w.newest {
		w.newest, w.moved = now, time.Now()
	}
	return found, nil
}

// mark is what moves with each checkpoint: a checkpoint itself holds pointers, which differ each time that it is read.
type mark struct {
	lsn    uint64
	time   int64
	number uint64
}

func markOf(c *cdc.Checkpoint) mark { return mark{uint64(c.LSN), int64(c.Time), c.Events.Number} }

// age returns how long the checkpoint has not moved, and why it cannot be seen, if so.
func (w *watch) age() (time.Duration, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Since(w.moved), w.readFail
}

func (w *watch) run(ctx context.Context) {
	var telling sync.WaitGroup
	defer telling.Wait()
	for tick := time.NewTicker(watchEvery); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			w.withdraw()
			return
		case <-tick.C:
		}
		looking, cancel := context.WithTimeout(ctx, watchEvery)
		w.look(looking) //nolint:errcheck // age has it
		cancel()
		w.judgeStream(ctx, &telling)
		w.judgeRoutes(ctx, &telling)
	}
}

// judgeStream tells every route when the stream stands, and when it moves again.
func (w *watch) judgeStream(ctx context.Context, telling *sync.WaitGroup) {
	age, why := w.age()
	isStalled := age > stalledAfter
	if isStalled == w.stalled {
		return
	}
	w.stalled = isStalled
	w.withdraw()
	m := receiver.Message{Severity: schemas.Page, What: "The stream does not move", Link: w.m.routes[0].page,
		Facts: []receiver.Fact{{Name: "since", Value: age.Round(time.Second).String()},
			{Name: "meaning", Value: "no exit and no other event is seen until it moves again; run: lowcap-cdc status"}}}
	if why != "" {
		m.Facts = append(m.Facts, receiver.Fact{Name: "the sink says", Value: why})
	}
	if !isStalled {
		m.What, m.Severity, m.Facts = "The stream moves again", schemas.Warn, nil
	}
	w.m.log.Warn().Stringer("checkpoint_age", age.Round(time.Second)).Str("reason", why).Msg(m.What)
	ctx, w.withdraw = context.WithCancel(ctx)
	for _, r := range w.m.routes {
		w.tell(ctx, telling, r, m)
	}
}

// judgeRoutes tells the other routes of one that fails, and when it delivers again.
func (w *watch) judgeRoutes(ctx context.Context, telling *sync.WaitGroup) {
	for _, r := range w.m.routes {
		f := r.health.failed()
		if !f.lasts(failingAfter) && !w.stalled { // else they have been told of what keeps every route from reading
			f = r.health.stopped()
		}
		isFailing := f.lasts(failingAfter)
		if isFailing == w.failing[r.name] {
			continue
		}
		w.failing[r.name] = isFailing
		m := receiver.Message{Severity: schemas.Page, What: "Route " + r.name + " does not deliver", Link: r.page,
			Facts: []receiver.Fact{{Name: "since", Value: time.Since(f.since).Round(time.Second).String()}, {Name: "why", Value: f.said}}}
		if !isFailing {
			m.What, m.Severity, m.Facts = "Route "+r.name+" delivers again", schemas.Warn, nil
		}
		for _, other := range w.m.routes {
			if other != r {
				w.tell(ctx, telling, other, m)
			}
		}
	}
}

// tell tells a route, beside its events, until it is delivered or no longer true.
func (w *watch) tell(ctx context.Context, telling *sync.WaitGroup, r *route, m receiver.Message) {
	m.At = time.Now()
	m.Reference = fmt.Sprintf("lowcap-cdc/%s/%d", m.What, m.At.UnixNano())
	telling.Go(func() {
		if err := r.deliver(ctx, &m); err != nil {
			r.log.Debug().Str("what", m.What).Msg("no longer true before it was delivered")
		}
	})
}
