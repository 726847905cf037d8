package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/sink/file"
	"lowcap-cdc/sink/sinktest"
)

const pictureOfReport = "../../../docs/report.png"

// week fills a file sink with the recorded events, seals it, and returns the flags of a report of the week that ends with them.
func week(t *testing.T) (sink string, flags []string) {
	t.Helper()
	events, err := sinktest.Recorded(recordedEvents)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	to, err := file.New(filepath.Join(dir, "events"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Fill(t.Context(), to, events, 10); err != nil {
		t.Fatal(err)
	}
	newest, err := time.Parse(time.RFC3339Nano, gjson.GetBytes(events[len(events)-1].Value, "time").String())
	if err != nil {
		t.Fatal(err)
	}
	end := newest.Truncate(24 * time.Hour).Add(24 * time.Hour)
	sink = "file:" + filepath.Join(dir, "events")
	key, log := filepath.Join(dir, "key"), filepath.Join(dir, "seals.txt")
	tell(t, sink, "audit", "keygen", "--out", key)
	tell(t, sink, "audit", "seal", "--key", key, "--log", log)
	return sink, []string{"--since", end.Add(-7 * 24 * time.Hour).Format(time.DateOnly), "--to", end.Format(time.DateOnly),
		"--seals", log, "--pub", key + ".pub"}
}

// read runs a verb that needs no database.
func read(t *testing.T, sink string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.binary, append([]string{"--sink", sink}, args...)...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// tell is read of what must succeed.
func tell(t *testing.T, sink string, args ...string) string {
	t.Helper()
	out, code := read(t, sink, args...)
	if code != 0 {
		t.Fatalf("%q: exit %d: %s", args, code, out)
	}
	return out
}

// TestReportInABrowser opens the report of the recorded events as a file, without a network: on a desk and on a phone, light and dark.
// With -update it keeps the picture of the documentation.
func TestReportInABrowser(t *testing.T) {
	sink, flags := week(t)
	path := filepath.Join(t.TempDir(), "report.html")
	out := tell(t, sink, append([]string{"report", "--out", path}, flags...)...)
	if !strings.HasPrefix(out, path+": ") || !strings.Contains(out, "! Exits not made in time") || !strings.Contains(out, "Trail                     holds") {
		t.Errorf("it says %s", out)
	}
	b := openBrowser(t)
	do(b, chromedp.Steps(chromedp.EmulateViewport(1280, 1000), chromedp.Navigate("file://"+path)))
	b.sees("failed", "FAILS", "abandoned", "7960", "310.44")
	b.sees("exits", "EXIT", "120.5", "284.65")
	b.sees("trades", "-398.0", "-453.0")
	b.sees("blocks", "BlockedBefore", "326d 18h", "POPCAT", "FAILS")
	b.sees("pools", "lost to stale writes", "44.910")
	b.sees("quarantine", "last_hedge", "not an object")
	b.sees("stream", "stream.gap", "table.missing")
	b.sees("trail", "The whole sink was verified, and holds", "1 of 1 are over what is there and hold")
	b.checkReport("a desk", 1280)
	if *golden.Update {
		picture := do(b, chromedp.FullScreenshot(100))
		if err := os.WriteFile(pictureOfReport, picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call(b, emulation.SetEmulatedMedia,
		emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	b.screenshot("report-dark")
	do(b, chromedp.EmulateViewport(400, 860, chromedp.EmulateMobile))
	b.checkReport("a phone", 400)
	b.screenshot("report-phone")
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	if back := do(b, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`)); back != "rgb(255, 255, 255)" {
		t.Errorf("on paper the background is %s", back)
	}
	for _, url := range b.requested {
		if url != "file://"+path {
			t.Errorf("it requests %s", url)
		}
	}
	if len(b.complains) > 0 {
		t.Errorf("console: %q", b.complains)
	}
	b.checkNames()
}

// checkReport looks at the width, for amounts that are broken, and for a style that the policy of the page has not let through.
func (b *browser) checkReport(on string, width int) {
	b.t.Helper()
	if over := b.number(`document.documentElement.scrollWidth - window.innerWidth`); over > 0 || b.number(`window.innerWidth`) != width {
		b.t.Errorf("on %s the report is %d pixels too wide", on, over)
	}
	if n := b.number(`[...document.querySelectorAll("td.amount, time")].filter((e) => getComputedStyle(e).whiteSpace !== "nowrap").length`); n > 0 {
		b.t.Errorf("on %s %d amounts may break", on, n)
	}
	if n := b.number(`document.querySelectorAll("svg rect").length`); n < 12 {
		b.t.Errorf("on %s only %d bars are drawn", on, n)
	}
	if n := b.number(`document.querySelectorAll("script, img, link, iframe").length`); n > 0 {
		b.t.Errorf("on %s %d elements load something", on, n)
	}
}

// TestReportOfAWeek: a report is of the time that it is asked for, says in its exit code when the sink does not hold, and never
// leaves half of a file.
func TestReportOfAWeek(t *testing.T) {
	sink, flags := week(t)
	all := tell(t, sink, append([]string{"report", "--json"}, flags...)...)
	if gjson.Get(all, "exits.count").Int() != 4 || !gjson.Get(all, "trail.ok").Bool() || gjson.Get(all, "trail.verify.sealed.seals_held").Int() != 1 {
		t.Errorf("%s", all)
	}
	if later := tell(t, sink, "report", "--json", "--since", gjson.Get(all, "to").String()); gjson.Get(later, "events.count").Int() != 0 ||
		gjson.Get(later, "pools.held_at_end_usd").Raw != gjson.Get(all, "pools.held_at_end_usd").Raw || gjson.Get(later, "exits_failed.pending").Int() != 1 {
		t.Errorf("of the time since: %s", later)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"backwards":        {[]string{"--since", "1d", "--to", "2d"}, "does not lie before"},
		"no time":          {[]string{"--since", "monday"}, "neither an age"},
		"seals alone":      {[]string{"--seals", "x"}, "belong together"},
		"nowhere to write": {[]string{"--out", filepath.Join(t.TempDir(), "no", "dir.html")}, "write --out"},
	} {
		if out, code := read(t, sink, append([]string{"report"}, c.args...)...); code == 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
	if out, code := read(t, "file:"+t.TempDir(), "report", "--json"); code != 1 || !strings.Contains(out, "has anything been written there yet") {
		t.Errorf("of nothing: exit %d: %s", code, out)
	}
	reportOfDamage(t, sink, flags)
}

// reportOfDamage breaks an event of the sink: the report is written, says so, and ends as audit verify does.
func reportOfDamage(t *testing.T, sink string, flags []string) {
	t.Helper()
	path := filepath.Join(strings.TrimPrefix(sink, "file:"), "events.jsonl")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(content), `"proceeds_usd":120.5`, `"proceeds_usd":920.5`, 1)
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "report.html")
	out, code := read(t, sink, append([]string{"report", "--out", to}, flags...)...)
	page, err := os.ReadFile(to)
	if code != 3 || err != nil || !strings.Contains(string(page), "The sink does not hold what was committed") || !strings.Contains(out, "! Trail") {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	if left, err := filepath.Glob(to + "*"); err != nil || len(left) != 1 {
		t.Errorf("it left %q, %v", left, err)
	}
}
