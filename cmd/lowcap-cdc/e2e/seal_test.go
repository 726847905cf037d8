package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"
)

// TestSealedTrail seals a sink while it grows, loses a part to retention, is copied, and is rewritten.
func TestSealedTrail(t *testing.T) {
	for _, kind := range []string{"kafka", "file"} {
		t.Run(kind, func(t *testing.T) {
			s := newSite(t)
			s.live()
			sink, committed := s.kafka()
			if kind == "file" {
				sink, committed = s.file("x")
			}
			s.drain("k", sink)
			dir := t.TempDir()
			key, log := filepath.Join(dir, "key"), filepath.Join(dir, "seals.txt")
			s.ok(sink, "audit", "keygen", "--out", key)
			s.ok(sink, "audit", "seal", "--key", key, "--log", log)
			s.liveOn()
			s.drain("k", sink)
			events := committed()
			with := []string{"verify", "--seals", log, "--pub", key + ".pub"}
			if out := s.ok(sink, "audit", with...); !strings.Contains(out, "nobody vouches for them yet") {
				t.Errorf("what is behind the seal: %s", out)
			}
			if out, code := s.verb(sink, "audit", append(with, "--require-complete")...); code != 1 || !strings.Contains(out, "after the last seal") {
				t.Errorf("an unsealed tail is complete: exit %d: %s", code, out)
			}
			if out := s.ok(sink, "audit", "seal", "--key", key, "--log", log); !strings.Contains(out, fmt.Sprintf("sealed %d:", len(events))) {
				t.Errorf("%s", out)
			}
			out := s.ok(sink, "audit", append(with, "--require-complete")...)
			_, rest, _ := strings.Cut(out, "last      ")
			last, _, _ := strings.Cut(rest, "\n")
			s.ok(sink, "audit", "verify", "--expect", last)
			if out, code := s.verb(sink, "audit", "verify", "--expect", "1"+last[strings.Index(last, ":"):]); code != 1 {
				t.Errorf("exit %d: %s", code, out)
			}
			copied := filepath.Join(dir, "copy")
			s.ok(sink, "replay", "--into", "file:"+copied)
			s.ok("file:"+copied, "audit", append(with, "--require-complete")...)
			rewrite(t, filepath.Join(copied, "events.jsonl"), gjson.Get(events[2], "id").String())
			if out, code := s.verb("file:"+copied, "replay", "--into", "file:"+filepath.Join(dir, "laundered")); code == 0 ||
				!strings.Contains(out, "stopped") && !strings.Contains(out, "events.jsonl") {
				t.Errorf("laundered through replay: exit %d: %s", code, out)
			}
		})
	}
}

// rewrite alters an event without a change of its length.
func rewrite(t *testing.T, path, id string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), `"id":"`+id+`"`)
	at += strings.Index(string(text[at:]), `"op":"`) + len(`"op":"`)
	text[at] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSealAgainstTheBroker drops events from the topics, as retention or someone with the right to delete does.
func TestSealAgainstTheBroker(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, _ := s.kafka()
	s.drain("k", sink)
	dir := t.TempDir()
	key, log := filepath.Join(dir, "key"), filepath.Join(dir, "seals.txt")
	s.ok(sink, "audit", "keygen", "--out", key)
	s.ok(sink, "audit", "seal", "--key", key, "--log", log)
	s.liveOn()
	s.drain("k", sink)
	admin, _ := s.kafkaClient()
	ends, err := admin.ListEndOffsets(t.Context(), s.name+".emergency-exits")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteRecords(t.Context(), ends.Offsets()); err != nil {
		t.Fatal(err)
	}
	with := []string{"verify", "--seals", log, "--pub", key + ".pub"}
	if out := s.ok(sink, "audit", with...); !strings.Contains(out, "gone      numbers") {
		t.Errorf("%s", out)
	}
	if out, code := s.verb(sink, "audit", append(with, "--require-complete")...); code != 1 || !strings.Contains(out, "incomplete") {
		t.Errorf("exit %d: %s", code, out)
	}
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	out, code := s.verb(sink, "audit", "seal", "--key", key, "--log", log, "--notify-to", receiver.URL, "--notify-as", "slack")
	if code != 1 || !strings.Contains(out, "refused to seal") || !strings.Contains(out, "missing") || told.Load() != 1 {
		t.Errorf("exit %d, told %d times: %s", code, told.Load(), out)
	}
}

// TestSealOfDamagedFiles: who edits a file sink by hand leaves damage behind, and not a trail that fits together. That ends the sealing
// too, and is told. A way that a seal cannot go ends nothing.
func TestSealOfDamagedFiles(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, events := s.file("x")
	s.drain("k", sink)
	dir := t.TempDir()
	key, log := filepath.Join(dir, "key"), filepath.Join(dir, "seals.txt")
	s.ok(sink, "audit", "keygen", "--out", key)
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	with := []string{"seal", "--key", key, "--log", log, "--notify-to", receiver.URL}
	for _, to := range []string{"file:" + dir + "/missing/copy", "git:" + dir + "/missing"} {
		if out, code := s.verb(sink, "audit", append(with, "--to", to)...); code != 1 || !strings.Contains(out, "goes there with the next run") || told.Load() > 0 {
			t.Errorf("exit %d: %s", code, out)
		}
	}
	// A copy that cannot be read may hold what the log has lost.
	if out, code := s.verb(sink, "audit", append(with, "--to", "file:"+dir)...); code != 3 || !strings.Contains(out, "is a directory") || told.Load() != 1 {
		t.Errorf("exit %d, told %d times: %s", code, told.Load(), out)
	}
	rewrite(t, strings.TrimPrefix(sink, "file:")+"/events.jsonl", gjson.Get(events()[0], "id").String())
	if out, code := s.verb(sink, "audit", append(with, "--every", "1s")...); code != 3 || told.Load() != 2 {
		t.Errorf("exit %d, told %d times: %s", code, told.Load(), out)
	}
}

// TestSealsLeaveTheHouse takes seals to a file, a git repository with an upstream, a webhook and standard output.
func TestSealsLeaveTheHouse(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, _ := s.file("x")
	s.drain("k", sink)
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	git("init", "--quiet", "--bare", in("remote"))
	git("clone", "--quiet", in("remote"), in("repository"))
	git("-C", in("repository"), "config", "user.email", "sealer@example.org")
	git("-C", in("repository"), "config", "user.name", "sealer")
	git("-C", in("repository"), "commit", "--quiet", "--allow-empty", "--message", "begin")
	git("-C", in("repository"), "push", "--quiet", "--set-upstream", "origin", "HEAD")
	var posted atomic.Value
	receiver := httptest.NewServer(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { posted.Store(r.Header.Get("Idempotency-Key")) }),
	)
	defer receiver.Close()
	s.ok(sink, "audit", "keygen", "--out", in("key"), "--name", "bot.example/trail")
	out := s.ok(
		sink,
		"audit",
		"seal",
		"--key",
		in("key"),
		"--log",
		in("seals.txt"),
		"--to",
		"file:"+in("copy.txt"),
		"--to",
		"git:"+in("repository"),
		"--to",
		receiver.URL+"/seals",
		"--to",
		"stdout:",
	)
	log, err := os.ReadFile(in("seals.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if out != string(log) || !strings.HasPrefix(out, "bot.example/trail\n") {
		t.Errorf("standard output has %q, the log %q", out, log)
	}
	for _, path := range []string{in("copy.txt"), in("repository/seals.txt")} {
		if text, err := os.ReadFile(path); err != nil || string(text) != string(log) {
			t.Errorf("%s has %q (%v)", path, text, err)
		}
	}
	short, _ := posted.Load().(string)
	if message := git("-C", in("remote"), "log", "-1", "--format=%s"); short == "" || message != "seal "+short+"\n" {
		t.Errorf("the remote has %q, the webhook got %q", message, short)
	}
	s.ok(sink, "audit", "verify", "--expect", short)
	receiver.Close()
	s.liveOn()
	s.drain("k", sink)
	if out, code := s.verb(sink, "audit", "seal", "--key", in("key"), "--log", in("seals.txt"), "--to", receiver.URL); code != 1 ||
		!strings.Contains(out, "goes there with the next run") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestMessagesAnchorTheTrail: what a phone was told is enough to find that the trail was rewritten: each event's message holds its
// short form, and a seal can be told too.
func TestMessagesAnchorTheTrail(t *testing.T) {
	s := newSite(t)
	s.seedPositions(3)
	sink, events := s.file("x")
	s.drain("k", sink)
	told := make(chan string, 100)
	phone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) //nolint:errcheck // a test
		told <- gjson.GetBytes(body, "text").String()
		fmt.Fprintln(w, `{"ok":true}`)
	}))
	defer phone.Close()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "1:t")
	write("notify.yaml", fmt.Sprintf("routes: [{name: phone, as: telegram, to: %q, chat: '1', token-file: %q, severity: page}]\n", phone.URL, in("token")))
	cmd := exec.CommandContext(t.Context(), shared.binary, "notify", "--sink", sink, "--state", in("state"), "--config", in("notify.yaml"))
	log := newWatched("watching from")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }() //nolint:errcheck // it is killed
	waitFor(t, log, "watching from")
	s.exit(1)
	s.exit(2)
	s.drain("k", sink)
	trail := regexp.MustCompile(`(?:trail|seal): <code>(\d+:[0-9a-f]{64})</code>`)
	short := func() string {
		t.Helper()
		found := trail.FindStringSubmatch(<-told)
		if found == nil {
			t.Fatal("a message without the short form")
		}
		return found[1]
	}
	first, second := short(), short()
	s.ok(sink, "audit", "verify", "--expect", first)
	s.ok(sink, "audit", "verify", "--expect", second)
	s.ok(sink, "audit", "keygen", "--out", in("key"))
	seal := []string{"seal", "--key", in("key"), "--log", in("seals.txt"), "--config", in("notify.yaml"), "--to", "notify:phone", "--notify-route", "phone"}
	s.ok(sink, "audit", seal...)
	s.ok(sink, "audit", "verify", "--expect", short())

	forged := s.swallowed(events(), 1)
	if out, code := s.verb(forged, "audit", "verify"); code != 0 {
		t.Errorf("the forgery is not whole: %s", out)
	}
	for _, anchor := range []string{first, second} {
		if out, code := s.verb(forged, "audit", "verify", "--expect", anchor); code != 1 {
			t.Errorf("a rewritten trail holds against %s: exit %d: %s", anchor, code, out)
		}
	}
	if out, code := s.verb(forged, "audit", seal...); code != 1 || !strings.Contains(out, "refused to seal") {
		t.Errorf("exit %d: %s", code, out)
	}
	if text := <-told; !strings.Contains(text, "The trail cannot be sealed") {
		t.Errorf("told of a refusal: %s", text)
	}
	if out, code := s.verb(sink, "audit", "seal", "--key", in("key"), "--log", in("seals.txt"), "--config", in("notify.yaml"), "--notify-route", "fax"); code != 2 ||
		!strings.Contains(out, `no route "fax"`) {
		t.Errorf("exit %d: %s", code, out)
	}
}
