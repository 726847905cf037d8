package metric

import (
	"bytes"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// gathered returns the text that Prometheus' own library writes of a registry.
func gathered(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

var odd = []string{"", `quo"te`, `back\slash`, "two\nlines", "ünï", "escape\x1b[31m"}

// TestAsPrometheusWritesIt: the same metrics with the same values, in our registry and in that of Prometheus' own library, are the
// same bytes.
func TestAsPrometheusWritesIt(t *testing.T) {
	var ours Registry
	theirs := prometheus.NewRegistry()
	numbers := []float64{0, 1, -1, 0.1, 1e5, 123456789, 1e21, 1e-7, math.MaxUint64, math.Inf(1), math.Inf(-1), math.NaN()}

	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total", Help: "A \\ counter\nof two \"lines\"."})
	vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "v_total", Help: "By two."}, []string{"zeta", "alpha"})
	empty := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "empty_total", Help: "Of nothing yet."}, []string{"of"})
	gauges := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g", Help: "Numbers."}, []string{"number"})
	bounds := []float64{0.0005, 1, 2.5, 10.000000000000002}
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h_seconds", Help: "Sizes.", Buckets: bounds})
	asked := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "f", Help: "Asked.", ConstLabels: prometheus.Labels{"route": "a"}},
		func() float64 { return 3 })
	theirs.MustRegister(counter, vector, empty, gauges, histogram, asked)

	ourCounter := ours.Counter("c_total", "A \\ counter\nof two \"lines\".")
	ourVector := ours.Counters("v_total", "By two.", "zeta", "alpha")
	ours.Counters("empty_total", "Of nothing yet.", "of")
	ourGauges := ours.Gauges("g", "Numbers.", "number")
	ourHistogram := ours.Histogram("h_seconds", "Sizes.", bounds)
	ours.Funcs("f", "Asked.", "route")(func() float64 { return 3 }, "a")

	counter.Inc()
	counter.Add(2.5)
	ourCounter.Inc()
	ourCounter.Add(2.5)
	for i, text := range odd {
		vector.WithLabelValues(text, "x"+text).Add(float64(i))
		ourVector.With(text, "x"+text).Add(float64(i))
	}
	for _, n := range numbers {
		gauges.WithLabelValues(number(n)).Set(n)
		ourGauges.With(number(n)).Set(n)
	}
	for _, n := range []float64{-1, 0, 0.0005, 0.0006, 1, 2, 2.5, 9, 10.000000000000002, 11, math.Inf(1)} {
		histogram.Observe(n)
		ourHistogram.Observe(n)
	}
	if got, want := string(ours.Text()), gathered(t, theirs); got != want {
		t.Errorf("ours:\n%s\ntheirs:\n%s", got, want)
	}
}

// TestRuntime: go_* and process_* have the names, kinds and labels that Prometheus' own library gives them.
func TestRuntime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere the library has others")
	}
	var ours Registry
	ours.Runtime()
	theirs := prometheus.NewRegistry()
	theirs.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	help := regexp.MustCompile(`(?m)^# HELP .*\n`)
	value := regexp.MustCompile(`(?m)^([^#].*) \S+$`)
	names := func(text string) string { return value.ReplaceAllString(help.ReplaceAllString(text, ""), "$1") }
	text := string(ours.Text())
	if got, want := names(text), names(gathered(t, theirs)); got != want {
		t.Errorf("ours:\n%s\ntheirs:\n%s", got, want)
	}
	for _, nothing := range regexp.MustCompile(`(?m)^(go_(goroutines|memstats_(alloc|heap_sys|sys)_bytes|threads)|process_\S+) 0$`).
		FindAllString(text, -1) {
		if !strings.HasPrefix(nothing, "process_network") && !strings.HasPrefix(nothing, "process_cpu") {
			t.Errorf("%s", nothing)
		}
	}
}

// TestSeveralAtOnce is for the race detector; no count is lost.
func TestSeveralAtOnce(t *testing.T) {
	var r Registry
	c, v, h := r.Counter("c_total", "."), r.Counters("v_total", ".", "of"), r.Histogram("h", ".", []float64{1})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				c.Inc()
				v.With("x").Inc()
				h.Observe(1)
				r.Text()
			}
		})
	}
	all.Wait()
	for _, want := range []string{"\nc_total 4000\n", "\nv_total{of=\"x\"} 4000\n", "\nh_count 4000\n"} {
		if text := string(r.Text()); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestHandler: as many as there is room for are answered, more are sent away.
func TestHandler(t *testing.T) {
	var r Registry
	inside, release := make(chan struct{}), make(chan struct{})
	r.Funcs("slow", "Waits.")(func() float64 {
		inside <- struct{}{}
		<-release
		return 7
	})
	handler := r.Handler(1)
	first := httptest.NewRecorder()
	var all sync.WaitGroup
	all.Go(func() { handler.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/metrics", nil)) })
	<-inside
	second := httptest.NewRecorder()
	handler.ServeHTTP(second, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	close(release)
	all.Wait()
	if second.Code != http.StatusServiceUnavailable {
		t.Errorf("the second got %d", second.Code)
	}
	kind := first.Header().Get("Content-Type")
	if !strings.Contains(first.Body.String(), "\nslow 7\n") || kind != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("%s: %s", kind, first.Body)
	}
}

// TestNameTaken: two metrics of one name would be a page that Prometheus refuses as a whole.
func TestNameTaken(t *testing.T) {
	var r Registry
	r.Counter("c_total", ".")
	defer func() {
		if recover() == nil {
			t.Error("nothing was said")
		}
	}()
	r.Gauge("c_total", ".")
}
