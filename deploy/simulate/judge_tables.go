package simulate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"lowcap-cdc/deploy/chaos/oracle"
)

// What must be told of a table that leaves the stream and is back: that it is missing, that it is present, and by then what its rows
// are. Before and behind it each step of each row, as ever; in between, what was seen of it.

// place is where an event or a change is. A snapshot's rows come before a transaction at the same place.
type place struct {
	at       lsn
	streamed bool
}

func (p place) isBefore(q place) bool {
	return p.at < q.at || p.at == q.at && !p.streamed && q.streamed
}

// placeOf reads it out of an event's sequence.
func placeOf(sequence string) (p place) {
	fmt.Sscanf(sequence[:16], "%X", &p.at) //nolint:errcheck // else it is 0, and the steps do not fit
	return place{p.at, sequence[16] == '1'}
}

// stretch is from where on not everything of a table is told, to the snapshot by which it was read again.
type stretch struct{ from, to place }

func (s stretch) holds(p place) bool { return !p.isBefore(s.from) && p.isBefore(s.to) }

// absence is what became of a table in the source: it left the stream for the publication's sake, or its name's.
type absence struct {
	at      place
	renamed bool // only: as long as nobody noticed, everything is told
	same    bool // the table is the same one when it is back
}

// tables judges what is told of the two tables themselves.
type tables struct {
	world     *world
	point     lsn // of the first snapshot
	absences  [2][]absence
	told      [2][]place // table.missing, and by turns table.present
	gaps      [2]int     // told for their sake
	stretches [2][]stretch
}

// judgeTables looks which tables were missing, and whether that is told. Without an answer it returns nil.
func (w *world) judgeTables(events []oracle.Event) *tables {
	t := &tables{world: w, point: w.server.slots["slot"].point}
	for which := range tableNames {
		t.absences[which] = w.server.absences(which, t.point)
	}
	for i := range events {
		t.read(&events[i])
	}
	for which := range tableNames {
		t.match(which)
	}
	if len(w.failures) > 0 {
		return nil
	}
	return t
}

// absences returns when a table left the stream, from a place on.
func (s *server) absences(which int, from lsn) (all []absence) {
	if t := s.contentsAt(from).named(which); t == nil || t.member == 0 {
		all = append(all, absence{at: place{from, false}, same: t != nil})
	}
	for _, t := range s.wal {
		for i := range t.changes {
			if c := &t.changes[i]; t.commit >= from && c.breaks() && c.table.which == which {
				all = append(all, absence{place{t.commit, true}, c.becomes != nil && c.becomes.member == c.table.member, c.becomes != nil})
			}
		}
	}
	return all
}

// contentsAt returns what everybody saw at a place.
func (s *server) contentsAt(at lsn) *contents {
	c := s.base.clone()
	for _, t := range s.wal {
		if t.end <= at {
			c.apply(t)
		}
	}
	return &c
}

func (t *tables) read(e *oracle.Event) {
	for which, name := range tableNames {
		missing, present := strings.HasPrefix(e.Type, "lowcap.table.missing"), strings.HasPrefix(e.Type, "lowcap.table.present")
		switch {
		case strings.HasPrefix(e.Type, "lowcap.stream.gap") && strings.HasPrefix(e.Data.Why, "table "+name):
			t.gaps[which]++
		case e.Subject != name || (!missing && !present):
		case present == (len(t.told[which])%2 == 0):
			t.world.failed("tables: %s is told to be as it was told to be: %s at %s", name, e.Type, e.Sequence)
		default:
			t.told[which] = append(t.told[which], placeOf(e.Sequence))
		}
	}
}

// match finds for each absence what is told of it.
func (t *tables) match(which int) {
	told, name := t.told[which], tableNames[which]
	if len(told)%2 != 0 {
		t.world.failed("tables: %s is there, and told to be missing", name)
		return
	}
	same := 0
	for n, a := range t.absences[which] {
		if a.same {
			same++
		}
		from, next := a.at, place{^lsn(0), true}
		if n+1 < len(t.absences[which]) {
			next = t.absences[which][n+1].at
		}
		back := -1
		for i := 0; i < len(told); i += 2 {
			isOf := !told[i].isBefore(from) && (!a.renamed || told[i].isBefore(next))
			if a.renamed && isOf {
				from = told[i] // until then its changes were those of the table
			}
			if back < 0 && from.isBefore(told[i+1]) && (isOf || !a.renamed) {
				back = i + 1
			}
		}
		switch {
		case back >= 0:
			t.stretches[which] = append(t.stretches[which], stretch{from, place{told[back].at, true}})
		case !a.renamed:
			t.world.failed("tables: %s left the stream at %v, and that is not told", name, from.at)
		}
	}
	if len(told)/2 > len(t.absences[which]) {
		t.world.failed("tables: %s is told to be missing %d times, and was %d times", name, len(told)/2, len(t.absences[which]))
	}
	if t.gaps[which] > same {
		t.world.failed("tables: a gap of %s is told %d times, and it was away %d times", name, t.gaps[which], same)
	}
}

// isOpen reports whether not everything of a table has to be told at a place.
func (t *tables) isOpen(which int, at place) bool {
	for _, s := range t.stretches[which] {
		if s.holds(at) {
			return true
		}
	}
	return false
}

// steps returns what the events must tell outside of the stretches, and which positions may have been something in one of them that
// cannot be read: what counts of them afterwards is not known.
func (t *tables) steps() (steps oracle.Steps, vague map[string]bool) {
	log, vague, passed := oracle.NewLog(), make(map[string]bool), [2]int{}
	for _, tx := range t.world.server.toTell() {
		for which, all := range t.stretches {
			for passed[which] < len(all) && all[passed[which]].to.at <= tx.commit {
				t.readAgain(log, which, all[passed[which]])
				passed[which]++
			}
		}
		for i := range tx.changes {
			if c := &tx.changes[i]; c.op != 'M' && c.relation() != nil {
				t.follow(log, c, place{tx.commit, true}, vague)
			}
		}
	}
	return log.Steps, vague
}

// readAgain takes down what a table's rows are for somebody who has never seen it: another table than before.
func (t *tables) readAgain(log *oracle.Log, which int, s stretch) {
	was, is := t.world.server.contentsAt(s.from.at).tables[which], t.world.server.contentsAt(s.to.at)
	if was != nil && was.oid == is.tables[which].oid {
		return
	}
	for _, r := range is.rows[which] {
		c := changeOf(is.tables[which], nil, r)
		log.Baseline(c.isPosition, c.entity, c.loggedIs)
	}
}

func (t *tables) follow(log *oracle.Log, c *change, at place, vague map[string]bool) {
	for i := range c.ends {
		t.follow(log, &c.ends[i], at, vague)
	}
	switch open := t.isOpen(c.relation().which, at); {
	case c.entity == "":
	case open:
		c.log(log.Skip)
		if c.isPosition && !isReadable(c.loggedIs) {
			vague[c.entity] = true
		}
	default:
		c.log(log.Add)
	}
}

func isReadable(logged []byte) bool {
	var position struct{ History json.RawMessage }
	return logged == nil || json.Unmarshal(logged, &position) == nil && oracle.IsReadable(position.History)
}

// judgeReread: when a table is told to be present, whoever has read the events believes what it holds there.
func (t *tables) judgeReread(events []oracle.Event) {
	for which, all := range t.stretches {
		for _, s := range all {
			t.judgeAt(which, s.to, events)
			t.judgeAnew(which, s, events)
		}
	}
}

// judgeAnew: the rows of a table that was made anew are no differences from those of the one before, of which they are told to be gone or
// nothing. Where a table was not there at first, what is known of it may be nothing, or what was told before it was read.
func (t *tables) judgeAnew(which int, s stretch, events []oracle.Event) {
	was, is := t.world.server.contentsAt(s.from.at).tables[which], t.world.server.contentsAt(s.to.at).tables[which]
	if was == nil || was.oid == is.oid || t.absences[which][0].at == (place{t.point, false}) {
		return
	}
	for i := range events {
		e := &events[i]
		isOf := isOfRow(e) && tableOf(e) == which && placeOf(e.Sequence) == place{s.to.at, false}
		if isOf && e.Data.Origin.Op == "reconcile" && !strings.Contains(e.Type, ".deleted.") {
			t.world.failed("tables: %s was made anew, and %s of %s at %s compares it with the one before", tableNames[which], e.Type, e.Subject, e.Sequence)
		}
	}
}

func (t *tables) judgeAt(which int, until place, events []oracle.Event) {
	told, log, damaged := oracle.NewTold(), oracle.NewLog(), make(map[string]bool)
	for i := range events {
		if e := &events[i]; placeOf(e.Sequence).isBefore(until) {
			addTo(told, e)
			noteDamage(damaged, e)
		}
	}
	told.Flush()
	at := t.world.server.contentsAt(until.at)
	for _, r := range at.rows[which] {
		c := changeOf(at.tables[which], nil, r)
		log.Baseline(c.isPosition, c.entity, []byte(nothing))
		log.Add(c.isPosition, c.entity, "UPDATE", []byte(nothing), c.loggedIs)
	}
	for _, tx := range t.world.server.wal {
		for i := range tx.changes {
			if c := &tx.changes[i]; tx.end <= until.at && c.isPosition && !isReadable(c.loggedIs) {
				damaged[c.entity+" pm_execution_history"] = true
			}
		}
	}
	t.compare(which, until, beliefs(told.Steps), beliefs(log.Steps), damaged)
}

// nothing is what is taken down of a row of which nothing is known.
const nothing = `{"s1":false,"s2":false,"status":null,"trade":null,"history":{}}`

// compare holds what is believed of a table's rows against what they were.
func (t *tables) compare(which int, until place, have, want map[string]string, damaged map[string]bool) {
	there := t.world.server.contentsAt(until.at).entities(which)
	of := func(key string) (entity, part string, ok bool) {
		entity, part, _ = strings.Cut(key, " ")
		return entity, part, strings.Contains(entity, "/") == (which == blocksOf)
	}
	believed := make(map[string]bool)
	for key := range have {
		if entity, _, ok := of(key); ok && have[entity+" row"] != "row: gone" {
			believed[entity] = true
		}
	}
	for entity := range believed {
		if !there[entity] {
			t.world.failed("tables: at %v %s is believed to be there, and it is gone", until.at, entity)
		}
	}
	for entity := range there {
		if which == positionsOf && !believed[entity] {
			t.world.failed("tables: at %v %s is there, and that is not told", until.at, entity)
		}
	}
	parts := maps.Clone(have)
	maps.Copy(parts, want)
	for key := range parts {
		entity, part, ok := of(key)
		if !ok || !there[entity] || part == "row" || isDamaged(key, damaged) {
			continue
		}
		unset := "null"
		if part == "flags" {
			unset = `{"S1":false,"S2":false}`
		}
		is, told := have[key]
		told = told || part == "flags"
		if is, truth := cmp.Or(is, unset), cmp.Or(want[key], unset); told && !oracle.SameText(part, is, truth) {
			t.world.failed("tables: at %v of %s %q is believed, and %q is true", until.at, key, is, truth)
		}
	}
}

// entities names the rows of a table.
func (c *contents) entities(which int) map[string]bool {
	all := make(map[string]bool)
	for _, r := range c.rows[which] {
		all[changeOf(c.tables[which], nil, r).entity] = true
	}
	return all
}
