package page

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
)

// serving is a page that serves within limits, and the hooks by which a pipeline tells it of commits.
func serving(t *testing.T, l limits) (address string, hooks cdc.Hooks) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &settings.Settings{Sink: "file:" + t.TempDir(), Version: "test"}
	p := newPageServer(ctx, s, monitor.New("test"), nil, time.Minute, l)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := l.server((&Flags{}).handler(p))
	ended := make(chan struct{}, 3)
	for _, start := range []func(){p.keeper.keep, func() { p.tell(ctx) }, func() { server.Serve(l.listener(inner)) }} { //nolint:errcheck // it is closed
		go func() { start(); ended <- struct{}{} }()
	}
	t.Cleanup(func() {
		cancel()
		server.Close() //nolint:errcheck // the test is over
		for range 3 {
			<-ended
		}
	})
	return inner.Addr().String(), p.keeper.hooks()
}

// asks opens a connection and sends a request, of which it reads no answer.
func asks(t *testing.T, address, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() }) //nolint:errcheck // it may be closed
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

const listens = "GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"

// largeBatch is a commit of quarantined values, which are the largest lines that the page shows.
func largeBatch(number int) *cdc.Batch {
	b := &cdc.Batch{}
	for i := range 100 {
		raw := strings.Repeat(`"<`, 1000)
		b.Events = append(
			b.Events,
			cdc.Event{Attributes: schemas.Attributes{Type: (*schemas.HistoryMalformed)(nil).Type()}, Value: fmt.Appendf(
				nil,
				`{"type":"lowcap.history.malformed.v1","sequence":"%032d","data":{"key":"k","raw":%q,"entity":{"token_ticker":"T"}}}`,
				number*100+i,
				raw,
			)},
		)
	}
	return b
}

// TestVisitorsWhoDoNotRead: any number of them take little memory, and a commit does not wait for them.
func TestVisitorsWhoDoNotRead(t *testing.T) {
	address, hooks := serving(t, inProduction)
	for number := range 10 {
		hooks.Durable(largeBatch(number))
	}
	before := heap()
	for range 600 {
		asks(t, address, listens)
	}
	slowest := time.Duration(0)
	for number := range 50 {
		batch := largeBatch(10 + number)
		begun := time.Now()
		hooks.Durable(batch)
		slowest = max(slowest, time.Since(begun))
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the visitors take %d MB", grown>>20)
	}
	if slowest > 8*time.Second { // one that waited for a visitor would wait for the limit of a write
		t.Errorf("a commit waited for %s", slowest)
	}
	if code := livez(t, address); code != http.StatusOK {
		t.Errorf("beside them /livez answers %d", code)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func livez(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Get("http://" + address + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only the status is wanted
	return response.StatusCode
}

// TestVisitorsAreEnded: who does not read, does not ask, or does not finish asking is ended within its limit. Those of
// production are a hundred times as long.
func TestVisitorsAreEnded(t *testing.T) {
	l := inProduction
	for _, d := range []*time.Duration{&l.header, &l.request, &l.idle, &l.stream, &l.write} {
		*d /= 100
	}
	address, hooks := serving(t, l)
	for name, c := range map[string]struct {
		request string
		within  time.Duration
	}{
		"does not read":        {listens, 600 * time.Millisecond},
		"keeps an idle one":    {"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 900 * time.Millisecond},
		"sends half a header":  {"GET /livez HTTP/1.1\r\nHost: local", 300 * time.Millisecond},
		"sends half a request": {"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf", 900 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := asks(t, address, c.request)
			begun := time.Now()
			if name == "does not read" {
				hooks.Durable(largeBatch(1))
				<-time.After(c.within) // while it does not read
			}
			conn.SetReadDeadline(begun.Add(c.within + 8*time.Second)) //nolint:errcheck // it fails the read
			if _, err := io.Copy(io.Discard, bufio.NewReader(conn)); isTimeout(err) {
				t.Errorf("it is still connected after %s", time.Since(begun))
			}
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as io.Copy returns it
	return ok && timeout.Timeout()
}

// TestLimitsOfProduction: what the documents promise follows from the limits.
func TestLimitsOfProduction(t *testing.T) {
	l := inProduction
	if l.stream+l.write > time.Minute || l.request > time.Minute || l.idle > 90*time.Second || l.header > 30*time.Second {
		t.Errorf("%+v", l)
	}
}

// TestReconnectingPageMissesNothing: the page is told everything that is committed after what it got first.
func TestReconnectingPageMissesNothing(t *testing.T) {
	address, hooks := serving(t, inProduction)
	conn := asks(t, address, listens)
	lines := bufio.NewReader(conn)
	conn.SetReadDeadline(time.Now().Add(2 * time.Minute)) //nolint:errcheck // it fails the read
	for text := ""; !strings.HasPrefix(text, "event: now"); {
		var err error
		if text, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	hooks.Durable(largeBatch(7))
	for seen := 0; seen < 100; {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d lines: %v", seen, err)
		}
		if strings.HasPrefix(text, "event: line") {
			seen++
		}
	}
}
