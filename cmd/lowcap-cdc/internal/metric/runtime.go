package metric

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"
)

// ofRuntime is a metric that is the sum of some of runtime/metrics. Names and texts are those of Prometheus' own library, so
// that every dashboard for Go finds them.
type ofRuntime struct {
	name, help string
	sources    []string
}

var runtimeGauges = []ofRuntime{
	{"go_gc_gogc_percent", "Heap size target percentage configured by the user, otherwise 100.", []string{"/gc/gogc:percent"}},
	{"go_gc_gomemlimit_bytes", "Go runtime memory limit configured by the user, otherwise math.MaxInt64.", []string{"/gc/gomemlimit:bytes"}},
	{"go_goroutines", "Number of goroutines that currently exist.", []string{"/sched/goroutines:goroutines"}},
	{"go_sched_gomaxprocs_threads", "Number of operating system threads that can execute user-level Go code simultaneously.",
		[]string{"/sched/gomaxprocs:threads"}},
	{"go_memstats_alloc_bytes", "Number of bytes allocated in heap and currently in use.", []string{heap + "objects:bytes"}},
	{"go_memstats_buck_hash_sys_bytes", "Number of bytes used by the profiling bucket hash table.",
		[]string{"/memory/classes/profiling/buckets:bytes"}},
	{"go_memstats_gc_sys_bytes", "Number of bytes used for garbage collection system metadata.", []string{metadata + "other:bytes"}},
	{"go_memstats_heap_alloc_bytes", "Number of heap bytes allocated and currently in use, same as go_memstats_alloc_bytes.",
		[]string{heap + "objects:bytes"}},
	{"go_memstats_heap_idle_bytes", "Number of heap bytes waiting to be used.", []string{heap + "released:bytes", heap + "free:bytes"}},
	{"go_memstats_heap_inuse_bytes", "Number of heap bytes that are in use.", []string{heap + "objects:bytes", heap + "unused:bytes"}},
	{"go_memstats_heap_objects", "Number of currently allocated objects.", []string{"/gc/heap/objects:objects"}},
	{"go_memstats_heap_released_bytes", "Number of heap bytes released to OS.", []string{heap + "released:bytes"}},
	{"go_memstats_heap_sys_bytes", "Number of heap bytes obtained from system.",
		[]string{heap + "objects:bytes", heap + "unused:bytes", heap + "released:bytes", heap + "free:bytes"}},
	{"go_memstats_mcache_inuse_bytes", "Number of bytes in use by mcache structures.", []string{metadata + "mcache/inuse:bytes"}},
	{"go_memstats_mcache_sys_bytes", "Number of bytes used for mcache structures obtained from system.",
		[]string{metadata + "mcache/inuse:bytes", metadata + "mcache/free:bytes"}},
	{"go_memstats_mspan_inuse_bytes", "Number of bytes in use by mspan structures.", []string{metadata + "mspan/inuse:bytes"}},
	{"go_memstats_mspan_sys_bytes", "Number of bytes used for mspan structures obtained from system.",
		[]string{metadata + "mspan/inuse:bytes", metadata + "mspan/free:bytes"}},
	{"go_memstats_next_gc_bytes", "Number of heap bytes when next garbage collection will take place.", []string{"/gc/heap/goal:bytes"}},
	{"go_memstats_other_sys_bytes", "Number of bytes used for other system allocations.", []string{"/memory/classes/other:bytes"}},
	{"go_memstats_stack_inuse_bytes", "Number of bytes obtained from system for stack allocator in non-CGO environments.",
		[]string{heap + "stacks:bytes"}},
	{"go_memstats_stack_sys_bytes", "Number of bytes obtained from system for stack allocator.",
		[]string{heap + "stacks:bytes", "/memory/classes/os-stacks:bytes"}},
	{"go_memstats_sys_bytes", "Number of bytes obtained from system.", []string{"/memory/classes/total:bytes"}},
}

var runtimeCounters = []ofRuntime{
	{"go_memstats_alloc_bytes_total", "Total number of bytes allocated in heap until now, even if released already.",
		[]string{"/gc/heap/allocs:bytes"}},
	{"go_memstats_frees_total", "Total number of heap objects frees.", []string{"/gc/heap/frees:objects", "/gc/heap/tiny/allocs:objects"}},
	{"go_memstats_mallocs_total", "Total number of heap objects allocated, both live and gc-ed.",
		[]string{"/gc/heap/allocs:objects", "/gc/heap/tiny/allocs:objects"}},
}

const (
	heap     = "/memory/classes/heap/"
	metadata = "/memory/classes/metadata/"
)

// Runtime adds what the Go runtime and the operating system say of this process: the usual go_* and process_*.
func (r *Registry) Runtime() {
	for _, m := range runtimeGauges {
		r.Funcs(m.name, m.explained())(m.read)
	}
	for _, m := range runtimeCounters {
		r.asked(m.name, m.explained(), m.read)
	}
	r.Gauges("go_info", "Information about the Go environment.", "version").With(runtime.Version()).Set(1)
	r.Funcs("go_threads", "Number of OS threads created.")(func() float64 {
		n, _ := runtime.ThreadCreateProfile(nil)
		return float64(n)
	})
	r.Funcs("go_memstats_last_gc_time_seconds", "Number of seconds since 1970 of last garbage collection.")(func() float64 {
		var stats debug.GCStats
		debug.ReadGCStats(&stats)
		return float64(stats.LastGC.UnixNano()) / 1e9
	})
	r.add("go_gc_duration_seconds", pauses{})
	r.process()
}

// asked adds a counter that is asked.
func (r *Registry) asked(name, help string, f Func) {
	v := newVec[Func](r, name, help, "counter", nil, nil)
	v.put("", f)
}

func (m ofRuntime) explained() string {
	return m.help + " Equals to " + strings.Join(m.sources, " + ") + "."
}

func (m ofRuntime) read() float64 {
	samples := make([]metrics.Sample, len(m.sources))
	for i, source := range m.sources {
		samples[i].Name = source
	}
	metrics.Read(samples)
	sum := 0.0
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += float64(s.Value.Uint64())
		}
	}
	return sum
}

// pauses are the garbage collector's.
type pauses struct{}

func (pauses) write(b *bytes.Buffer) {
	const name = "go_gc_duration_seconds"
	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	b.WriteString("# HELP " + name + " A summary of the wall-time pause (stop-the-world) duration in garbage collection cycles.\n" +
		"# TYPE " + name + " summary\n")
	for i, pause := range stats.PauseQuantiles {
		line(b, name, `quantile="`+number(float64(i)/4)+`"`, pause.Seconds())
	}
	line(b, name+"_sum", "", stats.PauseTotal.Seconds())
	line(b, name+"_count", "", float64(stats.NumGC))
}
