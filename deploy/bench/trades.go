package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// trade is a position's history as the trading bot leaves it, step by step. Every ten steps it has bought, trimmed, seen
// the trim reverted by a stale write, trimmed twice, bought back, trimmed, left in an emergency, bought the dip, and
// moved on.
type trade struct {
	s1, s2, s3, trim int // ordinals of the last executions, 0 for none
	signal           string
	basis            int
	dx               int
	state            string
}

// stepEvents says how many events the contract gives for each of the ten steps.
var stepEvents = [10]int{1, 2, 2, 2, 2, 3, 2, 2, 2, 1}

// step moves the trade on to its n-th step.
func (t *trade) step(n int, before trade) {
	at := n + 1
	switch n % 10 {
	case 0:
		t.s1 = at
	case 1, 3, 4:
		t.trim, t.signal, t.basis = at, "trim_flag", t.basis+10+n
	case 2:
		*t = before
	case 5:
		t.s3, t.dx = at, 1
	case 6:
		t.trim, t.signal, t.basis, t.dx = at, "trim_flag", 40+n, 0
	case 7:
		t.trim, t.signal, t.basis = at, "emergency_exit", t.basis+100
	case 8:
		t.s2, t.basis = at, 0
	case 9:
		t.state = fmt.Sprintf("S%d", 1+n/10%3)
	}
}

// history prints the trade as pm_execution_history.
func (t *trade) history() string {
	var parts []string
	for _, e := range []struct {
		key, signal string
		at          int
	}{{"last_s1_buy", "s1_entry", t.s1}, {"last_s2_buy", "s2_dip", t.s2}, {"last_s3_buy", "s3_dx", t.s3}, {"last_trim", t.signal, t.trim}} {
		if e.at > 0 {
			parts = append(parts, fmt.Sprintf(`"%s":%s`, e.key, execution(e.at, e.signal)))
		}
	}
	parts = append(parts, t.pool())
	if t.state != "" {
		parts = append(parts, fmt.Sprintf(`"prev_state":"%s"`, t.state))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (t *trade) pool() string {
	if t.dx > 0 {
		return fmt.Sprintf(`"trim_pool":{"usd_basis":%d.25,"recovery_started":true,"dx_count":%d,"dx_last_price":0.0012,"dx_next_arm":0.0011}`,
			t.basis, t.dx)
	}
	basis := "0"
	if t.basis > 0 {
		basis = fmt.Sprintf("%d.25", t.basis)
	}
	return fmt.Sprintf(`"trim_pool":{"usd_basis":%s,"recovery_started":false,"dx_count":0,"dx_last_price":null,"dx_next_arm":null}`, basis)
}

// writeHot writes documents that are little more than the history, and every one of them moves it.
func writeHot(ctx context.Context, conn *pgx.Conn, rows int) (events int, err error) {
	trades, before := make([]trade, hotPositions), make([]trade, hotPositions)
	positions := min(hotPositions, max(1, rows/10))
	err = update(ctx, conn, rows, func(i int) (id, document string) {
		at, n := i%positions, i/positions
		t := &trades[at]
		if n%10 == 1 {
			before[at] = *t
		}
		t.step(n, before[at])
		events += stepEvents[n%10]
		return positionID(at), features(uint64(i), hotBytes, t.history())
	})
	return events, err
}
