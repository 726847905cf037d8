package simulate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// misfortune is what can befall a message.
type misfortune int

const (
	none       misfortune = iota
	lost                  // with its connection, before it arrived
	unanswered            // it takes effect, and the connection is lost before the answer
	late                  // the client gives its connection up; the message arrives long after
	delayed               // and everything behind it on the same connection
	orphaned              // its instance is killed; the message arrives, maybe late
	frozen                // its instance freezes, and thaws
	parted                // it is lost, and nothing passes between the two for a while
)

// misfortunes are drawn from, each as often as it stands here. Every second seed has but one or two kinds of them, and those
// more densely: rare schedules of one kind are soon found then ("Swarm Testing", Groce et al., 2012).
var misfortunes = []misfortune{lost, lost, unanswered, unanswered, late, late, late, delayed, delayed, orphaned, orphaned, frozen, parted}

// fate is what befalls a message.
type fate struct {
	kind misfortune
	lateness
}

// lateness is when a late message arrives.
type lateness struct {
	by     time.Duration
	behind int // how many other messages arrive first; 0 where that does not count
	before int // which next turn of its kind it comes just before; 0 where that does not count
}

func (l lateness) String() string {
	switch {
	case l.before > 0:
		return fmt.Sprintf("just before the %s next of its kind", [...]string{"1st", "2nd", "3rd", "4th", "5th", "6th"}[l.before-1])
	case l.behind > 0:
		return fmt.Sprintf("behind %d more messages", l.behind)
	}
	return l.by.String() + " later"
}

// focus is where most of a seed's misfortunes are.
type focus int

const (
	everywhere focus = iota
	transactions
	requests // of one kind of those of transactions
	starts
	streams
	slots // commands on the slot; there mostly one instance waits for the other
)

// rules are what the seed has for this world.
type rules struct {
	world    *world
	random   *rand.Rand
	calm     bool           // nothing befalls anybody any more
	rate     int            // of a million messages, how many are befallen
	focus    focus          // where it is ten times as many or more
	key      kmsg.Key       // of those
	kinds    []misfortune   // to draw from
	met      map[string]int // messages of a life
	crashes  map[string]int // of an instance, before how many more messages
	held     map[string]time.Time
	ambush   ambush
	ambushes int            // how many are left of it
	counts   map[string]int // of its messages, by client
	sprung   time.Time      // until when the last one lasts
	finder   string         // the instance that has found a loss, and is frozen until the other one has repaired it
	stranger int            // after how many more messages while nobody reads from the slot a stranger does; 0 for never
}

func newRules(w *world) *rules {
	r := &rules{world: w, random: w.net.draw("rules"), met: make(map[string]int), crashes: make(map[string]int),
		held: make(map[string]time.Time), counts: make(map[string]int)}
	r.rate = []int{0, 1000, 3000, 10_000}[r.random.IntN(4)]
	r.focus = []focus{everywhere, everywhere, transactions, transactions, requests, requests, requests, starts, starts, streams,
		slots, slots}[r.random.IntN(12)]
	r.key = []kmsg.Key{kmsg.Produce, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn, kmsg.EndTxn}[r.random.IntN(5)]
	switch r.kinds = misfortunes; {
	case r.focus == slots:
		r.kinds = []misfortune{delayed, delayed, orphaned, frozen, unanswered}
	case r.random.IntN(2) == 0:
		r.kinds = []misfortune{misfortunes[r.random.IntN(len(misfortunes))], misfortunes[r.random.IntN(len(misfortunes))]}
	}
	r.lurk()
	w.net.befall, w.net.strike, w.net.heldTil = r.befall, r.strike, r.heldTil
	return r
}

// isOurs reports whether a client is an instance of the sidecar, and which one.
func isOurs(client string) (instance string, ours bool) {
	instance, _, ours = strings.Cut(client, ".")
	return instance, ours
}

// befall draws what happens to a message.
func (r *rules) befall(p *parcel) fate {
	name, ours := isOurs(p.line.link.client)
	if r.calm || !ours {
		return fate{}
	}
	if left, set := r.crashes[name]; set {
		if r.crashes[name] = left - 1; left == 0 {
			delete(r.crashes, name)
			r.world.trace.note(p, "%s is killed when this arrives", p.line.link.client)
			r.world.instances[name].crash()
			r.thaw(name)
		}
	}
	r.met[p.line.link.client]++
	r.world.noteClaim(p)
	r.admitStranger()
	if f := r.spring(p); f.kind != none {
		return f
	}
	draw := p.hash.with(" fate").draw(r.world.seed)
	if draw.IntN(1_000_000) >= r.rateOf(p) || !r.world.happens(p.name()) {
		return fate{}
	}
	f := fate{kind: r.kinds[draw.IntN(len(r.kinds))]}
	if p.line.way == down && f.kind == late {
		f.kind = lost
	}
	switch f.kind {
	case late, orphaned:
		f.lateness = drawLateness(draw, p.turn())
	case delayed:
		if f.by = time.Duration(5+draw.IntN(1<<draw.IntN(15))) * time.Millisecond; p.turn() == ofSlots || draw.IntN(2) == 0 {
			f.lateness = drawLateness(draw, p.turn())
		}
	case frozen, parted:
		f.by = time.Duration(5+draw.IntN(10<<draw.IntN(14))) * time.Millisecond
	}
	return f
}

// drawLateness draws when a late message arrives: among the next ones, so that it comes into the middle of what is tried next, or
// when nobody thinks of it any more.
func drawLateness(draw *rand.Rand, of turn) lateness {
	kinds := 4
	if of != noTurn {
		kinds = 8
	}
	switch draw.IntN(kinds) {
	case 0:
		return lateness{by: time.Duration(1+draw.IntN(90_000)) * time.Millisecond}
	case 1:
		return lateness{by: time.Duration(draw.IntN(20_000)) * time.Microsecond}
	case 2, 3:
		return lateness{behind: 1 + draw.IntN(4<<draw.IntN(8))}
	}
	return lateness{before: 1 + draw.IntN(map[turn]int{ofTransactions: 6, ofSlots: 4}[of])}
}

// startMessages are about as many as a life needs until it streams.
const startMessages = 250

// rateOf returns of a million messages like this one how many are befallen.
func (r *rules) rateOf(p *parcel) int {
	key, ofTransaction := p.request()
	switch {
	case r.focus == slots && p.turn() == ofSlots:
		return 200_000
	case r.focus == slots && bytes.Contains(p.statement(), []byte("slot")):
		return 10 * r.rate
	case r.focus == transactions && ofTransaction, r.focus == starts && r.met[p.line.link.client] < startMessages,
		r.focus == streams && !p.line.link.isKafka && p.data[0] == 'd':
		return 10 * r.rate
	case r.focus == requests && ofTransaction && key == r.key:
		return 30 * r.rate
	}
	return r.rate
}

// strike has an instance suffer what begins at one of its messages.
func (r *rules) strike(p *parcel, f fate) {
	name, _ := isOurs(p.line.link.client)
	switch f.kind {
	case orphaned:
		r.world.trace.note(p, "%s is killed; this arrives %v", p.line.link.client, f.lateness)
		if i := r.world.instances[name]; i.host.name == p.line.link.client {
			i.crash()
		}
	case frozen:
		r.world.trace.note(p, "%s freezes for %v before it", name, f.by)
		r.held[name] = time.Now().Add(f.by)
	case parted:
		r.world.trace.note(p, "lost with its connection; the two are parted for %v", f.by)
		r.held[name+" "+p.line.link.server] = time.Now().Add(f.by)
	}
}

// admitStranger has somebody else read from the slot, once it has been free for so many messages.
func (r *rules) admitStranger() {
	if r.stranger == 0 || !r.world.server.isFree("slot") {
		return
	}
	if r.stranger--; r.stranger == 0 && r.world.server.advance("slot") {
		r.world.trace.say("a stranger has read from the slot")
		r.world.losses++
	}
}

// request returns which request of Kafka's transactions a message is, if it is one.
func (p *parcel) request() (key kmsg.Key, ofTransaction bool) {
	if !p.line.link.isKafka || p.line.way != up || len(p.data) < 6 {
		return 0, false
	}
	switch key = kmsg.Key(binary.BigEndian.Uint16(p.data[4:])); key {
	case kmsg.Produce, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn:
		return key, true
	}
	return key, false
}

// turn is a kind of messages whose order matters: two instances take turns at them.
type turn int

const (
	noTurn turn = iota
	ofTransactions
	ofSlots
)

// turn returns what a message is a turn at.
func (p *parcel) turn() turn {
	if _, ofTransaction := p.request(); ofTransaction {
		return ofTransactions
	}
	for _, command := range commandsOnSlots {
		if bytes.Contains(p.statement(), command) {
			return ofSlots
		}
	}
	return noTurn
}

var commandsOnSlots = [][]byte{[]byte("CREATE_REPLICATION_SLOT"), []byte("START_REPLICATION"), []byte("pg_drop_replication_slot")}

// statement returns the beginning of the SQL or of the replication command in a message; empty where there is none.
func (p *parcel) statement() []byte {
	if p.line.link.isKafka || p.line.way != up || len(p.data) < 6 || (p.data[0] != 'Q' && p.data[0] != 'P') {
		return nil
	}
	return p.data[5:min(len(p.data), 300)]
}

// heldTil says until when nothing passes between a client and a server.
func (r *rules) heldTil(client, server string) time.Time {
	name, ours := isOurs(client)
	if r.calm || !ours || len(r.held) == 0 {
		return time.Time{}
	}
	until := r.held[name]
	if apart := r.held[name+" "+server]; apart.After(until) {
		until = apart
	}
	return until
}

// schedule plans the faults that are not of a single message, within a time.
func (r *rules) schedule(within time.Duration) {
	all := []func(string){r.kill, r.kill, r.kill, r.stop, r.freeze, r.part, r.crashPostgres, r.crashPostgres, r.promote, r.downBroker,
		r.moveLeaders, r.moveCoordinators}
	if r.world.isHarsh() {
		all = append(all, r.jumpClock, r.loseSlot, r.loseSlot, r.letStranger, r.letStranger, r.promoteWithout)
	}
	if r.focus == slots && r.random.IntN(2) == 0 {
		all = []func(string){r.kill, r.kill, r.stop, r.loseSlot, r.letStranger, r.crashPostgres}
	}
	if r.focus == slots || r.random.IntN(3) == 0 {
		r.crashes[r.instance().name] = r.random.IntN(startMessages) // the first start does not come to its end
	}
	for i := range r.random.IntN(7) {
		name := fmt.Sprintf("fault %d", i)
		what := all[r.random.IntN(len(all))]
		r.world.net.plan(time.Duration(r.random.Int64N(int64(within))), name, func() {
			if !r.calm && r.world.happens(name) {
				what(name)
			}
		})
	}
}

// settle ends what befalls the world. What is late arrives soon.
func (r *rules) settle() {
	r.calm = true
	for n := range brokerCount {
		r.world.brokers.up(brokerAt(n))
	}
	r.world.net.land()
}

func (r *rules) instance() *instance {
	names := r.world.names()
	return r.world.instances[names[r.random.IntN(len(names))]]
}

// kill has an instance killed when it sends or gets one of its next messages.
func (r *rules) kill(string) { r.crashes[r.instance().name] = r.random.IntN(200) }

// stop ends an instance as a service manager does.
func (r *rules) stop(string) {
	i := r.instance()
	r.world.trace.say("%s is told to stop", i.name)
	i.stop()
}

// freeze lets nothing out of an instance and nothing in; then it thaws, and goes on with what it believed before.
func (r *rules) freeze(string) {
	i, d := r.instance(), time.Duration(1+r.random.IntN(80_000))*time.Millisecond
	r.world.trace.say("%s freezes for %v", i.name, d)
	r.held[i.name] = time.Now().Add(d)
}

// part parts an instance from a server.
func (r *rules) part(string) {
	i, d := r.instance(), time.Duration(1+r.random.IntN(120_000))*time.Millisecond
	server := postgresAt
	if n := r.random.IntN(brokerCount + 1); n < brokerCount {
		server = brokerAt(n)
	}
	r.world.trace.say("%s and %s are parted for %v", i.name, server, d)
	r.held[i.name+" "+server] = time.Now().Add(d)
}

func (r *rules) crashPostgres(name string) { r.endPostgres(name, "crashes", r.world.server.recover) }

func (r *rules) promote(name string) {
	r.endPostgres(name, "is gone, and its standby promoted", r.world.promote)
}

// promoteWithout promotes a standby that does not have the slot. The sidecar reconciles, and tells that there is a gap.
func (r *rules) promoteWithout(name string) {
	r.endPostgres(name, "is gone, and its standby promoted, without the slot", func() {
		if r.world.server.forget("slot") {
			r.world.losses++
		}
		r.world.promote()
	})
}

func (r *rules) endPostgres(name, what string, again func()) {
	if !r.world.server.isUp() {
		return
	}
	gone := r.world.server.crash()
	r.world.trace.say("Postgres %s; %d transactions were not flushed", what, gone)
	r.world.net.plan(time.Duration(r.random.IntN(8000))*time.Millisecond, name+" is over", again)
}

// downBroker stops a broker for a while.
func (r *rules) downBroker(name string) {
	at, d := brokerAt(r.random.IntN(brokerCount)), time.Duration(r.random.IntN(90_000))*time.Millisecond
	r.world.trace.say("broker %s is down for %v", at, d)
	r.world.net.listen(at, nil)
	r.world.net.cutAll(at)
	r.world.net.plan(d, name+" is over", func() { r.world.brokers.up(at) })
}

// moveLeaders gives partitions other leaders.
func (r *rules) moveLeaders(string) {
	r.world.trace.say("leaders move")
	for _, topic := range topics {
		for p := range 6 {
			r.world.brokers.cluster.MoveTopicPartition(topic, int32(p), int32(r.random.IntN(brokerCount))) //nolint:errcheck // it may not exist
		}
	}
}

// moveCoordinators gives the transactional id another coordinator.
func (r *rules) moveCoordinators(string) {
	r.world.trace.say("coordinators move")
	r.world.brokers.cluster.RehashCoordinators()
}

// jumpClock sets the clock of Postgres forward or back.
func (r *rules) jumpClock(string) {
	by := time.Duration(r.random.IntN(200)-100) * time.Minute
	r.world.trace.say("the clock of Postgres jumps by %v", by)
	r.world.server.skew += by
}

// loseSlot removes the WAL that the slot needs. The sidecar reconciles, and tells that there is a gap.
func (r *rules) loseSlot(string) {
	if r.world.server.lose("slot") {
		r.world.trace.say("the slot is lost")
		r.world.losses++
	}
}

// letStranger has somebody else read from the slot when it is free the next time. The sidecar reconciles, and tells that there is a gap.
func (r *rules) letStranger(string) { r.stranger = 1 + r.random.IntN(startMessages) }
