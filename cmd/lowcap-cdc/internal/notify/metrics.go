package notify

import (
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/metric"
)

// counts are what /metrics serves of the messenger itself.
type counts struct {
	registry  metric.Registry
	delivered *metric.Vec[*metric.Counter]
	refused   *metric.Vec[*metric.Counter]
	retries   *metric.Vec[*metric.Counter]
	removed   *metric.Vec[*metric.Counter]
	beats     *metric.Vec[*metric.Counter]
}

const prefix = "lowcap_cdc_notify_"

func newCounts() *counts {
	c := &counts{}
	c.delivered = c.registry.Counters(prefix+"delivered_total", "Messages that a receiver took, also those that the route's fallback took.", "route")
	c.refused = c.registry.Counters(prefix+"refused_total", "Times that a receiver refused a message, also as a short text.", "route")
	c.retries = c.registry.Counters(prefix+"retries_total", "Attempts that were followed by another.", "route")
	c.removed = c.registry.Counters(prefix+"removed_total", "Records, at most, that were removed before the route had read them.", "route")
	c.beats = c.registry.Counters(prefix+"heartbeats_total", "Heartbeats, by whether they were sent or failed.", "result")
	c.registry.Runtime()
	return c
}

// observe makes what says how things stand, and every series: a counter that appears with its first event has no earlier
// sample.
func (c *counts) observe(m *messenger) {
	c.beats.With("sent")
	c.beats.With("failed")
	c.registry.Funcs(prefix+"checkpoint_age_seconds", "How long this process has seen no new checkpoint of the sidecar, in seconds.")(
		func() float64 {
			age, _ := m.watch.age()
			return age.Seconds()
		})
	oldest := c.registry.Funcs(prefix+"oldest_undelivered_seconds",
		"How long ago the oldest event was committed that is being delivered, in seconds; 0 for none.", "route")
	failing := c.registry.Funcs(prefix+"failing_seconds",
		"For how long a message of the route has failed, in seconds; 0 when none does.", "route")
	for _, r := range m.routes {
		c.delivered.With(r.name)
		c.refused.With(r.name)
		c.retries.With(r.name)
		c.removed.With(r.name)
		oldest(func() float64 { return r.health.oldest(time.Now()).Seconds() }, r.name)
		failing(func() float64 {
			if f := r.health.failed(); f.lasts(0) {
				return time.Since(f.since).Seconds()
			}
			return 0
		}, r.name)
	}
}
