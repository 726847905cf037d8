package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestJudge: what grows is named, and what only moves is not.
func TestJudge(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1)) // the same noise each time
	noise := func(width float64) float64 { return (random.Float64() - 0.5) * width }
	hours := func(value func(at float64) float64) (points []point) {
		for at := 10.0; at <= 7200; at += 10 {
			points = append(points, point{at, value(at)})
		}
		return points
	}
	memory := soaked[0]
	memory.bound = 0 // for itself below
	for _, test := range []struct {
		name  string
		of    []point
		grown bool
	}{
		{"steady", hours(func(float64) float64 { return 40 + noise(8) }), false},
		{"3 MB an hour", hours(func(at float64) float64 { return 40 + at/1200 + noise(2) }), true},
		{"15 MB an hour under a wide saw", hours(func(at float64) float64 { return 60 + 5*at/1200 + math.Mod(at, 400)/10 }), true},
		{"1 MB an hour", hours(func(at float64) float64 { return 40 + at/3600 + noise(2) }), false},
		{"a warm-up", hours(func(at float64) float64 { return 40 + min(at, 600)/10 + noise(2) }), false},
		{"a rise at the end of the warm-up", hours(func(at float64) float64 { return 40 + min(at, 3600)/100 }), true},
		{"one spike at the end", hours(func(at float64) float64 { return 40 + max(0, at-6900)*10 }), false},
		{"a fall", hours(func(at float64) float64 { return 400 - at/30 }), false},
	} {
		v := memory.judge(test.of)
		if v.grown() != test.grown || v.short {
			t.Errorf("%s: %v, from %.1f to %.1f, %.1f is allowed", test.name, v.grown(), v.first, v.last, v.allowed())
		}
		err := failed([]growth{v})
		if (err != nil) != test.grown || test.grown && !strings.Contains(err.Error(), "rss (resident memory) grew from") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if v := memory.judge(hours(func(at float64) float64 { return at })[:70]); !v.short || v.grown() {
		t.Error("ten points after the warm-up are judged")
	}
	if v := memory.judge(nil); !v.short {
		t.Error("nothing is judged")
	}
	memory.bound = 64
	for value, above := range map[float64]bool{63: false, 65: true} {
		err := failed([]growth{memory.judge(hours(func(float64) float64 { return value }))})
		if (err != nil) != above || above && !strings.Contains(err.Error(), "rss (resident memory) is 65.0 MB, more than 64") {
			t.Errorf("%g MB all the time: %v", value, err)
		}
	}
}

// TestTotalsAreRates: of a sum that only rises, the rise a second counts, or for each one of another sum.
func TestTotalsAreRates(t *testing.T) {
	s := series{scale: 10, total: true}
	got := s.of([][]float64{{10, 100}, {20, 300}, {40, 300}}, 1)
	if len(got) != 2 || got[0] != (point{20, 2}) || got[1] != (point{40, 0}) {
		t.Errorf("%v", got)
	}
	s.per = soaked[0].name
	if got := s.of([][]float64{{10, 2, 100}, {20, 2, 100}, {30, 6, 300}}, 2); len(got) != 1 || got[0] != (point{30, 5}) {
		t.Errorf("for each: %v", got)
	}
}

// TestWithin: what follows the commits of the last hour grows only when there is more of it for each of them.
func TestWithin(t *testing.T) {
	commits := 1 + slices.Index(seriesNames(), "commits")
	column := 1 + slices.IndexFunc(soaked, func(s series) bool { return s.name == "state-commits" })
	soak := func(records func(all, lastHour float64) float64) (samples [][]float64) {
		done := func(at float64) float64 { return 50*max(at, 0) + 100*max(at-6000, 0) } // three times as many from the 100th minute on
		for at := 10.0; at <= 14400; at += 10 {
			sample := make([]float64, 1+len(soaked))
			sample[0], sample[commits] = at, done(at)
			sample[column] = records(done(at), done(at)-done(at-3600))
			samples = append(samples, sample)
		}
		return samples
	}
	judged := func(samples [][]float64) growth { return judge(soaked, samples)[column-1] }
	if v := judged(soak(func(_, lastHour float64) float64 { return 10_000 + 2*lastHour })); v.grown() || v.short {
		t.Errorf("it follows the commits, and %v", v)
	}
	if v := judged(soak(func(all, _ float64) float64 { return 2 * all })); !v.grown() {
		t.Errorf("nothing is taken out, and went from %.1f to %.1f", v.first, v.last)
	}
}

// TestLeakIsNoticed: a process that leaks memory, goroutines and descriptors, looked at as a soak looks at a sidecar.
func TestLeakIsNoticed(t *testing.T) {
	for _, leaks := range []string{"yes", "no"} {
		stub := startStub(t, leaks)
		var samples [][]float64
		for i := range 2 * leastJudged {
			four, _, err := stub.look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			samples = append(samples, append([]float64{float64(i)}, four...))
		}
		own := append([]series(nil), soaked[:4]...)
		for i := range own {
			own[i].warm, own[i].bound = 0, 0
		}
		err := failed(judge(own, samples))
		for _, s := range own {
			if found := err != nil && strings.Contains(err.Error(), s.name+" ("); found != (leaks == "yes") {
				t.Errorf("leaks: %s; %s is noticed: %v: %v", leaks, s.name, found, err)
			}
		}
	}
}

// TestStub is no test: it is the process of TestLeakIsNoticed, which leaks with every look at it.
func TestStub(t *testing.T) {
	leaks, asked := os.LookupEnv("BENCH_STUB_LEAKS")
	if !asked {
		t.Skip("it is the process that TestLeakIsNoticed looks at")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("http://" + listener.Addr().String())
	var kept [][]byte
	var files []*os.File // or a collection would close them
	forever := make(chan bool)
	t.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if leaks == "yes" {
			page := make([]byte, 1<<20)
			for i := range page {
				page[i] = 1
			}
			kept = append(kept, page)
			file, _ := os.Open(os.DevNull) //nolint:errcheck // it is there
			files = append(files, file)    // this is the leak
			go func() { <-forever }()      // and this is another
		}
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		fmt.Fprintf(w, "# HELP\ngo_goroutines %d\ngo_memstats_heap_inuse_bytes{a=\"b c\"} %d\n", runtime.NumGoroutine(), memory.HeapInuse)
	})))
	runtime.KeepAlive(kept)
	runtime.KeepAlive(files)
}

// startStub starts TestStub as a process of its own.
func startStub(t *testing.T, leaks string) observed {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestStub$")
	cmd.Env = append(os.Environ(), "BENCH_STUB_LEAKS="+leaks)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startBound(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd); cmd.Wait() }) //nolint:errcheck // it does not end by itself
	var url string
	if _, err := fmt.Fscan(out, &url); err != nil {
		t.Fatal(err)
	}
	return observed{pid: cmd.Process.Pid, url: url}
}

// TestSamplingFailsWhereAProcessHasEnded: no numbers of a process that is gone.
func TestSamplingFailsWhereAProcessHasEnded(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := startBound(cmd); err != nil {
		t.Fatal(err)
	}
	if err := kill(cmd); err != nil {
		t.Fatal(err)
	}
	p := observed{pid: cmd.Process.Pid, url: "http://127.0.0.1:1"}
	err := poll(t.Context(), time.Minute, func() (bool, error) {
		_, _, err := p.look(t.Context())
		return err != nil && strings.Contains(err.Error(), "has ended"), nil
	})
	if err != nil {
		t.Error(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

// TestMetricThatIsMissing: a series that is not there would be 0 for ever, and never grow.
func TestMetricThatIsMissing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "go_goroutines 3") }))
	defer server.Close()
	p := observed{pid: os.Getpid(), url: server.URL}
	if _, _, err := p.look(t.Context()); err == nil {
		t.Error("no heap, and no error")
	}
}
