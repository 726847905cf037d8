package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"lowcap-cdc/deploy/chaos/oracle"
)

// postgresAt is the address of the simulated server.
const postgresAt = "postgres:5432"

// server is the simulated Postgres: the two tables, the WAL, the slots, and sessions that speak the protocol. What it does with
// slots and places is what the documents and the source of Postgres say; conversation_test.go compares it with the real one.
type server struct {
	net    *network
	random *rand.Rand
	major  int
	system string // its identifier

	mu       sync.Mutex
	contents          // of all that was committed
	base     contents // where the WAL began
	wal      []*transaction
	past     []*transaction // of the servers before, what was to be told
	every    []*transaction // and everything
	database string
	start    lsn // where the WAL began
	inserted lsn // where it ends
	flushed  lsn // what outlives a crash
	timeline int
	left     []lsn // where the timelines before were left
	xid, oid uint32
	slots    map[string]*slot
	exported map[string]*exported
	sessions map[*session]bool
	pids     int32
	changed  chan struct{} // closed when there is more to send
	failure  string        // what the simulation cannot do, and was asked for
	skew     time.Duration // of its clock
	apart    bool          // no transaction commits right behind another
}

// slot is a logical slot.
type slot struct {
	name      string
	temporary bool
	session   *session // that reads from it
	point     lsn      // where its snapshot lies
	confirmed lsn
	saved     lsn // confirmed, as it is on disk
	lost      bool
}

// exported is what a snapshot sees.
type exported struct {
	contents
	at lsn
}

func newServer(n *network, seed uint64) *server {
	s := &server{net: n, random: rand.New(rand.NewPCG(seed, 77)), start: 0x1000000, timeline: 1, xid: 700, oid: 20_000,
		slots: make(map[string]*slot), exported: make(map[string]*exported), sessions: make(map[*session]bool),
		changed: make(chan struct{}), contents: newContents(), base: newContents(),
		system: "7234567890123456789", database: "app"}
	s.major = 14 + s.random.IntN(5)
	s.inserted, s.flushed = s.start, s.start
	n.listen(postgresAt, s.accept)
	return s
}

func (s *server) accept(conn net.Conn) {
	s.mu.Lock()
	s.pids++
	session := newSession(s, conn, s.pids)
	s.sessions[session] = true
	s.mu.Unlock()
	go session.serve()
}

// commit appends a transaction. One that is flushed outlives a crash. The next one may commit right behind it, at the place
// where it ends.
func (s *server) commit(flush bool, changes ...change) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := lsn(64)
	if s.random.IntN(4) > 0 {
		size += lsn(8 * (1 + s.random.IntN(60)) * (1 + len(changes)))
	}
	if size == 64 && !s.apart && len(s.wal) > 0 && s.wal[len(s.wal)-1].end == s.inserted {
		size = 0 // its changes were written before the one before it committed
	}
	s.xid++
	t := &transaction{commit: s.inserted + size, at: s.now(), xid: s.xid, changes: changes}
	t.end = t.commit + 48
	s.inserted = t.end
	s.wal = append(s.wal, t)
	s.apply(t)
	t.publication = s.publication
	if flush {
		s.flush()
	}
	s.net.trace.say("transaction %d commits at %s: %s", t.xid, t.commit, t)
	return t
}

// flush makes all that was committed durable, and tells who sends; the lock is held.
func (s *server) flush() {
	s.flushed = s.inserted
	close(s.changed)
	s.changed = make(chan struct{})
}

// flushAll is flush for the WAL writer.
func (s *server) flushAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushed < s.inserted {
		s.flush()
	}
}

// write moves the end of the WAL without a transaction that anybody follows.
func (s *server) write(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inserted += lsn(bytes &^ 7)
}

// checkpoint saves the slots.
func (s *server) checkpoint() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	for _, slot := range s.slots {
		slot.saved = slot.confirmed
	}
}

// crash ends every session; what was not flushed has never happened. It returns how many transactions are gone.
func (s *server) crash() (gone int) {
	s.net.listen(postgresAt, nil)
	s.net.cutAll(postgresAt)
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		session.end()
	}
	maps.DeleteFunc(s.slots, func(_ string, slot *slot) bool { return slot.temporary })
	for _, slot := range s.slots {
		slot.confirmed, slot.session = slot.saved, nil
	}
	s.exported = make(map[string]*exported)
	for len(s.wal) > 0 && s.wal[len(s.wal)-1].end > s.flushed {
		s.wal = s.wal[:len(s.wal)-1]
		gone++
	}
	s.inserted = s.flushed
	s.contents = s.base.clone()
	for _, t := range s.wal {
		s.apply(t)
	}
	return gone
}

// recover lets connections in again.
func (s *server) recover() {
	s.write(160) // a checkpoint record
	s.checkpoint()
	s.net.listen(postgresAt, s.accept)
}

// promote makes a standby the server, which has all that was flushed and the slots as they were saved.
func (s *server) promote() {
	s.mu.Lock()
	s.left = append(s.left, s.flushed)
	s.timeline++
	s.mu.Unlock()
	s.recover()
}

// fail notes what the simulation cannot answer: the run is worth nothing.
func (s *server) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == "" {
		s.failure = fmt.Sprintf(format, args...)
	}
}

// toTell returns the transactions that are to be told: those behind the slot's first place.
func (s *server) toTell() (all []*transaction) {
	all = append(all, s.past...)
	for _, t := range s.wal {
		if slot := s.slots["slot"]; slot != nil && t.commit >= slot.point {
			all = append(all, t)
		}
	}
	return all
}

// streamed returns the transactions behind the slot's first place on this server; none where a table left the stream, for then not
// everything of them is told step by step.
func (s *server) streamed() []*transaction {
	for _, t := range s.wal {
		if slices.ContainsFunc(t.changes, func(c change) bool { return c.op == 'C' && c.relation() != nil }) {
			return nil
		}
	}
	return s.toTell()[len(s.past):]
}

// stepsOf returns what the row changes of transactions are, in their order.
func stepsOf(all []*transaction) oracle.Steps {
	log := oracle.NewLog()
	for _, t := range all {
		for i := range t.changes {
			t.changes[i].log(log.Add)
		}
	}
	return log.Steps
}

// log takes down what a change did to rows.
func (c *change) log(add func(isPosition bool, entity, op string, was, is []byte)) {
	if c.entity != "" {
		add(c.isPosition, c.entity, map[byte]string{'I': "INSERT", 'U': "UPDATE", 'D': "DELETE"}[c.op], c.loggedWas, c.loggedIs)
	}
	for i := range c.ends {
		c.ends[i].log(add)
	}
}

// now is what the server's clock shows.
func (s *server) now() time.Time { return time.Now().Add(s.skew) }

// lose invalidates a slot, as max_slot_wal_keep_size does. Nobody reads from it then.
func (s *server) lose(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.slots[name]
	if slot == nil || slot.lost {
		return false
	}
	slot.lost = true
	if slot.session != nil {
		slot.session.end()
		slot.session.conn.Close() //nolint:errcheck // it is over
	}
	return true
}

// forget removes a slot of a server that is down. It returns false when there was none.
func (s *server) forget(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, existed := s.slots[name]
	delete(s.slots, name)
	return existed
}

// isFree reports whether a slot is there that nobody reads from.
func (s *server) isFree(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.slots[name]
	return slot != nil && slot.session == nil && !slot.lost
}

// advance confirms all that was flushed, as pg_replication_slot_advance does. It returns false when there was nothing.
func (s *server) advance(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.slots[name]
	moved := slot.confirmed < s.flushed
	slot.confirmed = max(slot.confirmed, s.flushed)
	return moved
}

// isUp reports whether the server takes connections.
func (s *server) isUp() bool {
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	return s.net.servers[postgresAt] != nil
}

// lastChange is where the last transaction ends that has a row change which is published; the lock is held.
func (s *server) lastChange() lsn {
	for _, t := range slices.Backward(s.wal) {
		if slices.ContainsFunc(t.changes, func(c change) bool { return c.isSent() }) {
			return t.end
		}
	}
	return 0
}

// end is lastChange for who does not hold the lock.
func (s *server) end() lsn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastChange()
}
