package simulate

import (
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
)

// fate is what befalls a message.
type fate struct {
	kind misfortune
	by   time.Duration
}

// rules are what the seed has for this world.
type rules struct {
	world   *world
	random  *rand.Rand
	calm    bool           // nothing befalls anybody any more
	rate    int            // of a million messages, how many are befallen
	crashes map[string]int // of an instance, before how many more messages
	held    map[string]time.Time
}

func newRules(w *world) *rules {
	r := &rules{world: w, random: w.net.draw("rules"), crashes: make(map[string]int), held: make(map[string]time.Time)}
	r.rate = []int{0, 500, 2000, 6000}[r.random.IntN(4)]
	w.net.befall, w.net.heldTil = r.befall, r.heldTil
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
		}
	}
	draw, rate := r.world.net.draw(p.name+" fate"), r.rate
	if p.isOfTransaction() {
		rate *= 5
	}
	if draw.IntN(1_000_000) >= rate {
		return fate{}
	}
	kind := misfortune(1 + draw.IntN(4))
	switch {
	case kind == late && p.line.way == down:
		kind = lost
	case kind == late && draw.IntN(2) == 0: // so that it comes into the middle of what is tried next
		return fate{late, time.Duration(draw.IntN(20_000)) * time.Microsecond}
	case kind == late:
		return fate{late, time.Duration(1+draw.IntN(90_000)) * time.Millisecond}
	case kind == delayed:
		return fate{delayed, time.Duration(5+draw.IntN(1<<draw.IntN(15))) * time.Millisecond}
	}
	return fate{kind: kind}
}

// isOfTransaction reports whether a message is a request of Kafka's transactions.
func (p *parcel) isOfTransaction() bool {
	if !p.line.link.isKafka || p.line.way != up || len(p.data) < 6 {
		return false
	}
	switch kmsg.Key(binary.BigEndian.Uint16(p.data[4:])) {
	case kmsg.Produce, kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.EndTxn:
		return true
	}
	return false
}

// heldTil says until when nothing passes between a client and a server.
func (r *rules) heldTil(client, server string) time.Time {
	name, ours := isOurs(client)
	if r.calm || !ours {
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
	all := []func(string){r.kill, r.kill, r.kill, r.stop, r.freeze, r.part, r.crashPostgres, r.crashPostgres, r.promote, r.downBroker, r.moveLeaders, r.moveCoordinators}
	if r.world.isHarsh() {
		all = append(all, r.jumpClock, r.loseSlot)
	}
	for i := range r.random.IntN(7) {
		name := fmt.Sprintf("fault %d", i)
		what := all[r.random.IntN(len(all))]
		r.world.net.plan(time.Duration(r.random.Int64N(int64(within))), name, func() {
			if !r.calm {
				what(name)
			}
		})
	}
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
	i, d := r.instance(), time.Duration(1+r.random.IntN(60_000))*time.Millisecond
	server := postgresAt
	if n := r.random.IntN(brokerCount + 1); n < brokerCount {
		server = brokerAt(n)
	}
	r.world.trace.say("%s and %s are parted for %v", i.name, server, d)
	r.held[i.name+" "+server] = time.Now().Add(d)
}

func (r *rules) crashPostgres(name string) { r.endPostgres(name, "crashes", r.world.server.recover) }

func (r *rules) promote(name string) {
	r.endPostgres(name, "is gone, and its standby promoted", r.world.server.promote)
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
	at, d := brokerAt(r.random.IntN(brokerCount)), time.Duration(r.random.IntN(30_000))*time.Millisecond
	r.world.trace.say("broker %s is down for %v", at, d)
	serve := r.world.net.servers[at]
	if serve == nil {
		return
	}
	r.world.net.listen(at, nil)
	r.world.net.cutAll(at)
	r.world.net.plan(d, name+" is over", func() { r.world.net.listen(at, serve) })
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
		r.world.lossy = true
	}
}
