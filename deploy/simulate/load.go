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
		all = append(all, changeOf(s.tables[1], nil, l.position(i)))
	}
	s.commit(true, all...)
	return l
}

// position is a new row.
func (l *load) position(i int) row {
	r := make(row, len(l.server.tables[1].columns))
	r[positionID], r[positionChain], r[positionContract] = l.ids[i], value("solana"), value("X")
	r[positionTimeframe], r[positionStatus], r[positionState] = value(fmt.Sprintf("p%d", i)), value("watchlist"), value("S4")
	r[positionQuantity], r[positionTrades] = value("0"), value("[]")
	r[positionFeatures] = value(`{"pm_execution_history": {"prev_state": "S2"}}`)
	return r
}

// step makes the next transactions, mostly one.
func (l *load) step() {
	l.serial++
	flush := l.random.IntN(3) > 0
	position, block := l.random.IntN(positions), l.random.IntN(blocks)
	switch draw := l.random.IntN(31); {
	case draw < 12:
		l.server.commit(flush, l.edit(position, l.document)...)
	case draw < 14:
		l.server.commit(flush, l.edit(position, l.status)...)
	case draw < 16:
		l.server.commit(flush, l.edit(position, l.trade)...)
	case draw < 18:
		l.server.commit(flush, l.edit(position, func(r row, _ int) { r[positionNotes] = value(fmt.Sprint(l.serial)) })...)
	case draw < 20:
		l.reinsert(flush, position)
	case draw < 25:
		l.server.commit(flush, l.block(block)...)
	case draw < 28:
		l.several(flush, position, block)
	case draw < 29:
		l.server.commit(flush, change{op: 'M', prefix: "other", content: "a stranger's"})
	case draw < 30:
		l.truncate(flush, l.random.IntN(2), position)
	default:
		l.server.write(8 * l.random.IntN(100_000))
	}
}

// current returns a row as it was committed last, nil where there is none.
func (l *load) current(table int, key string) row {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return l.server.rows[table][key]
}

// edit changes a position, or inserts it where it is gone.
func (l *load) edit(i int, how func(row, int)) []change {
	was := l.current(1, *l.ids[i]+"\x00")
	is := slices.Clone(was)
	if was == nil {
		is = l.position(i)
	}
	how(is, i)
	return []change{changeOf(l.server.tables[1], was, is)}
}

func (l *load) document(r row, i int) { r[positionFeatures] = value(l.documents.Document(i)) }

func (l *load) status(r row, _ int) {
	r[positionStatus] = value([]string{"active", "watchlist", "dormant"}[l.random.IntN(3)])
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
	was := l.current(1, *l.ids[i]+"\x00")
	l.ids[i] = uuid(fmt.Sprint("again ", l.serial))
	back := changeOf(l.server.tables[1], nil, l.position(i))
	switch {
	case was == nil:
		l.server.commit(flush, back)
	case l.random.IntN(2) == 0:
		l.server.commit(flush, changeOf(l.server.tables[1], was, nil), back)
	default:
		l.server.commit(flush, changeOf(l.server.tables[1], was, nil))
		l.server.commit(flush, back)
	}
}

// truncate removes all rows of a table, behind a change in the same transaction.
func (l *load) truncate(flush bool, table, position int) {
	l.server.mu.Lock()
	rows := maps.Clone(l.server.rows[table])
	l.server.mu.Unlock()
	var all []change
	if table == 1 {
		all = l.edit(position, l.document)
		rows[*l.ids[position]+"\x00"] = all[0].is
	}
	l.server.commit(flush, append(all, truncated(l.server.tables[table], rows))...)
}

// block sets or clears flags of a block, or deletes it.
func (l *load) block(i int) []change {
	t := l.server.tables[0]
	is := make(row, len(t.columns))
	is[blockContract], is[blockChain], is[blockTimeframe], is[blockBook] = value(fmt.Sprintf("C%d", i)), value("solana"), value("1h"), value("onchain_crypto")
	was := l.current(0, t.key(is))
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
	l.server.commit(flush, append(all, l.block(block)...)...)
}

// huge blocks, clears and deletes many tokens in one transaction.
func (l *load) huge(tokens int) {
	t := l.server.tables[0]
	var all []change
	l.serial++
	for i := range tokens {
		is := make(row, len(t.columns))
		is[blockContract], is[blockChain] = value(fmt.Sprintf("H%d-%d", l.serial, i)), value("solana")
		is[blockTimeframe], is[blockBook], is[blockedS1] = value("1h"), value("onchain_crypto"), value("t")
		cleared := slices.Clone(is)
		cleared[blockedS1] = value("f")
		all = append(all, changeOf(t, nil, is), changeOf(t, is, cleared), changeOf(t, cleared, nil))
	}
	l.server.commit(true, all...)
}
