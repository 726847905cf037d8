package page

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

func stored(name, data string) *sink.Stored {
	return &sink.Stored{Value: fmt.Appendf(nil, `{"type": "lowcap.%s.v1", "time": "2026-11-24T06:00:00Z", "data": {%s}}`, name, data)}
}

// TestMarks: what each event draws into the picture of a token's life, and that no value of the database breaks the answer.
func TestMarks(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"entry_block.set", `"entity": {"book_id": "onchain_crypto"}, "after": {"blocked_s1": true, "blocked_s2": false}`, `{"kind":"block","s1":true,"s2":false,"usd":null}`},
		{"entry_block.deleted", `"entity": {"book_id": "onchain_crypto"}, "after": null`, `{"kind":"block","s1":false,"s2":false,"usd":null}`},
		{"entry_block.set", `"entity": {"book_id": "social"}, "after": {"blocked_s1": true}`, `null`},
		{"entry_block.not_set", `"entity": {"book_id": "onchain_crypto"}`, `{"kind":"not_set","s1":false,"s2":false,"usd":null}`},
		{"trim_pool.increased", `"after": {"usd_basis": 60.5}`, `{"kind":"pool","s1":false,"s2":false,"usd":60.5}`},
		{"trim_pool.reverted", `"after": null`, `{"kind":"pool","s1":false,"s2":false,"usd":0,"taken":true}`},
		{"trim_pool.increased", `"after": {"usd_basis": 1e999}`, `{"kind":"pool","s1":false,"s2":false,"usd":null}`},
		{"emergency_exit.pending", `"wanted_since": "2026-11-24T05:00:00Z"`, `{"kind":"wanted","s1":false,"s2":false,"usd":null,"since":"2026-11-24T05:00:00Z"}`},
		{"emergency_exit.settled", `"wanted_since": "x", "outcome": "closed"`, `{"kind":"settled","s1":false,"s2":false,"usd":null,"since":"x","note":"closed"}`},
		{"emergency_exit.executed", ``, `{"kind":"exit","s1":false,"s2":false,"usd":null}`},
		{"emergency_exit.abandoned", ``, `{"kind":"abandoned","s1":false,"s2":false,"usd":null}`},
		{"trade.closed", `"pnl_usd": -55.0`, `{"kind":"closed","s1":false,"s2":false,"usd":-55}`},
		{"trade.closed", `"pnl_usd": null`, `{"kind":"closed","s1":false,"s2":false,"usd":null}`},
		{"position.status_changed", ``, `null`},
		{"something.new", ``, `null`},
	} {
		if got, err := json.Marshal(markOf(stored(c.name, c.data))); err != nil || string(got) != c.want {
			t.Errorf("%s {%s}: %s, %v; want %s", c.name, c.data, got, err, c.want)
		}
	}
}

// TestLifeIsBounded: of a long life the newest part is kept, in its order.
func TestLifeIsBounded(t *testing.T) {
	for seen, want := range []string{"", "0", "0 1", "0 1 2", "1 2 3", "2 3 4", "3 4 5", "4 5 6"} {
		l := newLife(3)
		for i := range seen {
			l.add(stored("position.status_changed", fmt.Sprintf(`"to": "%d"`, i)))
		}
		var got []string
		for _, m := range l.moments() {
			got = append(got, strings.TrimPrefix(m.Detail, "to="))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %d: %q, want %q", seen, got, want)
		}
	}
}

// TestOnlyChangedListsAreSent: who is told again and again is told of a list only when it has changed, and at first of all.
func TestOnlyChangedListsAreSent(t *testing.T) {
	b := newBoard()
	sent := func(since changes) (text string, now changes) {
		s := b.shown(since)
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(value, &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"blocks", "exits", "gaps", "quarantine", "samples", "stream"} {
			if _, ok := fields[name]; ok {
				text += name + " "
			}
		}
		return text, s.changed
	}
	expect := func(want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%q are sent, want %q", got, want)
		}
	}
	text, now := sent(changes{})
	expect("blocks exits gaps quarantine samples stream ", text)
	text, now = sent(now)
	expect("", text)
	b.show(pageLine{topic: schemas.EmergencyExits})
	text, now = sent(now)
	expect("exits ", text)
	b.sample(sample{})
	text, now = sent(now)
	expect("samples ", text)
	b.put(readable.Row{}) // a row of which nothing is shown
	text, now = sent(now)
	expect("", text)
	b.changed.rows++
	text, _ = sent(now)
	expect("blocks ", text)
}

// TestSumsStayFinite: pools whose sum is no number do not silence the page.
func TestSumsStayFinite(t *testing.T) {
	pools := []cdc.KnownPosition{{PoolUSD: "1.5"}, {PoolUSD: "x"}, {PoolUSD: "2"}}
	if sum := sumOf(pools); sum == nil || *sum != 3.5 {
		t.Errorf("the sum is %v", sum)
	}
	if sum := sumOf([]cdc.KnownPosition{{PoolUSD: "1.7e308"}, {PoolUSD: "1.7e308"}, {PoolUSD: "1e999"}}); sum != nil {
		t.Errorf("the sum is %v", *sum)
	}
}
