package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
)

// teller tells stories of the source to a server whose clock it moves.
type teller struct {
	*site
	setClock func(time.Duration) error
	offset   time.Duration
}

func newTeller(t *testing.T, begins time.Duration) *teller {
	s, setClock := newSiteWithClock(t)
	told := &teller{s, setClock, begins}
	told.later(0)
	return told
}

func (s *teller) later(d time.Duration) {
	s.t.Helper()
	s.offset += d
	if err := s.setClock(s.offset); err != nil {
		s.t.Fatal(err)
	}
}

func (s *teller) tell(story lab.Story) {
	s.t.Helper()
	for _, step := range story {
		if step.Later > 0 {
			s.later(step.Later)
		}
		s.exec(step.SQL)
	}
}

// severe returns what the stream told that is not info, as "TOKEN type".
func severe(t *testing.T, events []string) (list []string) {
	t.Helper()
	for _, line := range events {
		var e struct {
			Type     schemas.Type
			Severity schemas.Severity
			Data     struct {
				Entity struct {
					TokenTicker   *string `json:"token_ticker"`
					TokenContract string  `json:"token_contract"`
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Severity == schemas.Info {
			continue
		}
		token := e.Data.Entity.TokenContract[:min(4, len(e.Data.Entity.TokenContract))]
		if e.Data.Entity.TokenTicker != nil {
			token = *e.Data.Entity.TokenTicker
		}
		list = append(list, fmt.Sprint(token, " ", e.Type.Name(), " ", e.Severity))
	}
	return list
}

// TestStoriesOfWhatDidNotHappen: an exit that fails at three ticks until its trade is closed with 7,960 tokens left, and an exit whose
// record is lost, each told once in Kafka and in a file, and shown by status and on the page.
func TestStoriesOfWhatDidNotHappen(t *testing.T) {
	s := newTeller(t, -3*time.Hour)
	file, inFile := s.file("x")
	kafka, inKafka := s.kafka()
	s.drain("f", file)
	s.drain("k", kafka)
	runs := []*exec.Cmd{s.startRun("k", kafka)}
	instance := s.serveAs("f", file)
	instance.await("/readyz", 200, "streaming")
	failed := lab.FailedExit()
	ended := len(failed) - 2 // the engine reaches S0, and the trade is closed
	s.tell(failed[:ended])
	s.later(time.Minute) // nine minutes of an exit that is wanted
	s.saysWhatWaits("f", file, "FADE 1h, 7960 tokens, exit wanted since ", ", worth 310.44 USD")
	s.later(time.Minute + 5*time.Second) // nothing is written; the sidecar's ticks tell the time
	both := []func() []string{inFile, inKafka}
	for _, events := range both {
		waitForEvents(t, events, 0, "emergency_exit.pending")
	}
	b := openBrowser(t)
	do(b, chromedp.Steps(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate(instance.base)))
	b.sees("waiting", "FADE", "exit wanted (price_below_ema333), told 1×", "7960", "310.44")
	b.sees("exits", "emergency_exit.pending", "held_quantity=7960")
	s.tell(failed[ended:])
	for _, events := range both {
		waitForEvents(t, events, 0, "emergency_exit.abandoned")
	}
	s.later(130 * time.Second)
	for _, events := range both {
		waitForEvents(t, events, 0, "entry_block.not_set")
	}
	s.tell(lab.LostRecord())
	s.saysWhatWaits("f", file, "GHOST 1h, sell of 5000 without a record since ", "FADE 1h, lost 377.6 USD and is not blocked in s2 since ")
	s.later(125 * time.Second)
	want := []string{"FADE emergency_exit.pending page", "FADE emergency_exit.abandoned page", "FADE entry_block.not_set warn",
		"GHOST execution.unrecorded page"}
	for _, events := range both {
		waitForEvents(t, events, 0, "execution.unrecorded")
		if got := severe(t, streamed(t, events())); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	b.sees("exits", "emergency_exit.abandoned", "quantity=7960", "emergency_exit.settled", "outcome=closed")
	b.sees("waiting", "FADE", "lost 377.60 USD, not blocked in s2")
	b.sees("live", "trade.closed", "pnl_usd=-377.6", "decision_type=emergency_exit", "remaining_quantity=7960")
	b.seesLife()
	s.saysTrades("f", file)
	instance.cmd.Process.Kill() //nolint:errcheck // it runs
	instance.cmd.Wait()         //nolint:errcheck // it was killed
	runs[0].Process.Kill()      //nolint:errcheck // it runs
	runs[0].Wait()              //nolint:errcheck // it was killed
	s.drain("f", file)
	s.drain("k", kafka)
	sameEvents(t, streamed(t, inKafka()), streamed(t, inFile()))
}

// saysTrades runs trades: one trade was abandoned, and of the other the exit is known by the books alone.
func (s *teller) saysTrades(slot, sink string) {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), shared.binary, "trades", "--json", "--sink", sink, "--slot", s.name+slot).Output()
	if err != nil {
		s.t.Fatalf("trades: %v: %s", err, out)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var trade struct {
			Token, Exit string
			EntrySlot   string      `json:"entry_slot"`
			TokensLeft  json.Number `json:"tokens_left"`
			PnLUSD      json.Number `json:"pnl_usd"`
			Block       *string
		}
		if err := json.Unmarshal([]byte(line), &trade); err != nil {
			s.t.Fatal(err)
		}
		block := "null"
		if trade.Block != nil {
			block = *trade.Block
		}
		got = append(got, fmt.Sprint(trade.Token, " ", trade.EntrySlot, " ", trade.Exit, " ", trade.TokensLeft, " ", trade.PnLUSD, " ", block))
	}
	if len(got) != 2 || got[0] != "FADE s2 abandoned 7960 -377.6 not_set" || !strings.HasPrefix(got[1], "GHOST s3 emptied ") {
		s.t.Errorf("trades says %q", got)
	}
}

// seesLife looks at the picture of a token's life: what was bought and sold, the pool and its revert, the exit that was wanted, and
// its end.
func (b *browser) seesLife() {
	b.t.Helper()
	do(b, chromedp.SendKeys("#q", lab.FailedExitToken+kb.Enter))
	b.sees("searched", "events, the oldest first")
	for shape, least := range map[string]int{".buy": 1, ".trim": 1, ".wanted": 1, ".abandoned": 1, ".taken": 2, "path.pool": 1, ".unset": 1, ".edge": 2} {
		if n := b.number(`document.querySelectorAll("#lanes ` + shape + `").length`); n < least {
			b.t.Errorf("the picture has %d of %s", n, shape)
		}
	}
	if over := b.number(`document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		b.t.Errorf("with the picture the page is %d pixels too wide", over)
	}
	do(b, chromedp.Evaluate[bool](`(() => { scrollTo(0, 0); document.activeElement.blur(); return true })()`))
	b.screenshot("page-life")
}

// saysWhatWaits runs status until it says all of the parts, and reads its JSON.
func (s *teller) saysWhatWaits(slot, sink string, parts ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	status := func(args ...string) string {
		args = append([]string{"status", "--postgres", s.dsn(), "--sink", sink, "--slot", s.name + slot}, args...)
		out, err := exec.CommandContext(ctx, shared.binary, args...).CombinedOutput()
		if err != nil {
			s.t.Fatalf("status: %v: %s", err, out)
		}
		return string(out)
	}
	for {
		out := status()
		missing := slices.IndexFunc(parts, func(part string) bool { return !strings.Contains(out, part) })
		if missing < 0 {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("status does not say %q:\n%s", parts[missing], out)
		}
	}
	var st struct {
		Waiting []struct {
			Severity, Since string
			Position        struct {
				Ticker string `json:"token_ticker"`
			}
		}
	}
	if err := json.Unmarshal([]byte(status("--json")), &st); err != nil {
		s.t.Fatal(err)
	}
	if len(st.Waiting) == 0 || st.Waiting[0].Since == "" || !strings.HasPrefix(parts[0], st.Waiting[0].Position.Ticker) {
		s.t.Errorf("--json says %+v", st.Waiting)
	}
}
