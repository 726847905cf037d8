// Package metric counts, and serves what it counted in Prometheus' text format 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats). Prometheus' own library would link protobuf, 2 MB of a binary.
package metric

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Registry is a set of metrics. Its zero value is empty and ready; every method may be called by several at once.
type Registry struct {
	mu       sync.Mutex
	families map[string]writer
}

// writer prints the samples of everything that has one name.
type writer interface{ write(b *bytes.Buffer) }

// add registers what has one name; a name that is taken is a mistake of the program.
func (r *Registry) add(name string, w writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.families[name]; taken {
		panic("metric " + name + " exists already")
	}
	if r.families == nil {
		r.families = make(map[string]writer)
	}
	r.families[name] = w
}

// Text returns the present values of all metrics, sorted by name.
func (r *Registry) Text() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(r.families)) {
		r.families[name].write(&b)
	}
	return b.Bytes()
}

// Handler serves the text to at most so many at one moment; each takes memory of its own. More are answered with 503.
func (r *Registry) Handler(most int) http.Handler {
	room := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case room <- struct{}{}:
			defer func() { <-room }()
		default:
			http.Error(w, fmt.Sprintf("%d others ask for the metrics at this moment; try again", most), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(r.Text()) //nolint:errcheck // who asked is gone
	})
}

// Vec is the metrics of one name, one for each combination of the values of its labels.
type Vec[M sample] struct {
	name, help, kind string
	labels           []string
	fresh            func() M

	mu   sync.Mutex
	all  map[string]M // by the labels as they are printed
	keys []string     // of all, sorted
}

// sample is one metric of a name: what its lines say behind the name. labels are as printed, or empty.
type sample interface {
	write(b *bytes.Buffer, name, labels string)
}

func newVec[M sample](r *Registry, name, help, kind string, labels []string, fresh func() M) *Vec[M] {
	v := &Vec[M]{name: name, help: help, kind: kind, labels: labels, fresh: fresh, all: make(map[string]M)}
	r.add(name, v)
	return v
}

// With returns the metric with these values of the labels, in the order of the labels, and makes it when it is not there.
func (v *Vec[M]) With(values ...string) M {
	key := v.key(values)
	v.mu.Lock()
	defer v.mu.Unlock()
	m, found := v.all[key]
	if !found {
		m = v.fresh()
		v.put(key, m)
	}
	return m
}

// put sets the metric with these labels; the caller holds the lock.
func (v *Vec[M]) put(key string, m M) {
	if at, found := slices.BinarySearch(v.keys, key); !found {
		v.keys = slices.Insert(v.keys, at, key)
	}
	v.all[key] = m
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// key prints labels, sorted by their names.
func (v *Vec[M]) key(values []string) string {
	if len(values) != len(v.labels) {
		panic(fmt.Sprintf("metric %s has %d labels, not %d", v.name, len(v.labels), len(values)))
	}
	pairs := make([]string, len(values))
	for i, value := range values {
		pairs[i] = v.labels[i] + `="` + escapeLabel.Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

func (v *Vec[M]) write(b *bytes.Buffer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.keys) == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", v.name, escapeHelp.Replace(v.help), v.name, v.kind)
	for _, key := range v.keys {
		v.all[key].write(b, v.name, key)
	}
}

// line prints one sample.
func line(b *bytes.Buffer, name, labels string, value float64) {
	b.WriteString(name)
	if labels != "" {
		b.WriteString("{" + labels + "}")
	}
	b.WriteByte(' ')
	b.WriteString(number(value))
	b.WriteByte('\n')
}

// number prints a value as the format has it, also +Inf, -Inf and NaN.
func number(value float64) string { return strconv.FormatFloat(value, 'g', -1, 64) }
