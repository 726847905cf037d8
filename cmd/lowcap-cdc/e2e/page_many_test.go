package e2e

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// manyRows makes 200 blocks, 60 pools, 30 exits that are wanted, and then 500 that were made. One ticker runs from right to left,
// and amounts are as long as they come.
func (s *site) manyRows() {
	s.exec(
		`insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, blocked_s2, last_s1_failure_ts, last_s2_failure_ts)
		select 'Block' || i || repeat('x', 36), 'solana', (array['1m','15m','1h','4h'])[1 + i % 4], true, i % 3 = 0, now() - i * interval '1 hour',
			now() - i * interval '1 hour' from generate_series(1, 200) i`,
	)
	s.exec(`insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, book_id, status, state, total_quantity,
			current_trade_id, features)
		select md5(i::text)::uuid, 'solana', 'Token' || i || repeat('y', 36), case when i = 7 then 'شيبا إينو' else 'TICK' || i end, '1h', 'onchain_crypto',
			'active', 'S3', case when i <= 30 then 7960.123456789 else 0 end, md5('t' || i)::uuid, jsonb_build_object(
			'uptrend_engine_v4', jsonb_build_object('price', 0.0523, 'exit_reason', 'ema333_lost', 'exit_position', i <= 30),
			'pm_execution_history', jsonb_build_object('trim_pool', jsonb_build_object('usd_basis', 1234567.890123 + i, 'recovery_started', false, 'dx_count', 0)))
		from generate_series(1, 60) i`)
}

func (s *site) manyExits() {
	for n := range 10 {
		s.exec(
			`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history}', (features -> 'pm_execution_history') || jsonb_build_object(
			'last_trim', jsonb_build_object('timestamp', to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00'), 'price', 0.0389, 'size_frac', 1, 'signal', 'emergency_exit'),
			'trim_pool', jsonb_build_object('usd_basis', 1234567.890123 + $1, 'recovery_started', false, 'dx_count', 0)))
			where substring(token_contract from '[0-9]+')::int <= 54`,
			n,
		)
	}
}

// TestPageOfManyRows opens the page of somebody with hundreds of rows, on a desk and on a phone, light and dark: what is urgent is
// at its top, lists are short until they are asked for more, filters and orders find one row, and no amount is broken.
func TestPageOfManyRows(t *testing.T) {
	s := newSite(t)
	s.manyRows()
	sink, _ := s.file("x")
	s.drain("k", sink)
	s.manyExits()
	instance := s.serve(sink)
	instance.await("/readyz", 200, "streaming")
	b := openBrowser(t)
	do(b, chromedp.Steps(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate(instance.base)))
	b.sees("h-exits", "500")
	b.sees("h-blocks", "200")
	b.sees("h-pools", "60")
	b.sees("h-waiting", "30")
	b.sees("h-live", "100")
	b.sees("age", "data of 2", " UTC, ", "old")
	b.checkLists()
	b.checkLayout("a desk", 3200)
	b.picture("page-desk")
	call(b, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	do(b, chromedp.EmulateViewport(400, 860, chromedp.EmulateMobile))
	b.checkLayout("a phone", 7000)
	b.picture("page-phone")
	b.checkStale()
	b.checkSafe(instance.base)
	b.checkNames()
}

// checkLists looks at twenty rows, at all, at those of a filter, and at another order.
func (b *browser) checkLists() {
	b.t.Helper()
	rows := func(id string) int { return b.number(`document.getElementById("` + id + `").childElementCount`) }
	for _, id := range []string{"waiting", "blocks", "pools", "exits", "live"} {
		if n := rows(id); n != 20 {
			b.t.Errorf("#%s begins with %d rows", id, n)
		}
	}
	do(b, chromedp.Click(`#s-blocks > button`))
	if n := rows("blocks"); n != 200 {
		b.t.Errorf("all blocks are %d", n)
	}
	b.sees("s-blocks", "Show 20", "8 d")
	do(b, chromedp.Click(`#s-blocks > button`))
	do(b, chromedp.SendKeys(`#s-pools .tools input`, "Token59"))
	b.sees("pools", "TICK59")
	b.sees("h-pools", "1 of 60")
	do(
		b,
		chromedp.SendKeys(`#s-pools .tools input`, kb.Backspace+kb.Backspace+kb.Backspace+kb.Backspace+kb.Backspace+kb.Backspace+kb.Backspace),
	)
	b.sees("h-pools", "60")
	do(b, chromedp.Evaluate[bool](`(() => { const o = document.querySelector("#s-pools select"); o.value = "largest first";
		return o.dispatchEvent(new Event("change")) })()`))
	if first := do(b, chromedp.Evaluate[string](`document.getElementById("pools").firstChild.textContent`)); first[:6] != "TICK60" {
		b.t.Errorf("the largest pool is %s", first)
	}
	b.sees("poolsum", "74074904.41")
	b.sees("waiting", "exit wanted (ema333_lost)", "7960.123456789", "416.31")
	do(b, chromedp.SendKeys(`#s-waiting .tools input`, "شيبا"))
	b.sees("h-waiting", "1 of 30")
	b.sees("waiting", "شيبا إينو")
	do(b, chromedp.Evaluate[bool](`(() => { const f = document.querySelector("#s-waiting .tools input"); f.value = "";
		return f.dispatchEvent(new Event("input")) })()`))
}

// checkLayout looks at height and width, and for amounts and words that are broken.
func (b *browser) checkLayout(on string, highest int) {
	b.t.Helper()
	if over := b.number(`document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		b.t.Errorf("on %s the page is %d pixels too wide", on, over)
	}
	if high := b.number(`document.documentElement.scrollHeight`); high > highest {
		b.t.Errorf("on %s the page is %d pixels high", on, high)
	}
	if n := b.number(`[...document.querySelectorAll(".part:not(.long)")].filter((e) => e.getClientRects().length > 1).length`); n > 0 {
		b.t.Errorf("on %s %d amounts are broken", on, n)
	}
	if n := b.number(`[...document.querySelectorAll("td.amount")].filter((e) => e.clientHeight > 40 && e.parentElement.clientHeight < 40).length`); n > 0 {
		b.t.Errorf("on %s %d amounts of tables are broken", on, n)
	}
	if n := b.number(`document.querySelectorAll("bdi.token").length`); n < 80 {
		b.t.Errorf("on %s %d tickers are isolated", on, n)
	}
}

// checkStale has the server tell of a sink that does not answer: its card says why, and all that is shown is grey.
func (b *browser) checkStale() {
	b.t.Helper()
	do(b, chromedp.Evaluate[bool](`(() => { const was = show; show = (now) => was({ ...now, committed_seconds_ago: 125,
		sink_error: "commit: dial tcp 10.0.0.7:9092: connection refused" }); return true })()`))
	b.sees("sinkerror", "connection refused")
	b.sees("h-live", "100")
	b.sees("age", "min old")
	if n := b.number(`document.querySelectorAll("main.stale #age, main.stale").length`); n != 1 {
		b.t.Error("what is shown is old and not grey")
	}
}

// picture keeps a screenshot of what is seen first.
func (b *browser) picture(name string) {
	b.t.Helper()
	b.screenshot(name)
	if n := b.number(`document.querySelectorAll("figure path").length`); n < 6 {
		b.t.Errorf("%s: only %d lines are drawn: %s", name, n, fmt.Sprint(b.complains))
	}
}
