package metric

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// value is a number that several may change at once.
type value struct{ bits atomic.Uint64 }

func (v *value) get() float64  { return math.Float64frombits(v.bits.Load()) }
func (v *value) set(x float64) { v.bits.Store(math.Float64bits(x)) }

func (v *value) add(x float64) {
	for {
		old := v.bits.Load()
		if v.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+x)) {
			return
		}
	}
}

func (v *value) write(b *bytes.Buffer, name, labels string) { line(b, name, labels, v.get()) }

// Counter only grows.
type Counter struct{ value }

// Inc adds one.
func (c *Counter) Inc() { c.add(1) }

// Add adds x, which is not negative.
func (c *Counter) Add(x float64) { c.add(x) }

// Gauge is a number as it is now.
type Gauge struct{ value }

// Set says what it is now.
func (g *Gauge) Set(x float64) { g.set(x) }

// Func is a gauge that is asked when somebody wants to know.
type Func func() float64

func (f Func) write(b *bytes.Buffer, name, labels string) { line(b, name, labels, f()) }

// Histogram counts values by their size.
type Histogram struct {
	bounds []float64 // upper ones, included; ascending

	mu     sync.Mutex
	counts []uint64 // of values up to each bound and above the one before; the last is of those above all
	sum    float64
}

// Observe counts x.
func (h *Histogram) Observe(x float64) {
	i, _ := slices.BinarySearch(h.bounds, x)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[i]++
	h.sum += x
}

func (h *Histogram) write(b *bytes.Buffer, name, labels string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if labels != "" {
		labels += ","
	}
	var total uint64
	for i, n := range h.counts {
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		total += n
		line(b, name+"_bucket", labels+`le="`+number(bound)+`"`, float64(total))
	}
	labels = strings.TrimSuffix(labels, ",")
	line(b, name+"_sum", labels, h.sum)
	line(b, name+"_count", labels, float64(total))
}

// Counters returns a new set of counters. Each is served from its first With on.
func (r *Registry) Counters(name, help string, labels ...string) *Vec[*Counter] {
	return newVec(r, name, help, "counter", labels, func() *Counter { return new(Counter) })
}

// Counter returns a new counter without labels.
func (r *Registry) Counter(name, help string) *Counter { return r.Counters(name, help).With() }

// Gauges returns a new set of gauges. Each is served from its first With on.
func (r *Registry) Gauges(name, help string, labels ...string) *Vec[*Gauge] {
	return newVec(r, name, help, "gauge", labels, func() *Gauge { return new(Gauge) })
}

// Gauge returns a new gauge without labels.
func (r *Registry) Gauge(name, help string) *Gauge { return r.Gauges(name, help).With() }

// Funcs returns what puts a gauge that is asked into a new set, under these values of the labels.
func (r *Registry) Funcs(name, help string, labels ...string) (add func(f Func, values ...string)) {
	v := newVec[Func](r, name, help, "gauge", labels, nil)
	return func(f Func, values ...string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.put(v.key(values), f)
	}
}

// Histogram returns a new histogram with these upper bounds, ascending and finite.
func (r *Registry) Histogram(name, help string, bounds []float64) *Histogram {
	return newVec(r, name, help, "histogram", nil, func() *Histogram {
		return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
	}).With()
}
