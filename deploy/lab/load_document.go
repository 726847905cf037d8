package lab

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

// desk is what a writer believes a position's history to be. It may be stale: that is what the real writer's is.
type desk struct {
	position int
	filler   string // the rest of the document, too large to be stored in line
	current  map[string]any
	stale    map[string]any // the copy that a slower job still holds
}

func newDesk(position int) desk {
	filler := make([]byte, 1500*(1+position%3))
	random := rand.NewChaCha8([32]byte{byte(position)})
	random.Read(filler) //nolint:errcheck // it never fails
	first := map[string]any{"prev_state": "S2"}
	return desk{position: position, filler: hex.EncodeToString(filler), current: first, stale: first}
}

// document returns the whole document as JSON, in which no quote stands.
func (d *desk) document(history map[string]any) string {
	document, err := json.Marshal(map[string]any{"filler": d.filler, "pm_execution_history": history,
		"uptrend_engine_v4": map[string]any{"state": "S3", "price": 0.5, "exit_reason": "load", "exit_position": d.position%4 == 0}})
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return string(document)
}

// features returns the whole document as an SQL literal.
func (d *desk) features(history map[string]any) string { return "'" + d.document(history) + "'" }

// Document draws the next document of a position for somebody who writes it otherwise than by SQL.
func (l *Load) Document(position int) string {
	l.step++
	d := &l.desks[position]
	switch l.random.IntN(6) {
	case 0:
		return d.document(d.current)
	case 1:
		d.current, d.stale = d.stale, d.current
		return d.document(d.current)
	case 2:
		d.stale = d.current
	}
	return d.document(l.history(position))
}

func (d *desk) write(history map[string]any) string {
	return fmt.Sprintf("update lowcap_positions set features = %s where timeframe = 'p%d'", d.features(history), d.position)
}

// documents draws writes of one position's document, each a transaction of its own.
func (l *Load) documents(position int) []string {
	d := &l.desks[position]
	switch l.random.IntN(10) {
	case 0, 1: // a tick that leaves the history alone
		return []string{d.write(d.current)}
	case 2, 3: // a sell that the same tick's stale copy takes back
		d.stale = d.current
		return []string{d.write(l.history(position)), d.write(d.stale)}
	case 4: // a stale copy is written, or a value brought back
		d.current, d.stale = d.stale, d.current
		return []string{d.write(d.current)}
	case 5: // the document as a string, as an upgrade of the source left some
		quoted := "to_jsonb((" + d.features(d.current) + "::jsonb)::text)"
		return []string{fmt.Sprintf("update lowcap_positions set features = %s where timeframe = 'p%d'", quoted, position)}
	}
	if l.random.IntN(4) == 0 {
		d.stale = d.current
	}
	return []string{d.write(l.history(position))}
}

// history makes the position's next history.
func (l *Load) history(position int) map[string]any {
	d := &l.desks[position]
	h := maps.Clone(d.current)
	at := l.timestamp()
	switch l.random.IntN(12) {
	case 0, 1, 2, 3:
		h["last_trim"] = map[string]any{"timestamp": at, "price": 0.5, "size_frac": 0.3, "sr_level_price": 0.4,
			"signal": pick(l.random, "trim_flag", "emergency_exit", "exit_position")}
		h["trim_pool"] = l.fedPool(h["trim_pool"])
	case 4, 5:
		slot := pick(l.random, "last_s1_buy", "last_s2_buy")
		h[slot] = map[string]any{"timestamp": at, "price": 0.25, "size_frac": 0.5, "signal": "buy_flag", "state": "S2"}
		if slot == "last_s2_buy" {
			h["trim_pool"] = pool(0, false, 0)
		}
	case 6, 7:
		h["last_s3_buy"] = map[string]any{"timestamp": at, "price": 0.75, "size_frac": 0.1,
			"signal": pick(l.random, "dx_flag", "reclaimed_ema333"), "state": "S3"}
		h["trim_pool"] = climbedPool(h["trim_pool"])
	case 8:
		h["last_emergency_exit"] = map[string]any{"timestamp": at, "exit_value_usd": l.step, "rebuy_used": l.random.IntN(2) == 0}
		h["last_emergency_exit_ts"] = at
	case 9:
		h["prev_state"] = fmt.Sprintf("S%d", l.random.IntN(5))
		h["lotus_buyback"] = map[string]any{"skipped": false, "profit_usd": l.step}
	case 10:
		h["note_of_an_operator"] = l.step
		delete(h, pick(l.random, "trim_pool", "last_s1_buy", "last_emergency_exit"))
	case 11: // damage that stays
		h["trim_pool"] = []any{[]any{}, map[string]any{"usd_basis": "60.0"}, map[string]any{"usd_basis": l.step}}[l.random.IntN(3)]
	}
	d.current = h
	if l.random.IntN(6) == 0 {
		return l.damaged(h) // and the next write of the document is whole again
	}
	return h
}

// timestamp is a second later with every step, in each of the forms that occur.
func (l *Load) timestamp() string {
	at := time.Date(2026, 1, 1, 0, 0, l.step, 0, time.UTC)
	return at.Format(pick(l.random, "2006-01-02T15:04:05+00:00", "2006-01-02T15:04:05.000001+00:00",
		"2006-01-02T15:04:05Z", "2006-01-02T15:04:05"))
}

func pool(basis float64, started bool, dx int) map[string]any {
	return map[string]any{"usd_basis": basis, "recovery_started": started, "dx_count": dx}
}

// fedPool is the pool after a sell: more of it, or a new one where a recovery had begun.
func (l *Load) fedPool(before any) map[string]any {
	basis := float64(l.step) + 0.5
	if b, ok := before.(map[string]any); ok && b["recovery_started"] == false {
		basis += b["usd_basis"].(float64)
	}
	return pool(basis, false, 0)
}

// climbedPool is the pool after a buy of the DX ladder: the third one empties it.
func climbedPool(before any) map[string]any {
	b, ok := before.(map[string]any)
	if !ok || b["dx_count"] == nil || b["usd_basis"] == 0.0 {
		return pool(0, false, 0)
	}
	n := b["dx_count"].(int) + 1
	if n > 2 {
		return pool(0, false, 0)
	}
	p := pool(b["usd_basis"].(float64), true, n)
	p["dx_last_price"], p["dx_next_arm"] = 0.75, 0.7
	return p
}
