package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

// memory is a sink that can be written to while it is read.
type memory struct {
	mu         sync.Mutex
	events     []sink.Stored
	checkpoint int
	more       chan struct{}
}

func newMemory() *memory { return &memory{more: make(chan struct{})} }

// put adds an event of a token; its number is its place.
func (m *memory) put(severity, name, token string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.events) + 1
	m.events = append(m.events, sink.Stored{Topic: "events.jsonl", Key: []byte("solana/" + token + "/1h"), Value: fmt.Appendf(nil,
		`{"specversion":"1.0","id":"id-%d","type":"lowcap.%s.v1","severity":%q,"time":%q,"sequence":"%032d","number":%d,"data":{"proceeds_usd":60.0,"entity":{"token_ticker":%q,"timeframe":"1h"}}}`,
		n, name, severity, time.Now().UTC().Format(time.RFC3339Nano), n, n, token)})
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) from(n int) ([]sink.Stored, chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[n:], m.more
}

func (m *memory) ReadState(_ context.Context, load func(string, []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checkpoint++
	return load("checkpoint", fmt.Appendf(nil, `{"Slot":"s","Time":%d,"Events":{"Number":%d}}`, m.checkpoint, len(m.events)))
}

func (m *memory) ReadEvents(ctx context.Context, r sink.Range, take func(*sink.Stored) error) error {
	for n := 0; ; {
		found, more := m.from(n)
		for i := range found {
			if n++; found[i].Value == nil {
				continue // removed
			}
			if err := take(&found[i]); err != nil {
				return err
			}
		}
		if !r.Follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-more:
		}
	}
}

func (m *memory) Kept(context.Context) ([]sink.Kept, error) { return nil, nil }

// fake is a receiver that answers as told, 200 when nothing is left, and keeps what it took.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	answers  []int
	refuses  string // what is answered with 400 for ever: a text of it
	refusals int
	got      []string // every request: the answer and the text
	arrived  chan string
}

func newFake(t *testing.T, answers ...int) *fake {
	f := &fake{answers: answers, arrived: make(chan string, 1000)}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a test
		body = []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(body)))
		code := http.StatusOK
		f.mu.Lock()
		if len(f.answers) > 0 {
			code, f.answers = f.answers[0], f.answers[1:]
		}
		if f.refuses != "" && (bytes.Contains(body, []byte(f.refuses)) || bytes.Contains(body, []byte("\U0001F6A8"))) {
			code = http.StatusBadRequest
			f.refusals++
		}
		f.got = append(f.got, fmt.Sprintf("%d %s", code, body))
		f.mu.Unlock()
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
		f.arrived <- fmt.Sprintf("%d %s", code, body)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) refused() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusals
}

// patience is how long a test waits for what must come: so long that a busy machine does not end it, only a fault.
const patience = 2 * time.Minute

// await returns the next request; it fails unless that holds every text.
func (f *fake) await(t *testing.T, texts ...string) string {
	t.Helper()
	select {
	case got := <-f.arrived:
		for _, text := range texts {
			if !strings.Contains(got, text) {
				t.Fatalf("%q is not in %s", text, got)
			}
		}
		return got
	case <-time.After(patience):
		t.Fatalf("nothing arrived that has %q", texts)
	}
	return ""
}

// nothing fails when something arrives within a moment.
func (f *fake) nothing(t *testing.T) {
	t.Helper()
	select {
	case got := <-f.arrived:
		t.Fatalf("it got %s", got)
	case <-time.After(500 * time.Millisecond):
	}
}

// running is a notify with a configuration file.
type running struct {
	t    *testing.T
	log  *syncBuffer
	stop func()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs notify on a sink until stop, and waits until every route has its place.
func start(t *testing.T, from sink.Reader, state, config string, change func(*Options)) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "notify.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	o := &Options{Group: "g", State: state}
	if change != nil {
		change(o)
	}
	s := &settings.Settings{}
	s.Config = kong.ConfigFlag(file)
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, log: &syncBuffer{}}
	done := make(chan error, 1)
	go func() { done <- Run(ctx, from, s, o, io.Discard, zerolog.New(r.log)) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	r.says("watching from")
	return r
}

// says waits until the log has a text.
func (r *running) says(text string) {
	r.t.Helper()
	tick, deadline := time.NewTicker(5*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for !strings.Contains(r.log.String(), text) {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("%q is not said: %s", text, r.log)
		}
	}
}

func telegram(f *fake, more string) string {
	return fmt.Sprintf("{name: phone, as: telegram, to: %q, chat: '1', token-env: TEST_TOKEN%s}", f.URL, more)
}

func TestFirstStartBeginsAtNowAndTheNextGoesOn(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	m.put("page", "emergency_exit.executed", "OLD")
	config := "routes: [" + telegram(f, "") + "]"
	r := start(t, m, state, config, nil)
	r.says("watching from 2")
	m.put("page", "emergency_exit.executed", "WIF")
	f.await(t, "<code>WIF</code>", "60 USD", "Emergency exit")
	r.stop()
	m.put("page", "emergency_exit.executed", "BONK")
	r = start(t, m, state, config, nil)
	if got := f.await(t, "BONK"); strings.Contains(got, "repeat") {
		t.Errorf("said to be a repeat: %s", got)
	}
	r.stop()
	other := start(t, m, t.TempDir(), config, func(o *Options) { o.From = "1h" })
	for _, token := range []string{"OLD", "WIF", "BONK"} {
		f.await(t, token)
	}
	other.stop()
}

// TestRefused: as it is, then as a short text, then by the fallback; without one the route stands, and what is behind waits.
func TestRefused(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, fallback := newMemory(), newFake(t, 400, 200, 413, 422), newFake(t)
	start(t, m, t.TempDir(), "routes: ["+telegram(f, ", fallback: other")+", {name: other, as: slack, to: '"+fallback.URL+"', severity: none}]", nil)
	m.put("page", "emergency_exit.executed", "A")
	f.await(t, "400", "parse_mode")
	if got := f.await(t, "200 ", "page: Emergency exit: A 1h"); strings.Contains(got, "parse_mode") {
		t.Errorf("not plain: %s", got)
	}
	m.put("page", "emergency_exit.executed", "B")
	f.await(t, "413")
	f.await(t, "422")
	fallback.await(t, "Emergency exit (phone refused it): B")
	m.put("page", "emergency_exit.executed", "C")
	f.await(t, "200 ", "<code>C</code>")
	fallback.nothing(t)
}

func TestRefusedWithoutAFallbackStands(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f := newMemory(), newFake(t, 400, 400, 400, 400)
	r := start(t, m, t.TempDir(), "routes: ["+telegram(f, "")+"]", nil)
	m.put("page", "emergency_exit.executed", "A")
	m.put("page", "emergency_exit.executed", "B")
	for range 4 {
		f.await(t, "400")
	}
	r.says("the route stands: the receiver refuses the event")
	f.await(t, "200", "<code>A</code>")
	f.await(t, "200", "<code>B</code>")
}

// TestWrongSettingStands: redirects are not followed, and nothing is passed over.
func TestWrongSettingStands(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f := newMemory(), newFake(t, 302, 401, 403, 404)
	r := start(t, m, t.TempDir(), "routes: ["+telegram(f, "")+"]", nil)
	m.put("page", "emergency_exit.executed", "A")
	for _, code := range []string{"302", "401", "403", "404", "200"} {
		f.await(t, code, "<code>A</code>")
	}
	r.says("its setting is wrong")
	r.says("is not followed")
}

// TestSlowRouteDelaysNoOther: one hangs, the other gets everything at once.
func TestSlowRouteDelaysNoOther(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a test
		<-r.Context().Done()
	}))
	defer hang.Close()
	defer hang.CloseClientConnections()
	m, f := newMemory(), newFake(t)
	r := start(t, m, t.TempDir(), "routes: ["+telegram(f, "")+", {name: slow, as: webhook, to: '"+hang.URL+"'}]", nil)
	begun := time.Now()
	for n := range 10 {
		m.put("page", "emergency_exit.executed", fmt.Sprint("T", n))
		f.await(t, fmt.Sprintf("<code>T%d</code>", n))
	}
	if took := time.Since(begun); took > 40*time.Second { // ten attempts that hang take a hundred
		t.Errorf("it took %s", took)
	}
	hang.CloseClientConnections()
	r.says(`"route":"slow"`)
	hang.Config.Handler = http.NotFoundHandler()
}

// TestDigest: pages at once and each, the rest as one message.
func TestDigest(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f := newMemory(), newFake(t)
	start(t, m, t.TempDir(), "routes: ["+telegram(f, ", severity: info, digest: 1s")+"]", nil)
	for range 7 {
		m.put("info", "trim_pool.opened", "W")
	}
	m.put("warn", "entry_block.orphaned", "O")
	m.put("page", "emergency_exit.executed", "P")
	f.await(t, "<code>P</code>")
	f.await(t, "8 events, none of them a page", "Trim pool: opened: <code>7 times", "Entry block that the bot will never lift: <code>1 times")
	f.nothing(t)
}

// TestBacklog: what came while notify was away is told as one message, but pages each.
func TestBacklog(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t), t.TempDir()
	config := "routes: [" + telegram(f, "") + "]"
	start(t, m, state, config, nil).stop()
	for n := range 40 {
		m.put("warn", "entry_block.orphaned", fmt.Sprint("O", n))
		m.put("page", "emergency_exit.executed", fmt.Sprint("P", n))
	}
	start(t, m, state, config, nil)
	var pages []string
	summaries := 0
	for range 41 {
		switch got := f.await(t); {
		case strings.Contains(got, "40 events, none of them a page"):
			summaries++
		default:
			pages = append(pages, got)
		}
	}
	if summaries != 1 || len(pages) != 40 || !strings.Contains(pages[0], "P0<") || !strings.Contains(pages[39], "P39<") {
		t.Errorf("%d summaries, %d pages", summaries, len(pages))
	}
	f.nothing(t)
}

// TestRepeatIsMarked: the process ends while the receiver has the message and has not said so.
func TestRepeatIsMarked(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f, state := newMemory(), newFake(t, 500), t.TempDir()
	config := "routes: [" + telegram(f, "") + "]"
	start(t, m, state, config, nil).stop()
	m.put("page", "emergency_exit.executed", "A")
	// As a crash leaves it: the place says that the event is on its way.
	places := &places{dir: state}
	if err := places.take(); err != nil {
		t.Fatal(err)
	}
	if err := places.write("g-phone", &place{Sending: "id-1"}); err != nil {
		t.Fatal(err)
	}
	if err := places.close(); err != nil {
		t.Fatal(err)
	}
	start(t, m, state, config, nil)
	f.await(t, "500", "may be a repeat")
	f.await(t, "200", "may be a repeat")
	m.put("page", "emergency_exit.executed", "B")
	if got := f.await(t, "<code>B</code>"); strings.Contains(got, "repeat") {
		t.Errorf("said to be a repeat: %s", got)
	}
}

func TestTokensAndTypes(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	m, f := newMemory(), newFake(t)
	start(t, m, t.TempDir(), "routes: ["+telegram(f, ", severity: info, tokens: [WIF], types: ['emergency_exit.*', trade.closed]")+"]", nil)
	m.put("page", "emergency_exit.executed", "BONK")
	m.put("info", "trim_pool.opened", "WIF")
	m.put("page", "emergency_exit.executed", "WIF")
	f.await(t, "<code>WIF</code>", "Emergency exit")
	f.nothing(t)
}

// TestDamagedPlaceIsNoFirstStart: to begin at now would pass over events in silence.
func TestDamagedPlaceIsNoFirstStart(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "{", "[]", `{"number":3}`, "\x00\x00\x00"} {
		if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := (&places{dir: dir}).read("x"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestOneStateDirectoryOneProcess(t *testing.T) {
	dir := t.TempDir()
	first, second := &places{dir: dir}, &places{dir: dir}
	if err := first.take(); err != nil {
		t.Fatal(err)
	}
	if err := second.take(); err == nil || !strings.Contains(err.Error(), "another notify") {
		t.Errorf("%v", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
}

func TestPlanErrors(t *testing.T) {
	for config, says := range map[string]string{
		"routes: [{name: a, as: slack, to: 'https://x', secret: s}]":                             "secrets do not stand in this file",
		"routes: [{name: a, as: slack, to: 'https://x', colour: red}]":                           "colour",
		"routes: [{name: a, as: slack, to: 'https://x'}, {name: a, as: slack, to: 'https://x'}]": "two have the name",
		"routes: [{name: '', as: slack, to: 'https://x'}]":                                       "name",
		"routes: [{name: a, as: slack, to: 'https://x', severity: high}]":                        "severity",
		"routes: [{name: a, as: slack, to: 'https://x', fallback: b}]":                           "no other route",
		"routes: [{name: a, as: slack, to: 'https://x', types: [exit.*]}]":                       "no event type",
		"routes: [{name: a, as: webhook, to: 'https://x', digest: 5m}]":                          "digest",
		"routes: [{name: a, as: telegram, to: 'https://x', chat: '1'}]":                          "token-file",
		"routes: [{name: a, as: slack, to-file: /nonexistent}]":                                  "to-file",
		"heartbeat: {url: nowhere}\nroutes: [{name: a, as: slack, to: 'https://x'}]":             "heartbeat",
		"page-url: https://x": "nobody is to be told",
		"routes: [{name: a, as: slack, to: 'https://x:99999'}]":                                                       "to is not a URL",
		"routes: [{name: a, as: slack, to: 'https://:443'}]":                                                          "to is not a URL",
		"routes: [{name: a, as: email, to: 'smtp://x:0', from: a@b, recipients: [a@b]}]":                              "to is not a URL",
		"heartbeat: {url: 'https://x:0'}\nroutes: [{name: a, as: slack, to: 'https://x'}]":                            "heartbeat: url",
		"routes: [{name: a, as: slack, to: 'https://x', tokens: [WIF, '']}]":                                          "tokens",
		"\uFEFFheartbeat: {url: nowhere}\nroutes: [{name: a, as: slack, to: 'https://x'}]":                            "heartbeat",
		"\"heartbeat\": {url: nowhere}\nroutes: [{name: a, as: slack, to: 'https://x'}]":                              "heartbeat",
		"heartbeat: https://x\nroutes: [{name: a, as: slack, to: 'https://x'}]":                                       "was used where mapping",
		"heartbeat: {every: 1m, urll: x}\nroutes: [{name: a, as: slack, to: 'https://x'}]":                            "urll",
		"page-url: cdc.example.org\nroutes: [{name: a, as: slack, to: 'https://x'}]":                                  "page-url is not a URL",
		"heartbeat: {every: 1m}\nroutes: [{name: a, as: slack, to: 'https://x'}]":                                     "nobody is asked",
		"routes: [{name: a, as: slack, to: 'https://x', digest: 5}]":                                                  "cannot unmarshal",
		"routes: [{name: a, as: slack, to: 'https://x', digest: 5ms}]":                                                "5m",
		"routes: [{name: a, as: slack, to: 'https://x', types: [trade.closed]}]":                                      "set severity to info",
		"routes: [{name: a, as: slack, to: 'https://x', severity: page, types: ['emergency_exit.*', '*.malformed']}]": "set severity to warn",
		"routes: [{name: a, as: slack, to: 'https://x'}, {name: a-rest, as: slack, to: 'https://x'}]":                 "share a place",
		"routes: [{name: a, as: slack, to: 'https://x'}]\nroutes: [{name: b, as: slack, to: 'https://x'}]":            "routes",
		"routes: [{name: a, as: slack, to: 'https://x', name: b}]":                                                    "name",
		"routes: {name: a, as: slack, to: 'https://x'}":                                                               "was used where sequence",
		"routes: [a]":    "was used where mapping",
		"routes: [null]": "name",
		"routes: [{name: a, as: slack, to: 'https://x', heartbeat: {url: 'https://x'}}]": "heartbeat",
		"routes: [{name: a, as: slack, to: 'https://x', tokens: WIF}]":                   "was used where sequence",
	} {
		file := filepath.Join(t.TempDir(), "notify.yaml")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		err := (&Options{}).Check(file)
		if err == nil || !strings.Contains(err.Error(), says) || settings.ExitCode(err) != settings.ExitUsage {
			t.Errorf("%s\n%v, want a word of %q and exit code 2", config, err, says)
		}
	}
}

// TestHeartbeat comes while everything lives, and not while a route fails.
func TestHeartbeat(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	beats := newFake(t)
	m, f := newMemory(), newFake(t, slices.Repeat([]int{401}, 5)...)
	r := start(t, m, t.TempDir(), "heartbeat: {url: '"+beats.URL+"', every: 1s}\nroutes: ["+telegram(f, "")+"]", nil)
	beats.await(t)
	m.put("page", "emergency_exit.executed", "A")
	r.says("no heartbeat")
	for range 5 {
		f.await(t, "401")
	}
	f.await(t, "200")
	for len(beats.arrived) > 0 {
		<-beats.arrived
	}
	beats.await(t)
}

// TestWatchTells lets the stream stand and a route fail, by the clock of the test.
func TestWatchTells(t *testing.T) {
	t.Setenv("TEST_TOKEN", "1:t")
	f, other := newFake(t), newFake(t)
	plan, err := ReadPlan("")
	if err != nil {
		t.Fatal(err)
	}
	plan.Routes = []RoutePlan{{Name: "phone", As: "telegram", To: f.URL, Chat: "1", secret: "t"}, {Name: "other", As: "slack", To: other.URL}}
	m := &messenger{counts: newCounts(), feed: &fileFeed{reader: newMemory()}}
	if m.routes, err = plan.routes(zerolog.Nop(), m.counts); err != nil {
		t.Fatal(err)
	}
	m.watch = newWatch(m)
	var telling sync.WaitGroup
	m.watch.moved = time.Now().Add(-2 * stalledAfter)
	m.watch.judgeStream(t.Context(), &telling)
	f.await(t, "The stream does not move")
	other.await(t, "The stream does not move")
	m.watch.judgeStream(t.Context(), &telling) // once
	m.watch.moved = time.Now()
	m.watch.judgeStream(t.Context(), &telling)
	f.await(t, "The stream moves again")
	other.await(t, "The stream moves again")
	telling.Wait()
	m.routes[0].health.failing = map[*receiver.Message]failure{nil: {time.Now().Add(-2 * failingAfter), "401 Unauthorized"}}
	m.watch.judgeRoutes(t.Context(), &telling)
	m.watch.judgeRoutes(t.Context(), &telling) // once
	other.await(t, "Route phone does not deliver", "401 Unauthorized")
	telling.Wait()
	f.nothing(t)
}

// TestMetricsAreDocumented compares what is served with the table in docs/alerting.md.
func TestMetricsAreDocumented(t *testing.T) {
	m := &messenger{counts: newCounts(), routes: []*route{{name: "phone", health: &health{}}}}
	m.watch = newWatch(m)
	m.counts.observe(m)
	doc, err := os.ReadFile("../../../../docs/alerting.md")
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for line := range strings.Lines(string(m.counts.registry.Text())) {
		if rest, isType := strings.CutPrefix(line, "# TYPE "+prefix); isType {
			served++
			name, _, _ := strings.Cut(rest, " ")
			if !strings.Contains(string(doc), "\n| `"+prefix+name+"` |") {
				t.Errorf("docs/alerting.md does not name %s", prefix+name)
			}
		}
	}
	if rows := strings.Count(string(doc), "\n| `"+prefix); rows != served {
		t.Errorf("docs/alerting.md has %d metrics, %d are served", rows, served)
	}
}

// TestSameCheckpointDoesNotMove: one that is read again is the same, however often.
func TestSameCheckpointDoesNotMove(t *testing.T) {
	m := &messenger{feed: &fileFeed{reader: still{newMemory()}}}
	w := newWatch(m)
	if _, err := w.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	moved := w.moved
	if _, err := w.look(t.Context()); err != nil || w.moved != moved {
		t.Errorf("it has moved (%v)", err)
	}
}

// still is a sink whose checkpoint stands.
type still struct{ *memory }

func (still) ReadState(_ context.Context, load func(string, []byte) error) error {
	return load("checkpoint", []byte(`{"Slot":"s","LSN":7,"Time":1,"Images":{},"Events":{"Number":1}}`))
}
