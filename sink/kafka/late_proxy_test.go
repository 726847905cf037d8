package kafka_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateProxy stands between a sink and a broker, understands where a request begins and ends and of what kind it is, and can
// hold requests back: their connection ends, as when a packet is stuck on its way, and they are delivered when the test says.
type lateProxy struct {
	t        testing.TB
	listener net.Listener
	upstream string

	mu     sync.Mutex
	hold   map[kmsg.Key]int // how many of the requests to come are held
	mute   map[kmsg.Key]int // and how many get no answer, although the broker gives one
	held   []lateRequest
	seen   map[kmsg.Key]int       // requests so far
	newest map[kmsg.Key]int16     // version that was sent last
	before map[kmsg.Key]func()    // runs once, before the next request of the kind goes on
	onHeld func(request kmsg.Key) // runs when one was held
}

type lateRequest struct {
	key   kmsg.Key
	frame []byte // with its length in front
}

func newLateProxy(t testing.TB) *lateProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() }) //nolint:errcheck // the test is over
	return &lateProxy{t: t, listener: listener, hold: make(map[kmsg.Key]int), mute: make(map[kmsg.Key]int),
		seen: make(map[kmsg.Key]int), newest: make(map[kmsg.Key]int16), before: make(map[kmsg.Key]func())}
}

// to begins to carry requests to the broker at an address, and returns where they come in.
func (p *lateProxy) to(upstream string) (string, error) {
	p.upstream = upstream
	go func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return // the test is over
			}
			go p.carry(client)
		}
	}()
	return p.listener.Addr().String(), nil
}

func (p *lateProxy) carry(client net.Conn) {
	defer client.Close() //nolint:errcheck // either side may have closed it
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // either side may have closed it
	for {                // one request at a time: the sink's client waits for each answer
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		key := kmsg.Key(binary.BigEndian.Uint16(frame[4:]))
		if p.takes(lateRequest{key, frame}) {
			return
		}
		if _, err := server.Write(frame); err != nil {
			return
		}
		answer, err := readFrame(server)
		if err != nil || p.loses(key) {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// loses reports whether the answer to a request is lost.
func (p *lateProxy) loses(key kmsg.Key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	loses := p.mute[key] > 0
	if loses {
		p.mute[key]--
	}
	return loses
}

// loseNext loses the answers to the next requests of a kind.
func (p *lateProxy) loseNext(key kmsg.Key, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute[key] = n
}

// readFrame reads a request or an answer with its length in front.
func readFrame(r io.Reader) ([]byte, error) {
	frame := make([]byte, 4)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(frame)
	frame = append(frame, make([]byte, size)...)
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// takes reports whether a request stays here.
func (p *lateProxy) takes(r lateRequest) bool {
	p.mu.Lock()
	p.seen[r.key]++
	p.newest[r.key] = int16(binary.BigEndian.Uint16(r.frame[6:]))
	before, takes, onHeld := p.before[r.key], p.hold[r.key] > 0, p.onHeld
	delete(p.before, r.key)
	if takes {
		p.hold[r.key]--
		p.held = append(p.held, r)
	}
	p.mu.Unlock()
	if before != nil {
		before()
	}
	if takes && onHeld != nil {
		onHeld(r.key)
	}
	return takes
}

// holdNext holds the next requests of a kind.
func (p *lateProxy) holdNext(key kmsg.Key, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold[key] = n
}

// beforeNext runs f before the next request of a kind goes on.
func (p *lateProxy) beforeNext(key kmsg.Key, f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.before[key] = f
}

// version returns the version of the last request of a kind.
func (p *lateProxy) version(key kmsg.Key) int16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest[key]
}

func (p *lateProxy) count(key kmsg.Key) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[key]
}

// deliver brings the first request of a kind that was held to the broker, and waits until it is answered.
func (p *lateProxy) deliver(key kmsg.Key) {
	if err := p.deliverFirst(key); err != nil {
		p.t.Errorf("deliver %s late: %v", key.Name(), err)
	}
}

func (p *lateProxy) deliverFirst(key kmsg.Key) error {
	p.mu.Lock()
	at := slices.IndexFunc(p.held, func(r lateRequest) bool { return r.key == key })
	if at < 0 {
		p.mu.Unlock()
		return fmt.Errorf("none was held")
	}
	frame := p.held[at].frame
	p.held = slices.Delete(p.held, at, at+1)
	p.mu.Unlock()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return err
	}
	defer server.Close() //nolint:errcheck // it was read to its end
	if err := server.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := server.Write(frame); err != nil {
		return err
	}
	_, err = readFrame(server)
	return err
}
