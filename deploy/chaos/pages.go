package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

// Beside the sidecar notify tells a program and a person of each emergency exit, through the same proxies, and is killed too. Both
// answer as they like. At the end each exit of the committed stream must have arrived, in the order of its token, and a person must
// have been told which message may be a repeat.

// pages is notify with its two receivers.
type pages struct {
	notify      *instance
	hook, phone *lab.Moody
}

// moods makes about one answer in twenty a bad one: the load has more exits than a receiver that waits for each could be told.
const moods = 200

func startPages(w *world) (p *pages, err error) {
	p = &pages{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.hook, err = lab.StartMoody(w.options.seed, moods, func(body string) (string, bool) { return gjson.Get(body, "number").String(), true }); err != nil {
		return nil, err
	}
	if p.phone, err = lab.StartMoody(w.options.seed+1, moods, trailOf); err != nil {
		return nil, err
	}
	config, token := filepath.Join(w.dir, "notify.yaml"), filepath.Join(w.dir, "token")
	routes := fmt.Sprintf("routes:\n"+
		"  - {name: hook, as: webhook, to: %q, severity: page, types: [emergency_exit.*]}\n"+
		"  - {name: phone, as: telegram, to: %q, chat: '-1', token-file: %q, severity: page, types: [emergency_exit.*]}\n",
		p.hook.URL, p.phone.URL, token)
	if err := errors.Join(os.WriteFile(config, []byte(routes), 0o600), os.WriteFile(token, []byte("1:secret\n"), 0o600)); err != nil {
		return nil, err
	}
	p.notify, err = startInstance(w.dir, "notify", func() *exec.Cmd {
		return exec.Command(w.options.binary, "notify", "--sink", w.sink, "--slot", "disturbed", "--topic-prefix", prefix, "--config", config,
			"--from", "1000w")
	})
	return p, err
}

var trail = regexp.MustCompile(`trail: (?:<code>)?(\d+):`)

// trailOf returns the number of the event that a message to a person tells of. Without markup a message is too short for it, and
// is refused.
func trailOf(body string) (number string, can bool) {
	if found := trail.FindStringSubmatch(gjson.Get(body, "text").String()); found != nil {
		return found[1], true
	}
	return "", gjson.Get(body, "parse_mode").Exists() // notify's own word of the stream and of its routes
}

func (p *pages) close() {
	if p.notify != nil {
		p.notify.stop()
	}
	for _, m := range []*lab.Moody{p.hook, p.phone} {
		if m != nil {
			m.Close() //nolint:errcheck // nothing is asked of it any more
		}
	}
}

// longestQuiet is how long a kill of notify waits for something to be told, which may be nothing: a group waits for a dead member.
const longestQuiet = 20 * time.Second

// killNotify kills notify when a receiver has just accepted something, which it may then be told again, or has just not, which it
// must be told again.
func killNotify(ctx context.Context, w *world, random *rand.Rand) error {
	afterBad := random.IntN(2) == 0
	count := func() (n int) {
		for _, m := range []*lab.Moody{w.pages.hook, w.pages.phone} {
			accepted, refused := m.Answers()
			if n += refused; !afterBad {
				n += accepted
			}
		}
		return n
	}
	for begun, before := time.Now(), count(); count() == before && time.Since(begun) < longestQuiet; {
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return w.pages.notify.signal(syscall.SIGKILL)
}

// page is an exit of the committed stream that somebody is to be woken for.
type page struct {
	partition int32
	at        int // among the exits of its partition
}

// exits are the pages by the number of their event.
type exits map[string]page

// add takes an event in if it is a page.
func (e exits) add(r *kgo.Record, in map[int32]int) {
	if r.Topic == prefix+"emergency-exits" && header(r, "ce_severity") == "page" {
		e[header(r, "ce_number")] = page{r.Partition, in[r.Partition]}
		in[r.Partition]++
	}
}

// told is what a receiver has accepted, beside what it should have.
type told struct {
	whom     string
	isPerson bool
	Pages    int
	Missed   int
	Strange  int // of no exit
	Disorder int // behind a later one of its partition
	Repeats  int
	Unmarked int // repeats that do not say so
}

// verify lets notify finish, with receivers that accept everything, as long as another exit arrives now and then.
func (p *pages) verify(ctx context.Context, all exits) (both []told, err error) {
	p.hook.CalmDown()
	p.phone.CalmDown()
	last, moved := 0, time.Now()
	for err == nil {
		both = []told{judgePages(p.hook, all), judgePages(p.phone, all)}
		both[0].whom, both[1].whom, both[1].isPerson = "a program", "a person", true
		missed := both[0].Missed + both[1].Missed
		if missed == 0 || time.Since(moved) > patience {
			break // what is missed is counted
		}
		if missed != last {
			last, moved = missed, time.Now()
		}
		err = pause(ctx, 200*time.Millisecond)
	}
	p.notify.stop()
	if worst := p.notify.exits[2] + p.notify.exits[3]; err == nil && worst > 0 {
		err = fmt.Errorf("notify asked for an operator %d times", worst)
	}
	return both, err
}

// judgePages counts what a receiver was told.
func judgePages(m *lab.Moody, all exits) (t told) {
	seen, next := make(map[string]bool), make(map[int32]int)
	t.Pages = len(all)
	for _, a := range m.Accepted() {
		of, isPage := all[a.Name]
		switch {
		case a.Name == "": // notify's own word
		case !isPage:
			t.Strange++
		case seen[a.Name]:
			t.Repeats++
			if !a.Marked {
				t.Unmarked++
			}
		default:
			if of.at < next[of.partition] {
				t.Disorder++
			}
			seen[a.Name], next[of.partition] = true, of.at+1
		}
	}
	t.Missed = len(all) - len(seen)
	return t
}

// clean reports that everything was told in order, and to a person what may be a repeat. A program knows a repeat by its id.
func (t *told) clean() bool {
	return t.Missed+t.Strange+t.Disorder == 0 && t.Pages > 0 && (t.Unmarked == 0 || !t.isPerson)
}
