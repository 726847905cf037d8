package simulate

import (
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing/synctest"
	"time"
)

// network carries the bytes of every connection, and everything else that happens at a time. Whatever is to happen waits in
// one queue. The simulator takes one thing after the other, when the bubble is idle, so the order is that of the queue and not
// that of goroutines. When something is due, and what befalls it, is a function of the seed and of its name: of the connection,
// the direction, and how many came before it there.
type network struct {
	seed    uint64
	trace   *trace
	befall  func(*parcel) fate                    // what the seed has for a message
	strike  func(*parcel, fate)                   // has its instance suffer for it
	tap     func(asked, []byte)                   // sees the brokers' answers
	heldTil func(client, server string) time.Time // how long nothing gets through

	mu      sync.Mutex
	servers map[string]func(net.Conn) // who listens, by address; nil for nobody
	opened  map[string]int
	links   []*link
	over    bool // nothing is delivered any more
	queue   parcels
	adrift  []*parcel // that arrive behind a number of others
	astray  int       // messages that are late, delayed or held, and have not arrived yet
	arrived chan struct{}
	timer   *time.Timer // of step
	slice   slice
}

func newNetwork(seed uint64, t *trace) *network {
	return &network{seed: seed, trace: t, servers: make(map[string]func(net.Conn)), opened: make(map[string]int),
		arrived: make(chan struct{}, 1), timer: time.NewTimer(0), befall: func(*parcel) fate { return fate{} }, strike: func(*parcel, fate) {},
		heldTil: func(string, string) time.Time { return time.Time{} }}
}

// parcel is something that is to happen: bytes that arrive, the end of a stream, a connection that is taken, a step of the plan.
type parcel struct {
	at   time.Time
	step string // the name of a step of the plan; unique
	line *line  // it travels on; nil for a step
	data []byte // nil for the end of the stream
	do   func() // a step of the plan, or the arrival of a connection
	n    int    // how many came before it on the line
	hash digest // of its name
	met  bool   // its fate has been drawn

	strayed        bool // it is late, delayed or held
	behind, before int  // of adrift: how many messages, or turns of its kind, are left to count
}

// line is one direction of a connection. Its first parcel is in the queue, the others behind it.
type line struct {
	link    *link
	way     direction
	name    string // what the names of its parcels begin with
	hash    digest // of that
	waiting []*parcel
	sent    int
}

// link is a connection.
type link struct {
	net            *network
	name           string
	client, server string
	isKafka        bool
	ends           [2]*end // by the direction in which they write
	lines          [2]*line
	asked          map[int32]asked // requests by their correlation
	gone           bool            // the client knows nothing of it any more
	dialled        chan error
}

func newLine(l *link, way direction) *line {
	name := l.name + " " + way.String() + " "
	return &line{link: l, way: way, name: name, hash: digestOf(name)}
}

// name is unique.
func (p *parcel) name() string {
	if p.line == nil {
		return p.step
	}
	return p.line.name + strconv.Itoa(p.n)
}

// draw returns the random numbers of a name.
func (n *network) draw(name string) *rand.Rand { return digestOf(name).draw(n.seed) }

// latency is how long a parcel travels: mostly a fraction of a millisecond.
func (n *network) latency(of digest) time.Duration {
	r := of.draw(n.seed)
	d := time.Duration(20+r.IntN(400)) * time.Microsecond
	if r.IntN(50) == 0 {
		d += time.Duration(r.IntN(30_000)) * time.Microsecond
	}
	return d + time.Duration(r.IntN(1000)) // so that two are hardly ever due at once
}

// plan has something happen at a time. The name is unique.
func (n *network) plan(after time.Duration, name string, do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.push(&parcel{at: time.Now().Add(after), step: name, do: do})
}

// push puts a parcel into the queue; the lock is held.
func (n *network) push(p *parcel) {
	heap.Push(&n.queue, p)
	select {
	case n.arrived <- struct{}{}:
	default:
	}
}

// dial opens a connection to whoever listens at an address.
func (n *network) dial(ctx context.Context, from *host, to string, isKafka bool) (net.Conn, error) {
	if ctx.Err() != nil { // as a net.Dialer does
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	if from.isDown() {
		return nil, errNobody
	}
	n.mu.Lock()
	if n.over {
		n.mu.Unlock()
		return nil, errNobody
	}
	route := from.name + " " + to
	n.opened[route]++
	l := &link{net: n, name: fmt.Sprintf("%s#%d", route, n.opened[route]), client: from.name, server: to, isKafka: isKafka, asked: make(map[int32]asked),
		dialled: make(chan error, 2)}
	for _, way := range []direction{up, down} {
		l.ends[way], l.lines[way] = newEnd(n, l, way), newLine(l, way)
	}
	l.enqueue(&parcel{line: l.lines[up], do: func() { l.dialled <- n.accept(l) }})
	n.links = append(n.links, l)
	n.mu.Unlock()
	from.own(l)
	select {
	case err := <-l.dialled:
		if err != nil {
			return nil, err
		}
		return l.ends[up], nil
	case <-ctx.Done():
		l.drop()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
}

// end refuses whoever still dials, and whoever dials from now on: nothing is delivered any more.
func (n *network) end() {
	n.mu.Lock()
	n.over = true
	links := slices.Clone(n.links)
	n.mu.Unlock()
	for _, l := range links {
		l.drop()
		select {
		case l.dialled <- errNobody: // of one that was cut on its way
		default:
		}
	}
}

// accept gives the server its end.
func (n *network) accept(l *link) error {
	n.mu.Lock()
	serve := n.servers[l.server]
	n.mu.Unlock()
	if l.gone || serve == nil {
		return errNobody
	}
	serve(l.ends[down])
	return nil
}

// listen names who takes the connections to an address; nil for nobody.
func (n *network) listen(at string, serve func(net.Conn)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.servers[at] = serve
}

// send puts bytes, or the end of the stream, on their way; the lock is held.
func (l *link) send(way direction, data []byte) {
	if way == down && l.isKafka && len(data) >= 8 && l.net.tap != nil {
		l.net.tap(l.asked[int32(binary.BigEndian.Uint32(data[4:]))], data)
	}
	l.enqueue(&parcel{line: l.lines[way], data: data})
}

// enqueue puts a parcel behind the others of its line; the lock is held.
func (l *link) enqueue(p *parcel) {
	p.n = p.line.sent
	p.line.sent++
	p.hash = p.line.hash.number(p.n)
	p.at = time.Now().Add(l.net.latency(p.hash))
	p.line.waiting = append(p.line.waiting, p)
	if len(p.line.waiting) == 1 {
		l.net.push(p)
	}
}

// next hands the line's next parcel to the queue; the lock is held.
func (n *network) next(l *line) {
	if l.waiting = l.waiting[1:]; len(l.waiting) > 0 {
		p := l.waiting[0]
		if now := time.Now(); p.at.Before(now) {
			p.at = now.Add(time.Duration(p.n) + 1)
		}
		n.push(p)
	}
}

// drop ends the client's side at once. What it has sent goes on to the server, and the end of the stream behind it.
func (l *link) drop() {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.gone {
		return
	}
	l.gone = true
	select {
	case l.dialled <- errNobody:
	default:
	}
	if l.ends[up].refused == nil {
		l.send(up, nil)
	}
	l.ends[up].fail(errReset, errBroken)
	l.ends[up].in = nil
}

// step waits until the bubble is idle and lets the next thing happen. It returns false when nothing is due before a time.
func (n *network) step(until time.Time) bool {
	for {
		synctest.Wait()
		n.slice.next()
		n.mu.Lock()
		at := until
		if len(n.queue) > 0 && n.queue[0].at.Before(until) {
			at = n.queue[0].at
		}
		wait := time.Until(at)
		if wait <= 0 {
			if at.Equal(until) {
				n.mu.Unlock()
				return false
			}
			p := heap.Pop(&n.queue).(*parcel)
			n.mu.Unlock()
			n.happen(p)
			return true
		}
		n.mu.Unlock()
		n.timer.Reset(wait)
		select {
		case <-n.timer.C:
		case <-n.arrived:
		}
		n.timer.Stop()
	}
}

// happen lets a parcel arrive, or a step of the plan be made.
func (n *network) happen(p *parcel) {
	if p.line == nil {
		p.do()
		return
	}
	l := p.line.link
	if til := n.heldTil(l.client, l.server); time.Now().Before(til) {
		n.stray(p, fate{lateness: lateness{by: time.Until(til) + n.latency(p.hash.with(" held"))}})
		return
	}
	var f fate
	if p.data != nil && !p.met {
		p.met = true
		f = n.befall(p)
	}
	if n.isPutOff(p, f) {
		return
	}
	n.mu.Lock()
	n.find(p)
	n.next(p.line)
	n.mu.Unlock()
	switch f.kind {
	case lost:
		n.trace.note(p, "lost with its connection")
		l.cut()
		return
	case parted:
		n.strike(p, f)
		l.cut()
		return
	}
	n.precede(p)
	n.deliver(p)
	n.pass(p)
	if f.kind == unanswered {
		synctest.Wait() // it takes effect
		n.trace.note(p, "and the connection is lost behind it")
		l.cut()
	}
}

// isPutOff reports whether a message does not arrive yet because of what befalls it.
func (n *network) isPutOff(p *parcel, f fate) bool {
	switch f.kind {
	case late:
		n.trace.note(p, "the client gives the connection up; this arrives %v", f.lateness)
		p.line.link.drop()
		n.stray(p, f)
	case orphaned:
		n.strike(p, f)
		n.stray(p, f)
	case delayed:
		n.trace.note(p, "delayed: it arrives %v", f.lateness)
		n.stray(p, f)
	case frozen:
		n.strike(p, f)
		n.stray(p, f)
	default:
		return false
	}
	return true
}

// stray has a message arrive later, or behind others.
func (n *network) stray(p *parcel, f fate) {
	n.mu.Lock()
	n.find(p)
	p.strayed = true
	n.astray++
	counts := f.behind+f.before > 0
	if p.behind, p.before = f.behind, f.before; counts {
		n.adrift = append(n.adrift, p)
	}
	n.mu.Unlock()
	if !counts {
		n.delay(p, f.by)
	}
}

// find ends the wait for a message that was astray; the lock is held.
func (n *network) find(p *parcel) {
	if p.strayed {
		p.strayed = false
		n.astray--
	}
}

// pass brings the messages nearer that arrive behind others.
func (n *network) pass(p *parcel) {
	if _, ours := isOurs(p.line.link.client); !ours {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.adrift = slices.DeleteFunc(n.adrift, func(p *parcel) bool {
		if p.behind--; p.behind != 0 {
			return false
		}
		p.at = time.Now()
		n.push(p)
		return true
	})
}

// precede lets those messages arrive that come just before this one.
func (n *network) precede(p *parcel) {
	_, ours := isOurs(p.line.link.client)
	of := p.turn()
	if !ours || of == noTurn {
		return
	}
	var due []*parcel
	n.mu.Lock()
	n.adrift = slices.DeleteFunc(n.adrift, func(p *parcel) bool {
		if p.turn() != of {
			return false
		}
		if p.before--; p.before != 0 {
			return false
		}
		due = append(due, p)
		return true
	})
	for _, p := range due {
		n.find(p)
		n.next(p.line)
	}
	n.mu.Unlock()
	for _, p := range due {
		n.deliver(p)
		synctest.Wait()
	}
}

// landWithin is how long after the last fault the last message may still be late.
const landWithin = 10 * time.Second

// land lets the messages that are astray arrive soon.
func (n *network) land() {
	n.mu.Lock()
	defer n.mu.Unlock()
	end := time.Now().Add(landWithin)
	soon := func(p *parcel) {
		p.at = end.Add(-time.Duration(p.hash.with(" lands").draw(n.seed).Int64N(int64(landWithin))))
	}
	for _, p := range n.queue {
		if p.strayed && p.at.After(end) {
			soon(p)
		}
	}
	heap.Init(&n.queue)
	for _, p := range n.adrift {
		soon(p)
		n.push(p)
	}
	n.adrift = nil
}

// isStill reports whether no message is astray.
func (n *network) isStill() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.astray == 0
}

func (n *network) delay(p *parcel, by time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p.at = time.Now().Add(by)
	n.push(p)
}

// deliver has a message, a connection or the end of a stream arrive.
func (n *network) deliver(p *parcel) {
	n.trace.deliver(p)
	if p.do != nil {
		p.do()
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p.line.link.ask(p)
	to := p.line.link.ends[1-p.line.way]
	switch {
	case to.failed != nil:
	case p.data == nil:
		to.failed = errEnded
		to.stir()
	case len(to.in) == 0:
		to.in = p.data
		to.stir()
	default:
		to.in = append(to.in, p.data...)
		to.stir()
	}
}

// ask takes down which request is made; the lock is held.
func (l *link) ask(p *parcel) {
	if l.isKafka && p.line.way == up && len(p.data) >= 12 {
		correlation := int32(binary.BigEndian.Uint32(p.data[8:]))
		l.asked[correlation] = asked{int16(binary.BigEndian.Uint16(p.data[4:])), int16(binary.BigEndian.Uint16(p.data[6:]))}
	}
}

// cut ends both sides at once; what was on its way is lost.
func (l *link) cut() {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.gone = true
	for _, way := range []direction{up, down} {
		if l.ends[way].failed == nil || l.ends[way].refused == nil {
			l.ends[way].fail(errReset, errBroken)
		}
	}
}

// cutAll ends every connection of a server.
func (n *network) cutAll(server string) {
	n.mu.Lock()
	links := n.links
	n.mu.Unlock()
	for _, l := range links {
		if l.server == server {
			l.cut()
		}
	}
}

// parcels is a queue by time, and by name where that is the same.
type parcels []*parcel

func (q parcels) Len() int { return len(q) }
func (q parcels) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].name() < q[j].name()
}
func (q parcels) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *parcels) Push(x any)   { *q = append(*q, x.(*parcel)) }
func (q *parcels) Pop() any {
	old := *q
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return p
}
