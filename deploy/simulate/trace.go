package simulate

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// trace is what happened, in order: its hash tells whether two runs were the same, its lines are for a person.
type trace struct {
	begun     time.Time
	mu        sync.Mutex
	hash      uint64
	delivered int
	lines     []string  // of faults, steps of the plan and what the instances log
	recent    []string  // the last messages
	all       io.Writer // gets every line; nil for nobody
}

const recentMessages = 40

func newTrace(all io.Writer) *trace { return &trace{begun: time.Now(), all: all} }

func (t *trace) stamp() string { return fmt.Sprintf("%9.4fs", time.Since(t.begun).Seconds()) }

func (t *trace) mix(line string) {
	if t.all != nil {
		fmt.Fprintln(t.all, line)
	}
	h := fnv.New64a()
	binary.Write(h, binary.BigEndian, t.hash) //nolint:errcheck // it never fails
	io.WriteString(h, line)                   //nolint:errcheck // as above
	t.hash = h.Sum64()
}

// deliver takes down that a message arrives.
func (t *trace) deliver(p *parcel) {
	t.delivered++
	line := fmt.Sprintf("%s  %s %v  %s", t.stamp(), p.line.link.name, p.line.way, p.describe())
	if _, ours := isOurs(p.line.link.client); !ours {
		return // the reader at the end
	}
	t.mix(line)
	if len(t.recent) == recentMessages {
		t.recent = append(t.recent[:0], t.recent[1:]...)
	}
	t.recent = append(t.recent, line)
}

// note takes down what befalls a message.
func (t *trace) note(p *parcel, format string, args ...any) {
	t.say("%s %v  %s: %s", p.line.link.name, p.line.way, p.describe(), fmt.Sprintf(format, args...))
}

// say takes down a step of the plan.
func (t *trace) say(format string, args ...any) {
	line := t.stamp() + "  " + fmt.Sprintf(format, args...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mix(line)
	t.lines = append(t.lines, line)
}

// log takes down what an instance logs. That is no part of the hash: its order is that of goroutines.
func (t *trace) log(name, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if short := shortLog([]byte(line)); short != "info: topic created" {
		t.lines = append(t.lines, t.stamp()+"  "+name+" says "+short)
	}
}

// shortLog is of a line of the sidecar's log what a person reads first.
func shortLog(line []byte) string {
	var l struct {
		Level, Message, LSN, Error, Reason, Why string
		Event                                   struct{ Type string }
	}
	if json.Unmarshal(line, &l) != nil {
		return strings.TrimSpace(string(line))
	}
	short := l.Level + ": " + l.Message
	if l.LSN != "" {
		short += " at " + l.LSN
	}
	if about := cmp.Or(l.Error, l.Reason, l.Why, l.Event.Type); about != "" {
		short += ": " + about
	}
	return short
}

// describe says in a few words what a parcel is.
func (p *parcel) describe() string {
	switch {
	case p.do != nil:
		return "connect"
	case p.data == nil:
		return "end of stream"
	case p.line.link.isKafka:
		return p.line.link.describeKafka(p)
	}
	return describePostgres(p)
}

func (l *link) describeKafka(p *parcel) string {
	if len(p.data) < 12 {
		return "message"
	}
	if p.line.way == up {
		key, correlation := int16(binary.BigEndian.Uint16(p.data[4:])), int32(binary.BigEndian.Uint32(p.data[8:]))
		l.asked[correlation] = asked{key, int16(binary.BigEndian.Uint16(p.data[6:]))}
		return kmsg.NameForKey(key)
	}
	return kmsg.NameForKey(l.asked[int32(binary.BigEndian.Uint32(p.data[4:]))].key) + " answered"
}

func describePostgres(p *parcel) string {
	d := p.data
	switch {
	case p.line.way == up && p.n == 1:
		return "startup"
	case p.line.way == up && (d[0] == 'Q' || d[0] == 'P') && len(d) > 6:
		text, _, _ := strings.Cut(strings.Trim(string(d[5:]), "\x00"), "\x00")
		if d[0] == 'P' {
			if _, after, found := strings.Cut(string(d[5:]), "\x00"); found {
				text, _, _ = strings.Cut(after, "\x00")
			}
		}
		return fmt.Sprintf("%c %.60q", d[0], strings.Join(strings.Fields(text), " "))
	case d[0] == 'd' && len(d) > 14 && d[5] == 'r':
		return "status " + lsn(binary.BigEndian.Uint64(d[14:])).String()
	case d[0] == 'd' && len(d) > 14 && d[5] == 'k':
		return "keepalive " + lsn(binary.BigEndian.Uint64(d[6:])).String()
	}
	return kindsOf(d)
}

// kindsOf names the messages in a write by their letters, those of pgoutput by the ones that they carry.
func kindsOf(d []byte) string {
	var b strings.Builder
	for len(d) >= 5 {
		size := 1 + int(binary.BigEndian.Uint32(d[1:]))
		if size > len(d) || size < 5 {
			break
		}
		kind := d[0]
		if kind == 'd' && size > 30 && d[5] == 'w' {
			b.WriteByte('w')
			kind = d[30]
		}
		b.WriteByte(kind)
		d = d[size:]
	}
	return b.String()
}
