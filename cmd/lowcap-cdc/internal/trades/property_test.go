package trades

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lowcap-cdc/schemas"
)

// model makes the life of one position, and adds up what each trade must come to, in its own way.
type model struct {
	lines []string
	at    int
	trade int // 0 when flat
	pool  int // cents
	moved map[string]int
	fills map[string][2]int
	out   map[string]int
	ends  map[string]int
}

func (m *model) say(text string) {
	trade := "-"
	if m.trade > 0 {
		trade = m.name()
	}
	m.lines = append(m.lines, fmt.Sprintf("%d %s %s", m.at, trade, text))
}

func (m *model) name() string { return fmt.Sprintf("T%d", m.trade) }

func cents(n int) string { return big.NewRat(int64(n), 100).FloatString(2) }

// setPool moves the pool and notes it for the trade.
func (m *model) setPool(to int, text string) {
	m.lines = append(m.lines, fmt.Sprintf(`+ %s trim_pool.%s,"delta_usd":%s`, m.name(), text, cents(to-m.pool)))
	m.moved[m.name()] += to - m.pool
	m.pool = to
}

func (m *model) sell(name string, usd int) {
	m.say(fmt.Sprintf(`%s "proceeds_usd":%s,"remaining_quantity":1`, name, cents(usd)))
	m.setPool(m.pool+usd, `increased "added_usd":`+cents(usd))
	m.out[m.name()] += usd
}

// step lets one thing happen. Trades are numbered, so one is never taken for another.
func (m *model) step(t *rapid.T, trades *int) {
	m.at += rapid.IntRange(0, 60).Draw(t, "later")
	usd := rapid.IntRange(1, 100000).Draw(t, "cents")
	fills := m.fills[m.name()]
	switch what := rapid.SampledFrom([]string{"open", "close", "buy", "trim", "exit", "spend", "revert", "replace", "hand", "quiet"}).Draw(t, "what"); {
	case m.trade == 0 && what == "open":
		*trades++
		m.trade = *trades
		m.say(fmt.Sprintf(`trade.opened "trade_id":"%s"`, m.name()))
	case m.trade == 0, what == "open", what == "quiet":
		m.say("position.status_changed")
	case what == "close":
		id := m.name()
		m.ends[id] = m.at
		m.trade = 0
		m.say(fmt.Sprintf(`trade.closed "trade_id":"%s","remaining_quantity":0,"pnl_usd":1`, id))
	case what == "buy":
		m.say(`execution.buy_recorded "slot":"s3"`)
		m.fills[m.name()] = [2]int{fills[0] + 1, fills[1]}
	case what == "trim":
		m.sell("execution.trim_recorded", usd)
		m.fills[m.name()] = [2]int{fills[0], fills[1] + 1}
	case what == "exit":
		m.sell("emergency_exit.executed", usd)
	case what == "spend":
		m.say(`execution.buy_recorded "slot":"s3"`)
		m.fills[m.name()] = [2]int{fills[0] + 1, fills[1]}
		m.setPool(0, `closed "reason":"dx_ladder_complete","closed_basis":`+cents(m.pool))
	case what == "revert":
		m.say(`execution.reverted "key":"last_trim"`)
		m.setPool(usd, `reverted "key":"trim_pool"`)
	case what == "replace":
		m.say(`position.status_changed`)
		m.setPool(usd, fmt.Sprintf(`replaced "old_basis":%s,"new_basis":%s`, cents(m.pool), cents(usd)))
	case what == "hand":
		m.say(`position.status_changed`)
		m.setPool(usd, `adjusted "changed":[]`)
	}
}

// TestSums: whatever happens to a pool, what was fed less what was lost and spent is what it moved by, to the cent; every fill is
// counted once; each trade is told once, the ended ones in the order of their ends; and no more is kept than is open or has just ended.
func TestSums(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{moved: map[string]int{}, fills: map[string][2]int{}, out: map[string]int{}, ends: map[string]int{}}
		trades := 0
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			m.step(rt, &trades)
		}
		all := folded(t, story(t, strings.Join(m.lines, "\n")))
		if len(all) != trades {
			rt.Fatalf("%d trades, want %d", len(all), trades)
		}
		for i, trade := range all {
			id := trade.TradeID
			if i > 0 && !trade.IsOpen() && m.ends[all[i-1].TradeID] > m.ends[id] || trade.IsOpen() != (m.ends[id] == 0 && m.isOpen(id)) {
				rt.Errorf("%s is not in its place", id)
			}
			if got := [2]int{trade.Buys, trade.Trims}; got != m.fills[id] {
				rt.Errorf("%s: buys and trims %v, want %v", id, got, m.fills[id])
			}
			same(rt, id+": USD out", exact(trade.USDOut), m.out[id])
			sum := new(big.Rat).Sub(exact(trade.Pool.Fed), exact(trade.Pool.Lost))
			for _, usd := range trade.Pool.Spent {
				sum.Sub(sum, exact(usd))
			}
			same(rt, id+": pool", sum, m.moved[id])
		}
	})
}

func (m *model) isOpen(id string) bool { return m.trade > 0 && m.name() == id }

func exact(n schemas.Number) *big.Rat {
	value, _ := n.Rat()
	return value
}

func same(t *rapid.T, what string, got *big.Rat, cents int) {
	if want := big.NewRat(int64(cents), 100); got.Cmp(want) != 0 {
		t.Errorf("%s is %s, want %s", what, got.FloatString(4), want.FloatString(2))
	}
}

// TestKeepsLittle: ten thousand trades, one after the other, leave nothing behind but the last.
func TestKeepsLittle(t *testing.T) {
	told := 0
	fold := New(func(*Trade) error { told++; return nil })
	for i := range 10_000 {
		at := i * 300
		text := fmt.Sprintf("%d A%d trade.opened \"trade_id\":\"A%d\"\n%d - trade.closed \"trade_id\":\"A%d\",\"pnl_usd\":1", at, i, i, at+1, i)
		for n, line := range strings.Split(strings.TrimSpace(string(story(t, text))), "\n") {
			event, err := schemas.Parse(nil, []byte(line))
			if err != nil {
				t.Fatal(err)
			}
			event.Sequence = fmt.Sprintf("%016X1%015X", 2*i+n, 0)
			if err := fold.Take(&event.Attributes, []byte(line)); err != nil {
				t.Fatal(err)
			}
			if len(fold.ended) > 2 || len(fold.positions) > 1 || len(fold.tokens) > 1 {
				t.Fatalf("%d ended, %d positions", len(fold.ended), len(fold.positions))
			}
		}
	}
	if told < 9_998 {
		t.Errorf("%d trades told as they ended", told)
	}
}
