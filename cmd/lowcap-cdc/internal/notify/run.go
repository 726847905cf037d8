package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/kafka"
)

// messenger is a running notify.
type messenger struct {
	routes []*route
	lanes  []*lane
	feed   feed
	log    zerolog.Logger
	counts *counts
	watch  *watch
}

// Run delivers events until ctx ends, or does what --test or --list ask for.
func Run(ctx context.Context, reader sink.Reader, s *settings.Settings, c *Options, out io.Writer, log zerolog.Logger) (err error) {
	plan, err := c.plan(string(s.Config))
	if err != nil {
		return err
	}
	m := &messenger{log: log, counts: newCounts()}
	if m.routes, err = plan.routes(log, m.counts); err != nil {
		return err
	}
	if c.Test {
		return m.test(ctx, out)
	}
	done, err := m.open(reader, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if c.List {
		return m.list(ctx, out)
	}
	return m.run(ctx, plan, c)
}

// open makes the feed and the lanes, whose places are named after the routes.
func (m *messenger) open(reader sink.Reader, c *Options) (done func() error, err error) {
	from, err := settings.ParsePoint(c.From, time.Now())
	if err != nil {
		return nil, err
	}
	if c.From != "" && from.Time.IsZero() {
		return nil, settings.Usage(errors.New("--from takes an age (24h) or a time"))
	}
	done = func() error { return nil }
	switch r := reader.(type) {
	case *kafka.Sink:
		m.feed = newKafkaFeed(r, from.Time)
	default:
		if c.State == "" {
			return nil, settings.Usage(errors.New("--sink file: needs --state DIR, which remembers what has been delivered"))
		}
		places := &places{dir: c.State}
		if !c.List { // which only looks
			if err := places.take(); err != nil {
				return nil, err
			}
			done = places.close
		}
		m.feed = &fileFeed{reader: reader, places: places, since: from.Time}
	}
	for _, r := range m.routes {
		group := c.Group
		if c.To == "" {
			group += "-" + r.name
		}
		m.lanes = append(m.lanes, r.lanes(group)...)
	}
	if len(m.lanes) == 0 {
		return nil, errors.Join(settings.Usage(errors.New("no route tells anything: the severity of each is none")), done())
	}
	return done, nil
}

// run starts everything that works beside each other, and ends all when one fails.
func (m *messenger) run(ctx context.Context, plan *Plan, c *Options) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m.watch = newWatch(m)
	m.counts.observe(m)
	stop, err := m.serve(c.HTTP)
	if err != nil {
		return err
	}
	defer stop()
	var all, placed sync.WaitGroup
	for _, l := range m.lanes {
		placed.Add(1)
		once := sync.OnceFunc(placed.Done)
		all.Go(func() {
			if err := m.follow(ctx, l, once); err != nil {
				cancel(fmt.Errorf("route %s: %w", l.route.name, err))
			}
			once()
		})
	}
	all.Go(func() { m.watch.run(ctx) })
	all.Go(func() { m.beat(ctx, plan.Heartbeat) })
	placed.Wait()
	if err := m.sayWatching(ctx); err != nil {
		cancel(err)
	}
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// follow reads for a lane until ctx ends. What somebody must repair in the cluster ends a start; later, when it has worked before, it
// is tried again: once the right is back nobody should have to start what was forgotten.
func (m *messenger) follow(ctx context.Context, l *lane, placed func()) error {
	for {
		err := m.feed.follow(ctx, l, placed)
		if err == nil || ctx.Err() != nil || !m.watch.started.Load() || !sink.IsCluster(err) {
			return err
		}
		l.interrupted(err)
		sleep(ctx, watchEvery)
	}
}

// sayWatching says from which event's number on every event is delivered. The number is read when every place is durable,
// so that it holds whatever happens from now on; events before it may be delivered too.
func (m *messenger) sayWatching(ctx context.Context) error {
	for ctx.Err() == nil {
		checkpoint, err := m.watch.look(ctx)
		if err == nil {
			number := checkpoint.Events.Number + 1
			m.log.Info().Uint64("number", number).Int("routes", len(m.routes)).Msg(fmt.Sprintf("watching from %d", number))
			m.watch.started.Store(true)
			return nil
		}
		if foreign := (*sink.ClusterError)(nil); errors.As(err, &foreign) {
			return err // with this slot's name the stream would seem to stand
		}
		m.log.Warn().Err(err).Msg("the sink's checkpoint cannot be read yet")
		sleep(ctx, watchEvery)
	}
	return nil
}
