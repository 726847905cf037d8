package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser is a headless Chromium that notes what it requests and what it complains about.
type browser struct {
	t         *testing.T
	ctx       context.Context
	mu        sync.Mutex
	requested []string
	complains []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(patience))
	allocator, stopAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	t.Cleanup(func() { cancel(); stop(); stopAllocator() })
	b := &browser{t: t, ctx: ctx}
	do(b, chromedp.Title()) // opens a tab
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	return b
}

func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requested = append(b.requested, e.Request.URL)
	case *log.EventEntryAdded:
		b.complains = append(b.complains, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complains = append(b.complains, e.ExceptionDetails.Text)
	}
}

// do runs an action and returns its outcome.
func do[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	outcome, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatalf("%v; if there is no browser, run: apt-get install chromium; console: %q", err, b.complains)
	}
	return outcome
}

// call sends a command of the protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	outcome, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return outcome
}

// sees waits until an element's text holds all of the parts.
func (b *browser) sees(id string, parts ...string) {
	b.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		text := do(b, chromedp.Evaluate[string](`document.getElementById("`+id+`").textContent`))
		missing := ""
		for _, part := range parts {
			if !strings.Contains(text, part) {
				missing = part
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("no %q in #%s: %s; console: %q", missing, id, text, b.complains)
		}
	}
}

func (b *browser) number(script string) int {
	b.t.Helper()
	return do(b, chromedp.Evaluate[int](script))
}

// screenshot keeps a picture where go test -artifacts puts it.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	picture := do(b, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// hostile is a ticker that takes over a page which puts it into markup.
const hostile = `<img src=x onerror="document.title='owned'"></script><script>document.title='owned'</script>`

// TestPage opens the page in a real browser: what happened before it, what happens while it is open, a search, a ticker
// that attacks, light and dark, a phone. Nothing is requested from anywhere else.
func TestPage(t *testing.T) {
	s := newSite(t)
	s.live()
	s.exec(`update lowcap_positions set token_ticker = $1 where token_contract = $2`, hostile, contract)
	sink, _ := s.file("x")
	s.drain("k", sink)
	s.liveOn()
	s.exec(
		`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,trim_pool}', '["<b>bad</b>"]') where token_contract = $1`,
		contract,
	)
	instance := s.serve(sink)
	instance.await("/readyz", 200, "streaming")
	b := openBrowser(t)
	do(b, chromedp.Steps(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate(instance.base)))
	b.sees("role", "leader")
	b.sees("exits", "emergency_exit.executed", hostile[:80], "proceeds_usd=150.5")
	b.sees("blocks", contract, "s2")
	b.sees("pools", hostile, "150.5")
	b.sees("quarantine", "history.malformed", `["<b>bad</b>"]`)
	b.sees("live", "entry_block.cleared", "anna: manual unblock")
	b.sees("source", "Postgres 1")
	if n := b.number(`document.getElementById("login").offsetHeight`); n != 0 {
		t.Errorf("an instance without a token asks for one, %d pixels high", n)
	}
	s.exec(`update lowcap_positions set status = 'paused' where token_ticker = 'OTHER'`)
	b.sees("live", "position.status_changed", "to=paused")
	do(b, chromedp.SendKeys("#q", contract+kb.Enter))
	b.sees("searched", "events, the oldest first")
	b.sees("timeline", "entry_block.set", "execution.reverted", "emergency_exit.executed", "by anna")
	b.screenshot("light")
	call(
		b,
		emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}},
	)
	b.screenshot("dark")
	do(b, chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	if over := b.number(`document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		t.Errorf("on a phone the page is %d pixels too wide", over)
	}
	b.screenshot("phone")
	b.checkSafe(instance.base)
	b.checkNames()
}

// checkSafe looks for what the hostile ticker wanted, and for requests to anybody else.
func (b *browser) checkSafe(base string) {
	b.t.Helper()
	title := do(b, chromedp.Title())
	if n := b.number(`document.querySelectorAll("img, script:not([src]), b b").length`); title != "lowcap-cdc" || n != 0 {
		b.t.Errorf("title %q, %d elements made of data", title, n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, url := range b.requested {
		if !strings.HasPrefix(url, base+"/") && !strings.HasPrefix(url, "data:") {
			b.t.Errorf("request to %s", url)
		}
	}
	if len(b.complains) > 0 || len(b.requested) < 4 {
		b.t.Errorf("%d requests, console: %q", len(b.requested), b.complains)
	}
}

// checkNames looks for controls without an accessible name.
func (b *browser) checkNames() {
	b.t.Helper()
	controls := 0
	for _, n := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if n.Role == nil || n.Ignored {
			continue
		}
		switch role := strings.Trim(string(n.Role.Value), `"`); role {
		case "button", "searchbox", "textbox", "checkbox", "link", "region", "img", "image":
			controls++
			if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
				b.t.Errorf("a %s has no name", role)
			}
		}
	}
	if controls < 6 {
		b.t.Errorf("only %d controls were found", controls)
	}
}

// TestPageAsksForToken opens the page of an instance with a token: it shows nothing before that, and everything after.
func TestPageAsksForToken(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, _ := s.file("x")
	instance := s.serve(sink, "--http-token", "sesame")
	if code, _ := instance.get("/api/stream", ""); code != 401 {
		t.Errorf("the stream without token: %d", code)
	}
	if code, _ := instance.get("/api/audit?token=OTHER", ""); code != 401 {
		t.Errorf("a search without token: %d", code)
	}
	b := openBrowser(t)
	do(b, chromedp.Navigate(instance.base))
	b.sees("role", "token needed")
	do(b, chromedp.SendKeys("#token", "sesam"+kb.Enter))
	b.sees("refused", "not the token of this instance")
	do(b, chromedp.SendKeys("#token", "sesame"+kb.Enter))
	b.sees("role", "leader")
	b.sees("lsn", "committed 0/")
}

// TestForeignNameIsRefused sends a request as a page does that has its own name lead to this machine.
func TestForeignNameIsRefused(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	instance := s.serve(sink)
	if code, body := instance.getAs("evil.example:80", "/metrics"); code != 421 {
		t.Errorf("%d: %s", code, body)
	}
	if code, _ := instance.getAs("localhost", "/metrics"); code != 200 {
		t.Errorf("localhost: %d", code)
	}
}
