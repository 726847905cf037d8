package page

import (
	"strings"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// life is the newest part of a token's events.
type life struct {
	kept []moment
	seen int
}

// moment is an event in a token's life: its line, and what it means for the picture.
type moment struct {
	readable.Line
	Mark *mark `json:"mark,omitempty"`
}

// mark is what an event draws into the picture of a token's life. Which fields count depends on the kind.
type mark struct {
	Kind  string   `json:"kind"`            // see simple, and markOf
	S1    bool     `json:"s1"`              // block: stages that are blocked from here on
	S2    bool     `json:"s2"`              //
	USD   *float64 `json:"usd"`             // pool: what it holds from here on; closed: what the trade brought, null when unknown
	Taken bool     `json:"taken,omitempty"` // pool: a stale write took it back
	Since string   `json:"since,omitempty"` // wanted, settled: since when the exit was wanted
	Note  string   `json:"note,omitempty"`
}

func newLife(size int) *life { return &life{kept: make([]moment, 0, size)} }

func (l *life) add(e *sink.Stored) {
	m := moment{readable.Describe(e), markOf(e)}
	if len(l.kept) < cap(l.kept) {
		l.kept = append(l.kept, m)
	} else {
		l.kept[l.seen%cap(l.kept)] = m
	}
	l.seen++
}

// moments returns what was kept, the oldest first.
func (l *life) moments() []moment {
	if l.seen <= cap(l.kept) {
		return l.kept
	}
	at := l.seen % cap(l.kept)
	return append(append([]moment{}, l.kept[at:]...), l.kept[:at]...)
}

// simple are the types of which nothing but the kind is drawn.
var simple = map[string]string{
	"execution.buy_recorded": "buy", "execution.trim_recorded": "trim", "emergency_exit.abandoned": "abandoned",
	"execution.unrecorded": "unrecorded", "entry_block.not_set": "not_set", "execution.reverted": "reverted",
	"emergency_exit.reverted": "reverted", "trade.opened": "opened",
}

// markOf returns what an event draws, nil for nothing.
func markOf(e *sink.Stored) *mark {
	name, data := e.Attributes().Type.Name(), gjson.GetBytes(e.Value, "data")
	m := &mark{Kind: simple[name]}
	switch {
	case m.Kind != "":
	case strings.HasPrefix(name, "entry_block."):
		if data.Get("entity.book_id").String() != "onchain_crypto" {
			return nil // the bot never looks at it
		}
		m.Kind = "block"
		m.S1, m.S2 = data.Get("after.blocked_s1").Bool(), data.Get("after.blocked_s2").Bool()
	case schemas.TopicOf(e.Attributes().Type) == schemas.TrimPools:
		m.Kind, m.USD, m.Taken = "pool", finite(data.Get("after.usd_basis").Num), strings.HasSuffix(name, ".reverted")
	case name == "position.baseline":
		m.Kind, m.USD = "pool", finite(data.Get("history.trim_pool.usd_basis").Num)
	case name == "position.deleted":
		m.Kind, m.USD = "pool", finite(0)
	case name == "emergency_exit.executed", name == "emergency_exit.triggered", name == "emergency_exit.restored":
		m.Kind = "exit"
	case name == "emergency_exit.pending":
		m.Kind, m.Since = "wanted", readable.Printable(data.Get("wanted_since").String())
	case name == "emergency_exit.settled":
		m.Kind, m.Since = "settled", readable.Printable(data.Get("wanted_since").String())
		m.Note = readable.Shorten(readable.Printable(data.Get("outcome").String()))
	case name == "trade.closed":
		m.Kind = "closed"
		if pnl := data.Get("pnl_usd"); pnl.Type == gjson.Number {
			m.USD = finite(pnl.Num)
		}
	default:
		return nil
	}
	return m
}
