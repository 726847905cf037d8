package cdc

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// A market plays the source's writer on random prices: an engine that wants out, swaps that fail or fill in part, records that are
// lost, ticks that write a stale copy back, runs that overlap, wallet scans, trades that end over their tokens, losses that set no
// block. It writes each row change down, and knows nothing of events.
type market struct {
	*bench
	t      *testing.T
	random *rand.Rand
	now    int // seconds
	coins  []*coin
	blocks map[string][]int // the places in the log where each token's block got a failure timestamp, that of its commit
	log    []logged
	reset  bool // the heart goes on from its bytes after each transaction
}

// coin is a position as the database has it, and what the bot knows beside it.
type coin struct {
	id                string
	qty, bought, sold int64 // micro tokens, so that all arithmetic is exact
	usdIn, usdOut     int64 // cents
	trade, trades     int   // number of the open trade, 0 for none; how many there were
	done              []int64
	state             string
	exit, emergency   bool
	price             int64 // micro USD
	history           map[string]json.RawMessage
	wallet            int64 // what is really held
	toast             bool
}

// logged is a row as a transaction left it.
type logged struct {
	at   int
	coin string
	row  coin // copy; history is shared and never written to
	pnl  *int64
}

func newMarket(t *testing.T, seed uint64) *market {
	m := &market{bench: newBench(t), t: t, random: rand.New(rand.NewPCG(seed, 7)), blocks: make(map[string][]int)}
	m.beginAt(true)
	for i := range 3 {
		c := &coin{
			id:      fmt.Sprintf("3d0c1a52-7f4e-4c1b-9a0e-6b1d5f2e8a%02d", i),
			state:   "S1",
			price:   500000,
			history: map[string]json.RawMessage{},
		}
		if m.chance(2) { // a snapshot may find anything
			c.trade, c.trades, c.qty, c.bought, c.wallet, c.exit = 1, 1, 1000000000, 1000000000, 1000000000, m.chance(2)
		}
		m.coins = append(m.coins, c)
		m.apply(insertOf(m.row(c)))
		m.note(c, nil)
	}
	if _, err := m.machine.finishRows(); err != nil {
		t.Fatal(err)
	}
	m.commit()
	m.events = nil
	return m
}

func (m *market) chance(n int) bool { return m.random.IntN(n) == 0 }

func (m *market) beginAt(snapshot bool) {
	m.lsn += 0x100
	begin := &decode.Begin{CommitLSN: m.lsn, CommitTime: benchCommitTime + decode.Micros(m.now)*second, XID: 7, Snapshot: snapshot}
	if snapshot {
		begin.Tables, begin.Publication = someTables, 9
	}
	m.machine.begin(begin)
}

func (m *market) note(c *coin, pnl *int64) {
	m.log = append(m.log, logged{at: m.now, coin: c.id, row: *c, pnl: pnl})
}

// micro prints millionths as Postgres prints a double or a numeric.
func micro(n int64) string {
	text := strings.TrimRight(fmt.Sprintf("%d.%06d", n/1000000, n%1000000), "0")
	return strings.TrimSuffix(text, ".")
}

func tradeID(c *coin, n int) string {
	return fmt.Sprintf("0b000000-0000-4000-80%s-%012d", c.id[34:], n)
}

func (m *market) row(c *coin) decode.PositionRow {
	columns := map[string]any{
		"id":                   c.id,
		"token_chain":          "solana",
		"token_contract":       "C" + c.id[34:],
		"timeframe":            "1h",
		"book_id":              "onchain_crypto",
		"status":               "active",
		"state":                c.state,
		"current_trade_id":     nil,
		"total_quantity":       micro(c.qty),
		"total_allocation_usd": micro(10000 * c.usdIn),
		"total_extracted_usd":  micro(10000 * c.usdOut),
		"total_tokens_bought":  micro(c.bought),
		"total_tokens_sold":    micro(c.sold),
	}
	if c.trade != 0 {
		columns["current_trade_id"] = tradeID(c, c.trade)
	}
	var done []string
	for _, pnl := range c.done {
		done = append(done, fmt.Sprintf(`{"summary": {"total_pnl_usd": %s}}`, pnlText(pnl)))
	}
	columns["completed_trades"] = json.RawMessage("[" + strings.Join(done, ",") + "]")
	features, err := json.Marshal(map[string]any{"pm_execution_history": c.history, "uptrend_engine_v4": map[string]any{
		"price": json.Number(micro(c.price)), "state": c.state, "exit_position": c.exit, "emergency_exit": c.emergency}})
	if err != nil {
		m.t.Fatal(err)
	}
	if columns["features"] = json.RawMessage(features); c.toast {
		columns["features"] = decode.Unchanged
	}
	return positionRow(columns)
}

// write commits a row; toast says that the statement does not touch features.
func (m *market) write(c *coin, toast bool, pnl *int64) {
	c.toast = toast
	m.beginAt(false)
	m.apply(&decode.PositionChange{Op: decode.Update, New: m.row(c)})
	m.note(c, pnl)
	m.end()
}

// pass commits a transaction of another row, or a tick.
func (m *market) pass() {
	m.beginAt(false)
	m.log = append(m.log, logged{at: m.now})
	m.end()
}

func (m *market) end() {
	for told := false; !told; {
		var err error
		if told, err = m.machine.tellDue(); err != nil {
			m.t.Fatal(err)
		}
	}
	m.commit()
	if m.reset && m.chance(3) {
		s := teller{bench: m.bench, t: m.t}
		s.restart()
	}
}

// wait lets time pass, with ticks in it or without.
func (m *market) wait(most int) {
	for range m.random.IntN(4) {
		m.now += m.random.IntN(most + 1)
		if m.chance(2) {
			m.pass()
		}
	}
	m.now += m.random.IntN(most + 1)
}

func (m *market) stamp() string {
	return string(jsonb.FormatInstant(benchCommitTime + decode.Micros(m.now)*second))
}

// engine writes what it thinks of a token.
func (m *market) engine(c *coin) {
	c.price = max(1000, c.price+m.random.Int64N(200001)-100000)
	if c.trade != 0 {
		switch m.random.IntN(5) {
		case 0:
			c.exit = true
		case 1:
			c.emergency = true
		case 2:
			c.exit, c.emergency = false, false
		}
	}
	if m.chance(3) {
		c.state = []string{"S0", "S1", "S2", "S3"}[m.random.IntN(4)]
	}
	m.write(c, false, nil)
}

// record writes a fill into the history, unless that write is lost; then the tick may write its older copy over it.
func (m *market) record(c *coin, key, signal string) {
	if m.chance(5) {
		return // statement timeout: the writer swallows the error
	}
	older := c.history
	c.history = maps.Clone(older)
	c.history[key] = json.RawMessage(fmt.Sprintf(`{"timestamp": %q, "price": 0.5, "size_frac": 0.5, "signal": %q}`, m.stamp(), signal))
	if m.chance(6) { // a repaired writer keeps its record of an exit too
		c.history["last_emergency_exit"] = json.RawMessage(fmt.Sprintf(`{"timestamp": %q, "exit_value_usd": 5, "rebuy_used": false}`, m.stamp()))
	}
	m.write(c, false, nil)
	if m.chance(2) {
		m.now += m.random.IntN(10)
		c.history = older
		m.write(c, false, nil)
		if m.chance(4) { // and another job brings the record back
			m.now += m.random.IntN(20)
			c.history = m.logHistory(c)
			m.write(c, false, nil)
		}
	}
}

// logHistory is the history two writes ago.
func (m *market) logHistory(c *coin) map[string]json.RawMessage {
	seen := 0
	for i := len(m.log) - 1; i >= 0; i-- {
		if m.log[i].coin == c.id {
			if seen++; seen == 2 {
				return m.log[i].row.history
			}
		}
	}
	return c.history
}

func (m *market) buy(c *coin) {
	opens := c.trade == 0
	n := 1000000 * (1 + m.random.Int64N(1000))
	c.qty, c.bought, c.wallet, c.usdIn = c.qty+n, c.bought+n, c.wallet+n, c.usdIn+100
	if opens {
		c.trades++
		c.trade = c.trades
	}
	m.write(c, m.chance(2), nil)
	m.now += m.random.IntN(4)
	m.record(c, []string{"last_s1_buy", "last_s2_buy", "last_s3_buy"}[m.random.IntN(3)], "buy_flag")
}

// sell makes a swap that may fail or fill in part, then moves the books, then records it.
func (m *market) sell(c *coin, signal string, all bool) {
	if m.chance(2) || c.wallet == 0 {
		return // the swap failed: nothing is written
	}
	n := c.wallet
	if !all || m.chance(3) {
		n = 1 + m.random.Int64N(n)
	}
	c.wallet -= n
	c.qty, c.sold, c.usdOut = max(0, c.qty-n), c.sold+n, c.usdOut+n/2000000
	m.write(c, m.chance(2), nil)
	m.now += m.random.IntN(4)
	if m.chance(8) {
		m.wait(130) // a slow job
	}
	m.record(c, "last_trim", signal)
}

// end of a trade: the engine reached S0, whatever is left.
func (m *market) closeTrade(c *coin) {
	pnl := c.usdOut - c.usdIn
	c.done = append(slices.Clone(c.done), pnl)
	c.trade, c.qty, c.bought, c.sold, c.usdIn, c.usdOut = 0, 0, 0, 0, 0, 0
	if c.wallet = 0; m.chance(4) {
		c.exit, c.emergency = false, false
	}
	m.write(c, m.chance(2), &pnl)
	if pnl < 0 && m.chance(2) {
		m.wait(60)
		m.block(c)
	}
}

func (m *market) block(c *coin) {
	m.beginAt(false)
	stamp := m.stamp()
	m.apply(&decode.BlockChange{Op: decode.Insert, New: blockRow(map[string]any{"token_contract": "C" + c.id[34:], "token_chain": "solana",
		"timeframe": "1h", "book_id": "onchain_crypto", "blocked_s1": true, "blocked_s2": true, "last_s1_failure_ts": stamp,
		"last_s2_failure_ts": nil, "last_success_ts": nil})})
	m.blocks[c.id] = append(m.blocks[c.id], len(m.log))
	m.log = append(m.log, logged{at: m.now})
	m.end()
}

// run is one run of the position manager over a token.
func (m *market) run(c *coin) {
	switch {
	case c.trade != 0 && c.state == "S0":
		m.closeTrade(c)
	case c.trade != 0 && (c.exit || c.emergency):
		signal := "exit_position"
		if c.emergency {
			signal = "emergency_exit"
		}
		m.sell(c, signal, true)
	case c.trade != 0 && m.chance(4):
		m.sell(c, "trim_flag", false)
	case m.chance(2):
		m.buy(c)
	case c.trade != 0 && m.chance(5): // a wallet scan
		c.qty = c.wallet
		m.write(c, m.chance(2), nil)
	case c.trade != 0 && m.chance(8): // a run that overlapped writes sums that it read before another one's fill
		c.sold, c.usdOut = c.sold/2, c.usdOut/2
		m.write(c, true, nil)
	case c.trade != 0 && m.chance(20): // books that no swap moved
		c.wallet, c.qty = c.wallet/1000000000, c.qty/1000000000
		m.write(c, true, nil)
	}
}

func (m *market) play(rounds int) {
	for range rounds {
		c := m.coins[m.random.IntN(len(m.coins))]
		if m.chance(3) {
			m.engine(c)
		}
		m.run(c)
		if m.chance(6) {
			m.run(c) // runs that overlap
		}
		switch m.random.IntN(12) {
		case 0:
			m.wait(700)
		case 1:
			m.now += m.random.IntN(30000) // nobody is there, and then the time
			m.pass()
		case 2: // exactly when something may be due
			m.now += []int{119, 120, 121, 599, 600, 3600}[m.random.IntN(6)]
			m.pass()
		default:
			m.wait(60)
		}
	}
}

// told are the events that the oracle expects, as text.
func (m *market) told() (list []string) {
	fields := map[string][]string{
		"emergency_exit.pending":   {"wanted_since", "held_quantity", "reminder", "value_usd"},
		"emergency_exit.settled":   {"outcome", "held_quantity"},
		"emergency_exit.abandoned": {"quantity", "value_usd", "wanted"},
		"execution.unrecorded":     {"direction", "tokens", "held_quantity"},
		"entry_block.not_set":      {"pnl_usd", "stages"},
		"emergency_exit.executed":  {},
		"emergency_exit.triggered": {},
	}
	for _, e := range m.events {
		name := strings.TrimSuffix(strings.TrimPrefix(e["type"].(string), "lowcap."), ".v1")
		wanted, ok := fields[name]
		if !ok {
			if e["severity"] == "page" {
				list = append(list, "an unexpected page: "+name)
			}
			continue
		}
		data := e["data"].(map[string]any)
		subject := data["entity"].(map[string]any)["token_contract"].(string)
		at, _, _ := jsonb.ParseInstant([]byte(e["time"].(string)))
		line := fmt.Sprintf("%06d %s %s %s", (at-benchCommitTime)/second, subject, name, e["severity"])
		for _, f := range wanted {
			value, _ := json.Marshal(data[f])
			line += " " + f + "=" + strings.Trim(string(value), `"`)
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

var markets = flag.Int("markets", 150, "how many markets TestMarkets plays; 3000 take a minute")

// TestMarkets: whatever the writer does, what an operator is told is what the oracle reads out of the rows.
func TestMarkets(t *testing.T) {
	total := make(map[string]int)
	for seed := range uint64(*markets) {
		m := newMarket(t, seed)
		m.reset = seed%3 == 0
		m.play(60)
		m.now += 40000
		m.pass()
		got, want := m.told(), oracleOf(m)
		for _, line := range got {
			total[strings.Join(strings.Fields(line)[2:4], " ")]++
		}
		for _, line := range subtract(got, want) {
			t.Errorf("seed %d: told, and not expected: %s", seed, line)
		}
		for _, line := range subtract(want, got) {
			t.Errorf("seed %d: expected, and not told: %s", seed, line)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	for _, kind := range []string{"emergency_exit.pending page", "emergency_exit.settled info", "emergency_exit.abandoned page", "execution.unrecorded page",
		"execution.unrecorded warn", "entry_block.not_set warn", "emergency_exit.executed page", "emergency_exit.triggered page", "emergency_exit.triggered info"} {
		if total[kind] < *markets/10 {
			t.Errorf("%s was told %d times: the markets are too quiet", kind, total[kind])
		}
	}
}

func subtract(from, what []string) (left []string) {
	count := make(map[string]int)
	for _, line := range what {
		count[line]++
	}
	for _, line := range from {
		if count[line]--; count[line] < 0 {
			left = append(left, line)
		}
	}
	return left
}
