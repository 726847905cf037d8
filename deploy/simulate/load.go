package simulate

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"lowcap-cdc/deploy/lab"
)

const (
	positions = 5
	blocks    = 5
)

// load writes as the source system does: whole documents, stale copies, damage, blocks milliseconds apart, rows that go and come,
// transactions of several rows, messages of strangers. Its documents are those of the load that the real servers get.
type load struct {
	server    *server
	random    *rand.Rand
	documents *lab.Load
	serial    int
	ids       [positions]*string
}

func newLoad(s *server, seed uint64) *load {
	l := &load{server: s, random: s.net.draw("load"), documents: lab.NewLoad(seed)}
	var all []change
	for i := range positions {
		l.ids[i] = uuid(fmt.Sprint(i))
		all = append(all, changeOf(s.tables[positionsOf], nil, l.position(i)))
	}
	s.commit(true, all...)
	return l
}

// position is a new row.
func (l *load) position(i int) row {
	r := make(row, positionFeatures+1)
	r[positionID], r[positionChain], r[positionContract] = l.ids[i], value("solana"), value("X")
	r[positionTimeframe], r[positionStatus], r[positionState] = value(fmt.Sprintf("p%d", i)), value("watchlist"), value("S4")
	r[positionQuantity], r[positionTrades] = value("0"), value("[]")
	r[positionFeatures] = value(`{"pm_execution_history": {"prev_state": "S2"}}`)
	return r
}

// step makes the next transactions, mostly one. What is of a table that is not there is left out.
func (l *load) step() {
	l.serial++
	flush := l.random.IntN(3) > 0
	position, block := l.random.IntN(positions), l.random.IntN(blocks)
	switch draw := l.random.IntN(31); {
	case draw < 12:
		l.commit(flush, l.edit(position, l.document)...)
	case draw < 14:
		l.commit(flush, l.edit(position, l.status)...)
	case draw < 16:
		l.commit(flush, l.edit(position, l.trade)...)
	case draw < 18:
		l.commit(flush, l.edit(position, func(r row, _ int) { r[positionNotes] = value(fmt.Sprint(l.serial)) })...)
	case draw < 20:
		l.reinsert(flush, position)
	case draw < 25:
		l.commit(flush, l.block(block)...)
	case draw < 28:
		l.several(flush, position, block)
	case draw < 29:
		l.commit(flush, change{op: 'M', prefix: "other", content: "a stranger's"})
	case draw < 30:
		l.truncate(flush, l.random.IntN(2), position)
	default:
		l.server.write(8 * l.random.IntN(100_000))
	}
}

// commit is that of the server, when there is anything to commit.
func (l *load) commit(flush bool, all ...change) {
	if len(all) > 0 {
		l.server.commit(flush, all...)
	}
}

// table returns one of the two, nil while it is not there.
func (l *load) table(which int) *table {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return l.server.tables[which]
}

// current returns a row as it was committed last, nil where there is none.
func (l *load) current(table int, key string) row {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return l.server.rows[table][key]
}

// edit changes a position, or inserts it where it is gone.
func (l *load) edit(i int, how func(row, int)) []change {
	t := l.table(positionsOf)
	if t == nil {
		return nil
	}
	was := l.current(positionsOf, *l.ids[i]+"\x00")
	is := slices.Clone(was)
	if was == nil {
		is = l.position(i)
	}
	how(is, i)
	return []change{changeOf(t, was, is)}
}

func (l *load) document(r row, i int) { r[positionFeatures] = value(l.documents.Document(i)) }

func (l *load) status(r row, _ int) {
	r[positionStatus] = value([]string{"active", "watchlist", "dormant"}[l.random.IntN(3)])
}

// nextStatus is another one: a change that tells something. One that tells nothing is confirmed when the sidecar has nothing else to do.
func (l *load) nextStatus(r row, _ int) {
	all := []string{"active", "watchlist", "dormant"}
	r[positionStatus] = value(all[(slices.Index(all, *r[positionStatus])+1)%len(all)])
}

func (l *load) trade(r row, _ int) {
	if r[positionTrade] == nil {
		r[positionTrade] = uuid(fmt.Sprint("trade ", l.serial))
		return
	}
	r[positionTrade] = nil
	r[positionTrades] = value(fmt.Sprintf(`[{"trade": %d, "pnl": 1.50}]`, l.serial))
}

// reinsert deletes a position and inserts it with another id, in one transaction or in two.
func (l *load) reinsert(flush bool, i int) {
	t := l.table(positionsOf)
	if t == nil {
		return
	}
	was := l.current(positionsOf, *l.ids[i]+"\x00")
	l.ids[i] = uuid(fmt.Sprint("again ", l.serial))
	back := changeOf(t, nil, l.position(i))
	switch {
	case was == nil:
		l.commit(flush, back)
	case l.random.IntN(2) == 0:
		l.commit(flush, changeOf(t, was, nil), back)
	default:
		l.commit(flush, changeOf(t, was, nil))
		l.commit(flush, back)
	}
}

// truncate removes all rows of a table, behind a change in the same transaction.
func (l *load) truncate(flush bool, table, position int) {
	t := l.table(table)
	if t == nil || l.server.isHeld(table) {
		return // it would have to wait
	}
	l.server.mu.Lock()
	rows := maps.Clone(l.server.rows[table])
	l.server.mu.Unlock()
	var all []change
	if table == positionsOf {
		all = l.edit(position, l.document)
		rows[*l.ids[position]+"\x00"] = all[0].is
	}
	l.commit(flush, append(all, truncated(t, rows))...)
}

// block sets or clears flags of a block, or deletes it.
func (l *load) block(i int) []change {
	t := l.table(blocksOf)
	if t == nil {
		return nil
	}
	is := make(row, lastSuccess+1)
	is[blockContract], is[blockChain], is[blockTimeframe], is[blockBook] = value(fmt.Sprintf("C%d", i)), value("solana"), value("1h"), value("onchain_crypto")
	was := l.current(blocksOf, t.key(is))
	if was != nil {
		is = slices.Clone(was)
	}
	now := instant(time.Now())
	switch l.random.IntN(6) {
	case 0, 1:
		is[blockedS1], is[lastS1Failure] = value("t"), now
	case 2:
		is[blockedS1], is[blockedS2], is[lastS1Failure] = value("t"), value("t"), now
	case 3:
		is[blockedS2], is[lastS2Failure] = value("t"), now
	case 4:
		is[blockedS1], is[lastSuccess] = value("f"), now
	case 5:
		if was != nil {
			return []change{changeOf(t, was, nil)}
		}
	}
	return []change{changeOf(t, was, is)}
}

// several changes two positions and a block at once, and says who did it.
func (l *load) several(flush bool, position, block int) {
	all := []change{{op: 'M', prefix: "lowcap-cdc", content: fmt.Sprintf(`{"actor":"op%d","reason":"load"}`, l.serial)}}
	all = append(all, l.edit(position, l.document)...)
	all = append(all, l.edit((position+1)%positions, l.document)...)
	l.commit(flush, append(all, l.block(block)...)...)
}

// huge blocks, clears and deletes many tokens in one transaction.
func (l *load) huge(tokens int) {
	t := l.table(blocksOf)
	if t == nil {
		return
	}
	var all []change
	l.serial++
	for i := range tokens {
		is := make(row, lastSuccess+1)
		is[blockContract], is[blockChain] = value(fmt.Sprintf("H%d-%d", l.serial, i)), value("solana")
		is[blockTimeframe], is[blockBook], is[blockedS1] = value("1h"), value("onchain_crypto"), value("t")
		cleared := slices.Clone(is)
		cleared[blockedS1] = value("f")
		all = append(all, changeOf(t, nil, is), changeOf(t, is, cleared), changeOf(t, cleared, nil))
	}
	l.commit(true, all...)
}
