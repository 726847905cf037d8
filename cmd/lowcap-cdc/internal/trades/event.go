package trades

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
)

// event is one that tells something of a trade.
type event struct {
	schemas.Attributes
	name string
	at   time.Time // of the commit
	data gjson.Result
	of   entity
}

// entity names the row that an event is about, as the change left it.
type entity struct {
	id, contract, chain, book string
	ticker, timeframe         schemas.Text
	trade                     string // empty when the position is flat
}

// key names what has one block, whichever row it is in.
func (e *entity) key() string {
	timeframe := ""
	if e.timeframe != nil {
		timeframe = *e.timeframe
	}
	return e.chain + "\x00" + e.contract + "\x00" + timeframe
}

// families are the events that are looked at: of positions, and of blocks.
var families = map[string]bool{"position": true, "trade": true, "execution": true, "emergency_exit": true, "trim_pool": true, "entry_block": true}

func readEvent(a *schemas.Attributes, value []byte) (*event, bool) {
	name := a.Type.Name()
	family, _, _ := strings.Cut(name, ".")
	if !families[family] {
		return nil, false
	}
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	if err != nil {
		return nil, false
	}
	data := gjson.GetBytes(value, "data")
	of := func(field string) gjson.Result { return data.Get("entity." + field) }
	return &event{Attributes: *a, name: name, at: at, data: data, of: entity{
		id:        copied(of("id")),
		contract:  copied(of("token_contract")),
		chain:     copied(of("token_chain")),
		book:      copied(of("book_id")),
		ticker:    textOf(of("token_ticker")),
		timeframe: textOf(of("timeframe")),
		trade:     copied(of("trade_id")),
	}}, true
}

// textOf returns a text, nil for null and for an empty one.
func textOf(v gjson.Result) schemas.Text {
	if v.Type != gjson.String || v.Str == "" {
		return nil
	}
	text := copied(v)
	return &text
}

// copied returns a text of its own: a part of an event would keep all of it in memory, as long as its trade is known.
func copied(v gjson.Result) string { return strings.Clone(v.String()) }

func (e *event) text(field string) string { return copied(e.data.Get(field)) }

// number returns a number with its digits, empty for what is none. A string holds what a JSON number cannot.
func (e *event) number(field string) schemas.Number { return numberOf(e.data.Get(field)) }

func numberOf(v gjson.Result) schemas.Number {
	if v.Type != gjson.Number {
		return ""
	}
	return schemas.Number(strings.Clone(v.Raw))
}

func (e *event) has(flag string) bool {
	for _, f := range e.data.Get("flags").Array() {
		if f.Str == flag {
			return true
		}
	}
	return false
}

// change returns the part of a sequence that all events of one change have, and transaction that of one transaction.
func (e *event) change() string { return e.Sequence[:min(len(e.Sequence), 25)] }

func transactionOf(a *schemas.Attributes) string { return a.Sequence[:min(len(a.Sequence), 17)] }
