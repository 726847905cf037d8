package cdc

import (
	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// wish says whether the engine wants out of a position, by its flags.
type wish uint8

const (
	exitPosition wish = 1 << iota
	emergencyExit
)

// flag names the engine's flag.
func (w wish) flag() string {
	if w&exitPosition != 0 {
		return "exit_position"
	}
	return "emergency_exit"
}

const longestFlag = len("emergency_exit")

// wishOf reads the flags out of uptrend_engine_v4. It allocates nothing: every row pays for it. jsonb prints members
// sorted by the length of their names; those of a document that was double-encoded come in any order.
func wishOf(engine jsonb.Text, sorted bool) (w wish) {
	if !engine.IsObject() {
		return 0
	}
	for m := decode.MembersOf(engine); m.Next(); {
		name, value := jsonb.Text(m.Name).Name(longestFlag), jsonb.Text(m.Value())
		if sorted && (name == nil || len(name) > longestFlag) {
			return w
		}
		var flag wish
		switch string(name) {
		case "exit_position":
			flag = exitPosition
		case "emergency_exit":
			flag = emergencyExit
		default:
			continue
		}
		if w &^= flag; value.IsTrue() {
			w |= flag
		}
	}
	return w
}

const (
	maxPriceDigits = 100  // bytes of a price that an image keeps
	maxReason      = 1024 // bytes of a reason
)

// readEngine returns what the engine thinks a token is worth, as a JSON number, and why it wants out; nil where it does
// not say.
func readEngine(engine jsonb.Text) (price, reason []byte) {
	if !engine.IsObject() {
		return nil, nil
	}
	if p := jsonb.Lookup(engine, "price"); p.IsNumber() && len(p) <= maxPriceDigits {
		price = p
	}
	if r := jsonb.Lookup(engine, "exit_reason"); r.IsString() {
		for reason = range r.Pieces {
			break
		}
		reason = reason[:min(len(reason), maxReason)]
	}
	return price, reason
}
