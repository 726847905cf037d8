package simulate

import (
	"bytes"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What tears the rarest promises are two things that meet within a few messages, and no density of accidents has them meet. In every
// fourth seed one such meeting is arranged; the sidecar may still pass it at another place, or not come there.

// ambush is what waits for its moment.
type ambush int

const (
	_ ambush = iota
	// who has created the slot is killed soon behind it, and who then drops that slot is late, until another one has made its own
	ofCreator
	// who has taken over is frozen before it streams; the other one goes on, and is killed before it thaws
	ofStarter
	// something becomes of a table between the creation of a slot and the end of its snapshot
	ofSnapshot
	// a table is renamed, comes back, and leaves again, and each time somebody may have noticed
	ofTable
	// who has found that the slot is lost is frozen; the other one repairs it, is killed soon behind it, and the first one thaws
	ofLoss
)

// mostAmbushes bounds how often in a seed.
const mostAmbushes = 3

// lurk arranges the seed's ambush, or none.
func (r *rules) lurk() {
	random := r.world.net.draw("ambush")
	if random.IntN(4) > 0 && (random.IntN(2) > 0 || !r.world.isToMove()) {
		return
	}
	r.ambush, r.ambushes = []ambush{ofCreator, ofCreator, ofStarter, ofStarter, ofSnapshot, ofSnapshot, ofTable, ofLoss}[random.IntN(8)], mostAmbushes
	if r.world.isToMove() && !r.ambush.isOfTwo() {
		r.ambush = ofCreator // nothing becomes of the tables then
	}
}

// isOfTwo reports whether it takes two instances.
func (a ambush) isOfTwo() bool { return a == ofCreator || a == ofStarter || a == ofLoss }

// lasts returns for how long the load has to go on at least.
func (a ambush) lasts() time.Duration {
	switch a {
	case ofStarter, ofLoss:
		return 12 * time.Second
	case ofTable:
		return 20 * time.Second
	}
	return 0
}

// plan arranges what takes a time and not a message: whoever streams is killed, so that the other one takes over; a table leaves twice.
func (a ambush) plan(w *world, length time.Duration) {
	random := w.net.draw("ambush plan")
	switch a {
	case ofStarter:
		for n := range 2 {
			name := fmt.Sprintf("ambush kills %d", n)
			w.net.plan(length/4+time.Duration(random.Int64N(int64(length/2))), name, func() { w.killReader(name) })
		}
	case ofLoss:
		w.net.plan(length/4+time.Duration(random.Int64N(int64(length/4))), "ambush loses the slot", func() {
			if !w.rules.calm && w.happens("ambush loses the slot") {
				w.rules.loseSlot("")
			}
		})
	case ofTable:
		which, at := random.IntN(2), 2*time.Second+time.Duration(random.IntN(3000))*time.Millisecond
		for n := range 3 {
			name, away := fmt.Sprintf("ambush leaves %d", n), time.Duration(random.IntN(5000))*time.Millisecond
			leave := rename
			if n > 0 && random.IntN(2) == 0 {
				leave = remake
			}
			w.net.plan(at, name, func() { w.befallThis(name, leave, which, away) })
			at += away + time.Duration(1+random.IntN(5000))*time.Millisecond
		}
	}
}

// killReader kills the instance that reads from the slot.
func (w *world) killReader(name string) {
	s := w.reader()
	if s == nil || w.rules.calm || !w.happens(name) {
		return
	}
	if instance, ours := isOurs(s.conn.(*end).link.client); ours {
		w.trace.say("%s is killed, who streams", instance)
		w.instances[instance].crash()
	}
}

// spring has the ambush strike at a message that it has waited for.
func (r *rules) spring(p *parcel) fate {
	client := p.line.link.client
	if r.ambushes == 0 {
		return fate{}
	}
	switch r.ambush {
	case ofCreator:
		return r.springAtSlot(p)
	case ofStarter:
		return r.springAtStart(p)
	case ofLoss:
		name, _ := isOurs(client)
		if r.finder != "" && name != r.finder && bytes.Contains(p.statement(), []byte("START_REPLICATION")) {
			r.ambushes, r.crashes[name] = 0, 1+p.hash.with(" ambush").draw(r.world.seed).IntN(30)
		}
	case ofSnapshot:
		if left, waits := r.counts[client]; waits {
			if r.counts[client] = left - 1; left == 1 {
				delete(r.counts, client)
				name := p.name() + " ambush"
				draw := r.world.net.draw(name)
				r.ambushes--
				r.world.befallThis(name, []act{empty, remake, rename}[draw.IntN(3)], draw.IntN(2), time.Duration(draw.IntN(3000))*time.Millisecond)
			}
		}
		if bytes.Contains(p.statement(), []byte("CREATE_REPLICATION_SLOT")) {
			r.counts[client] = 1 + p.hash.with(" ambush").draw(r.world.seed).IntN(25)
		}
	}
	return fate{}
}

func (r *rules) springAtSlot(p *parcel) fate {
	name, _ := isOurs(p.line.link.client)
	draw, named := p.hash.with(" ambush").draw(r.world.seed), p.name()+" ambush"
	switch {
	case bytes.Contains(p.statement(), []byte("CREATE_REPLICATION_SLOT")) && draw.IntN(2) == 0 && r.world.happens(named):
		r.crashes[name] = 2 + draw.IntN(40<<draw.IntN(2))
	case bytes.Contains(p.statement(), []byte("pg_drop_replication_slot")) && draw.IntN(4) > 0 && r.world.happens(named):
		r.ambushes--
		return fate{kind: delayed, lateness: lateness{before: 1 + draw.IntN(3)}}
	}
	return fate{}
}

// springAtStart counts the messages to Postgres from the request that fences the others on.
func (r *rules) springAtStart(p *parcel) fate {
	client, draw := p.line.link.client, p.hash.with(" ambush").draw(r.world.seed)
	key, _ := p.request()
	switch {
	case p.line.way == down || time.Now().Before(r.sprung) || r.world.committed.Load().LSN == 0:
	case p.line.link.isKafka && key == kmsg.InitProducerID:
		r.counts[client] = 1 + draw.IntN(8)
	case p.line.link.isKafka || p.data[0] == 'd' || r.counts[client] == 0:
	case bytes.Contains(p.statement(), []byte("START_REPLICATION")):
		delete(r.counts, client)
	default:
		if r.counts[client]--; r.counts[client] == 0 && r.world.happens(p.name()+" ambush") {
			return r.overtake(p)
		}
	}
	return fate{}
}

// overtake freezes an instance. Another one has time to start, and something to tell, and is down again when the first one thaws.
func (r *rules) overtake(p *parcel) fate {
	w, random := r.world, r.world.net.draw(p.name()+" ambush")
	f := fate{kind: frozen, lateness: lateness{by: 3*time.Second + time.Duration(random.IntN(6000))*time.Millisecond}}
	r.ambushes--
	r.sprung = time.Now().Add(f.by + 2*time.Second)
	frozen, _ := isOurs(p.line.link.client)
	for n := range 3 {
		name := fmt.Sprintf("%s ambush writes %d", p.name(), n)
		w.net.plan(time.Duration(random.Int64N(int64(f.by))), name, func() {
			if !r.calm { // behind it nothing is flushed any more
				w.write(name)
			}
		})
	}
	for _, other := range w.names() {
		if early := time.Duration(random.IntN(900)) * time.Millisecond; other != frozen {
			w.net.plan(f.by-early, p.name()+" ambush kills "+other, func() {
				if !r.calm {
					w.trace.say("%s is killed before the other one thaws", other)
					w.instances[other].crash()
				}
			})
		}
	}
	return f
}

// longestFreeze bounds for how long the finder of a loss waits for the other one.
const longestFreeze = 20 * time.Second

// foundLoss freezes the first instance that says that the slot is lost, before it looks again.
func (r *rules) foundLoss(name string) {
	if r.ambush == ofLoss && r.ambushes > 0 && r.finder == "" && !r.calm && r.world.happens("ambush of the finder") {
		r.world.trace.say("%s freezes, who has found the loss", name)
		r.finder, r.held[name] = name, time.Now().Add(longestFreeze)
	}
}

// thaw ends the freeze of who has found the loss, before the other one is there again.
func (r *rules) thaw(killed string) {
	if r.finder != "" && killed != r.finder {
		by := time.Duration(r.world.net.draw("ambush thaws").Int64N(int64(restartAfter)))
		r.held[r.finder], r.finder = time.Now().Add(by), ""
	}
}
