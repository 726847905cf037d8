package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// counts are what /metrics serves of the messenger itself.
type counts struct {
	registry  *prometheus.Registry
	delivered *prometheus.CounterVec
	refused   *prometheus.CounterVec
	retries   *prometheus.CounterVec
	beats     *prometheus.CounterVec
}

const prefix = "lowcap_cdc_notify_"

func newCounts() *counts {
	c := &counts{registry: prometheus.NewRegistry()}
	c.delivered = c.vector("delivered_total", "Messages that a receiver took, also those that the route's fallback took.", "route")
	c.refused = c.vector("refused_total", "Times that a receiver refused a message, also as a short text.", "route")
	c.retries = c.vector("retries_total", "Attempts that were followed by another.", "route")
	c.beats = c.vector("heartbeats_total", "Heartbeats, by whether they were sent or failed.", "result")
	c.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

func (c *counts) vector(name, help, label string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	c.registry.MustRegister(v)
	return v
}

// observe makes what says how things stand, and every series: a counter that appears with its first event has no earlier
// sample.
func (c *counts) observe(m *messenger) {
	c.beats.WithLabelValues("sent")
	c.beats.WithLabelValues("failed")
	c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "checkpoint_age_seconds",
		Help: "How long this process has seen no new checkpoint of the sidecar, in seconds."}, func() float64 {
		age, _ := m.watch.age()
		return age.Seconds()
	}))
	for _, r := range m.routes {
		c.delivered.WithLabelValues(r.name)
		c.refused.WithLabelValues(r.name)
		c.retries.WithLabelValues(r.name)
		labels := prometheus.Labels{"route": r.name}
		c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "oldest_undelivered_seconds", ConstLabels: labels,
			Help: "How long ago the oldest event was committed that is being delivered, in seconds; 0 for none."}, func() float64 {
			return r.health.oldest(time.Now()).Seconds()
		}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "failing_seconds", ConstLabels: labels,
			Help: "For how long no attempt of the route has succeeded, in seconds; 0 when the last one did."}, func() float64 {
			if since, _ := r.health.failed(); !since.IsZero() {
				return time.Since(since).Seconds()
			}
			return 0
		}))
	}
}
