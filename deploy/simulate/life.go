package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// What becomes of the tables themselves: a migration, its rollback, a rename, a publication that somebody alters. One of the two is
// always as it should be: a sidecar that finds neither asks for an operator.

// planLife spreads such steps over a time, in every third seed.
func (w *world) planLife(length time.Duration) {
	random := w.net.draw("life")
	if random.IntN(3) > 0 {
		return
	}
	for n := range 1 + random.IntN(4) {
		name := fmt.Sprintf("life %d", n)
		w.net.plan(time.Duration(random.Int64N(int64(length))), name, func() { w.befallTable(name, 0) })
	}
}

// mostTries bounds how often a step waits for its table.
const mostTries = 50

// befallTable makes a step of a table's life, when both are there and no transaction reads it.
func (w *world) befallTable(name string, tries int) {
	random := w.net.draw(name)
	which := random.IntN(2)
	if !w.server.isUp() || w.still || !w.areThere() || w.server.isHeld(which) {
		if tries < mostTries && !w.rules.calm {
			w.net.plan(100*time.Millisecond, fmt.Sprintf("%s, try %d", name, tries+1), func() { w.befallTable(name, tries+1) })
		}
		return
	}
	if !w.happens(name) {
		return
	}
	w.load.random, w.isLived = random, true
	t, flush, until := w.load.table(which), random.IntN(3) > 0, time.Duration(random.IntN(1<<random.IntN(14)))*time.Millisecond
	switch draw := random.IntN(11); {
	case draw == 10:
		w.dropPublication(name, flush, until)
	case draw < 4:
		rows := w.load.survivors(which, random.IntN(2) == 0)
		w.load.commit(flush, dropped(t, w.load.all(which)))
		w.mend(name, until, which, rows)
	case draw < 5:
		rows := w.load.survivors(which, true)
		w.load.commit(flush, append([]change{dropped(t, w.load.all(which))}, w.load.made(which, rows)...)...)
	case draw < 7:
		w.load.commit(flush, t.with(func(t *table) { t.name += "_old" }))
		w.mend(name, until, which, nil)
	case draw < 9:
		w.load.commit(flush, t.with(func(t *table) { t.member = 0 }))
		if random.IntN(2) == 0 { // else the sidecar puts it back
			w.mend(name, until, which, nil)
		}
	default:
		w.load.commit(flush, t.with(func(t *table) { t.alterColumns(random, w.server.xid) }))
	}
}

// act is something that becomes of a table.
type act int

const (
	empty  act = iota // all rows are gone, by TRUNCATE
	remake            // another table is there in its place
	rename            // it has another name for a while
)

// befallThis has something become of a table, as befallTable does with what it draws.
func (w *world) befallThis(name string, what act, which int, away time.Duration) {
	if w.rules.calm || w.still || !w.server.isUp() || !w.areThere() || w.server.isHeld(which) || !w.happens(name) {
		return
	}
	w.load.random = w.net.draw(name)
	switch t := w.load.table(which); what {
	case empty:
		w.load.truncate(true, which, 0)
	case remake:
		rows := w.load.survivors(which, true)
		w.load.commit(true, append([]change{dropped(t, w.load.all(which))}, w.load.made(which, rows)...)...)
	case rename:
		w.load.commit(true, t.with(func(t *table) { t.name += "_old" }))
		w.mend(name, away, which, nil)
	}
}

// dropPublication has somebody drop the publication: what is written until it is there again is lost to the stream. Either somebody
// makes it anew, or the sidecar does.
func (w *world) dropPublication(name string, flush bool, until time.Duration) {
	if w.server.publication == 0 {
		return
	}
	w.losses++
	w.load.commit(flush, change{op: 'C', publication: new(publication)})
	if w.load.random.IntN(2) == 0 {
		w.net.plan(until, name+" ends", func() { w.createPublication() })
	}
}

// createPublication makes the publication anew, unless the sidecar has done so, or the server does not run.
func (w *world) createPublication() {
	if !w.server.isUp() || w.still || w.server.publication != 0 || w.server.isHeld(blocksOf) || w.server.isHeld(positionsOf) {
		return
	}
	made := publication{oid: w.server.newOID()}
	for which := range tableNames {
		made.members[which] = w.server.newOID()
	}
	w.load.commit(true, change{op: 'C', publication: &made})
}

// areThere reports whether both tables are there under their names.
func (w *world) areThere() bool {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.server.named(blocksOf) != nil && w.server.named(positionsOf) != nil
}

// mend brings a table back after a time: as it is named and published, or with these rows where it is gone.
func (w *world) mend(name string, after time.Duration, which int, rows map[string]row) {
	w.net.plan(after, name+" ends", func() {
		if !w.server.isUp() || w.still || w.server.isHeld(which) {
			w.mend(name+" late", 100*time.Millisecond, which, rows)
			return
		}
		w.load.random = w.net.draw(name + " ends")
		t, flush := w.load.table(which), w.rules.calm || w.load.random.IntN(3) > 0
		switch {
		case t == nil:
			w.load.commit(flush, w.load.made(which, rows)...)
		case t.name != tableNames[which]:
			w.load.commit(flush, t.with(func(t *table) { t.name = tableNames[which] }))
		case t.member == 0 && w.server.publication != 0:
			w.load.commit(flush, t.with(func(t *table) { t.member = w.server.newOID() }))
		}
	})
}

// settleTables brings back what is not there, as often as a crash takes it away again.
func (w *world) settleTables(tries int) {
	for which := range tableNames {
		if t := w.load.table(which); t == nil || t.name != tableNames[which] {
			w.mend(fmt.Sprintf("table %d, settled %d", which, tries), 0, which, nil)
		}
	}
	if tries < mostTries {
		w.net.plan(time.Second, fmt.Sprintf("tables are settled %d", tries), func() { w.settleTables(tries + 1) })
	}
}

// all returns the rows of a table.
func (l *load) all(which int) map[string]row {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return maps.Clone(l.server.rows[which])
}

// survivors are rows that a table is made with anew: some of those that it has, a part of them changed.
func (l *load) survivors(which int, any bool) map[string]row {
	left := make(map[string]row)
	all := l.all(which)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		is := slices.Clone(all[key])
		switch draw := l.random.IntN(3); {
		case !any || draw == 0:
			continue
		case draw == 1 && which == blocksOf:
			is[blockedS1] = value("t")
		case draw == 1:
			l.status(is, 0)
		}
		left[key] = is
	}
	return left
}

// made makes a table anew, with these rows.
func (l *load) made(which int, rows map[string]row) []change {
	all := []change{created(which, l.server.newOID())}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		all = append(all, changeOf(all[0].becomes, nil, rows[key]))
	}
	return all
}

// alterColumns adds a column that nobody watches, or drops it, or drops one that is watched and need not be there.
func (t *table) alterColumns(random *rand.Rand, by uint32) {
	drop := func(name string) bool {
		had := len(t.columns)
		t.columns = slices.DeleteFunc(t.columns, func(c column) bool { return c.name == name })
		return len(t.columns) < had
	}
	switch {
	case random.IntN(3) == 0 && drop("total_quantity"):
		t.altered = by
	case drop("extra"):
	default:
		t.columns = append(t.columns, column{name: "extra", oid: textOID, kind: "text", at: positionFeatures + 1})
	}
}
