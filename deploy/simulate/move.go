package simulate

import (
	"bytes"
	"fmt"
	"time"

	"lowcap-cdc/decode"
)

// Another server becomes that of the history: an operator stops the instances, changes the server, and runs the verb that adopts it
// until that says it is done. Every sixth seed has such a change.

// phase is how far such a change is.
type phase int

const (
	running  phase = iota // there is none, or it is over
	winding               // it is to come, when everything is read
	stopping              // the instances are to end
	handing               // the first instance runs the verb handover
	adopting              // the first instance runs the verb, the others run if they are so told
)

// change of servers.
type move struct {
	name  string
	keeps bool // the slot comes along: everything has to be read from it before, so nobody writes
	hands bool // the server is handed over, and nobody writes until the next one is adopted
	to    func(*server)
	// isUnseen: where nothing was told of what the server does not have any more, it is the same one, that has lost the slot.
	isUnseen bool
}

// moves are the ways to another server.
var moves = []move{
	{name: "pg_upgrade with the slot", keeps: true, to: (*server).upgrade},
	{name: "pg_upgrade with the slot", keeps: true, to: (*server).upgrade},
	{name: "a dump and restore", to: (*server).restoreDump},
	{name: "a rename of the database", to: func(s *server) { s.database += "2" }},
	{name: "a dump and restore, handed over", hands: true, to: (*server).restoreDump},
	{name: "a dump and restore, handed over", hands: true, to: (*server).restoreDump},
	{name: "pg_upgrade with the slot, handed over", keeps: true, hands: true, to: (*server).upgrade},
	{name: "a restore to an earlier point", to: (*server).restoreEarlier, isUnseen: true},
}

// isToMove reports whether a seed changes the server.
func (w *world) isToMove() bool { return w.net.draw("move").IntN(6) == 0 }

// planMove has a seed change the server, or not. It reports whether something may become of the tables as well: not where every step is
// to be told through the change.
func (w *world) planMove(length time.Duration) (tables bool) {
	random := w.net.draw("move")
	if random.IntN(6) > 0 {
		return true
	}
	m := moves[random.IntN(len(moves))]
	if m.keeps && w.server.major < 17 {
		w.server.major = 17 // before, pg_upgrade brings no slot along
	}
	w.net.plan(time.Duration(random.Int64N(int64(length))), "move", func() {
		if w.happens("move") {
			w.trace.say("%s is to come", m.name)
			w.phase, w.still = winding, m.keeps || m.hands
			w.wind(m, 0)
		}
	})
	return !m.keeps
}

// windEvery is how often it is looked whether the instances can be stopped, and have ended.
const windEvery = 100 * time.Millisecond

// wind stops the instances: where the slot is to come along, when it has everything, or will not have it soon. Those that do not end
// are killed.
func (w *world) wind(m move, tries int) {
	again := func() {
		w.net.plan(windEvery, fmt.Sprintf("move, look %d", tries+1), func() { w.wind(m, tries+1) })
	}
	switch {
	case w.phase == winding && m.keeps && !m.hands && !w.hasRead() && tries < 200:
		again()
	case w.phase == winding && !m.keeps && w.isMissed(tries):
		again()
	case w.phase == winding:
		w.phase = stopping
		for _, name := range w.names() {
			if i := w.instances[name]; w.net.draw("move stops "+name).IntN(3) == 0 {
				i.crash()
			} else {
				i.stop()
			}
		}
		again()
	case w.phase == stopping && tries%100 == 99:
		for _, name := range w.names() {
			w.instances[name].crash()
		}
		again()
	case w.lives() > 0 || !w.server.isUp():
		again()
	case w.phase == stopping && m.hands:
		if !m.keeps {
			w.leaveUnseen()
		}
		w.handOver()
		again()
	case w.phase == handing && !w.handed && !w.enough:
		again()
	default:
		if !m.keeps && !m.hands {
			w.leaveUnseen()
		}
		w.change(m)
	}
}

// isMissed has a table leave the publication before the instances are stopped, in every third of such seeds, and reports whether to wait
// until that is told.
func (w *world) isMissed(tries int) bool {
	name := "a table leaves before"
	random := w.net.draw(name)
	which := random.IntN(2)
	t := w.load.table(which)
	switch {
	case random.IntN(3) > 0 || tries > 50:
		return false
	case tries > 0:
		return !w.committed.Load().Tables[[2]decode.Table{decode.Blocks, decode.Positions}[which]].Missing
	case t == nil || t.member == 0 || w.rules.calm || !w.server.isUp() || !w.areThere() || w.server.isHeld(which) || !w.happens(name):
		return false
	}
	w.isLived = true
	w.load.commit(true, t.with(func(t *table) { t.member = 0 }))
	return true
}

// leaveUnseen has a table leave the publication, changes it and puts it back, in half of such seeds, while no instance runs.
func (w *world) leaveUnseen() {
	name := "a table leaves unseen"
	random := w.net.draw(name)
	which := random.IntN(2)
	t := w.load.table(which)
	if random.IntN(2) == 0 || t == nil || t.member == 0 || w.rules.calm || !w.areThere() || w.server.isHeld(which) || !w.happens(name) {
		return
	}
	w.load.random, w.isLived = random, true
	w.load.commit(true, t.with(func(t *table) { t.member = 0 }))
	for range random.IntN(4) {
		w.load.step()
	}
	if t = w.load.table(which); random.IntN(4) > 0 {
		w.load.commit(true, t.with(func(t *table) { t.member = w.server.newOID() }))
	}
}

// hasRead reports whether everything was read from the slot.
func (w *world) hasRead() bool {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	slot := w.server.slots["slot"]
	return slot != nil && !slot.lost && slot.confirmed >= w.server.lastChange() && w.committed.Load().LSN != 0
}

// change makes the server another one, and has it adopted.
func (w *world) change(m move) {
	if m.keeps && !w.hasRead() {
		m = moves[2] // pg_upgrade refuses the slot
	}
	w.trace.say("%s", m.name)
	w.server.checkpoint()
	w.server.crash()
	m.to(w.server)
	w.server.recover()
	if w.server.slots["slot"] == nil && (!w.handed || w.isLived) { // where a table was missing when the server was handed over, there is a gap
		w.losses++
	}
	w.phase, w.still = adopting, w.handed
	w.changes++
	w.isUnseen = m.isUnseen || w.committed.Load().LSN == 0 // or there is no history that could go on
	w.mayBeWhole = (w.mayBeWhole || m.hands) && !w.isUnseen
	for _, name := range w.names() {
		if random := w.net.draw("move starts " + name); name == "a" || random.IntN(2) == 0 {
			w.instances[name].again()
		}
	}
}

// promote makes the standby the server. Whoever runs the verb on it once more has it adopted, too, as another state of the server.
func (w *world) promote() {
	if w.phase == adopting {
		w.promoted++
		w.claimed = false // the adoption names the state that it had before
	}
	w.server.promote()
}

// noteClaim notes that the verb makes its slot: before that it has written into the sink which server it adopts.
func (w *world) noteClaim(p *parcel) {
	if w.phase == adopting && p.line.link.client == w.adopter && bytes.Contains(p.statement(), []byte("CREATE_REPLICATION_SLOT \"slot\"")) {
		w.claimed = true
	}
}

// adopted ends the change: everybody runs.
func (w *world) adopted() {
	w.trace.say("adopted")
	w.phase, w.still = running, false
	for _, name := range w.names() {
		if i := w.instances[name]; i.host == nil || i.running == 0 {
			i.again()
		}
	}
}

// walSegment is where pg_upgrade lets the WAL go on.
const walSegment = 16 << 20

// upgrade is pg_upgrade: the tables keep their OIDs, the publication does not keep its own, and the slot stands where the WAL begins.
func (s *server) upgrade() {
	s.become((s.inserted/walSegment + 2) * walSegment)
	s.slots["slot"] = &slot{name: "slot", point: s.start, confirmed: s.start, saved: s.start}
}

// restoreDump is a new server with the same rows in tables with other OIDs, and its WAL may be anywhere.
func (s *server) restoreDump() {
	for which, t := range s.tables {
		if t != nil {
			made := *t
			made.oid = s.newOID()
			made.file = made.oid
			s.tables[which] = &made
		}
	}
	s.become([]lsn{0x900_000, s.start, s.inserted + walSegment}[s.random.IntN(3)])
}

// become makes it another system, with the same rows and without a slot.
func (s *server) become(start lsn) {
	for which, t := range s.tables {
		if t != nil && t.member != 0 {
			member := *t
			member.member = s.newOID()
			s.tables[which] = &member
		}
	}
	s.past = append(s.past, s.toTell()...)
	s.every = append(s.every, s.wal...)
	s.wal, s.base, s.comment = nil, s.clone(), ""
	s.start, s.inserted, s.flushed = start, start, start
	s.system, s.timeline, s.left = fmt.Sprintf("72345678901234%05d", s.random.IntN(100_000)), 1, nil
	s.slots = make(map[string]*slot)
}

// restoreEarlier is a restore to a point in time: what came behind it has never happened, and there is no slot.
func (s *server) restoreEarlier() {
	if len(s.wal) > 1 {
		s.wal = s.wal[:1+s.random.IntN(len(s.wal)-1)]
		s.inserted = s.wal[len(s.wal)-1].end
	}
	s.flushed = s.inserted
	s.left = append(s.left, s.inserted)
	s.timeline++
	s.contents = s.base.clone()
	for _, t := range s.wal {
		s.apply(t)
	}
	s.slots = make(map[string]*slot)
}
