package simulate

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// trace is what happened, in order: its hash tells whether two runs were the same, its lines are for a person. They are put into
// words when somebody asks for them.
type trace struct {
	begun     time.Time
	mu        sync.Mutex
	hash      uint64
	delivered int
	lines     []entry   // of faults, steps of the plan and what the instances log
	recent    []entry   // the last messages
	all       io.Writer // gets every line; nil for nobody
}

// entry is one thing that happened: a message that was delivered, a line of an instance's log, or a text.
type entry struct {
	at       time.Duration
	message  *parcel
	instance string
	text     string
}

const recentMessages = 40

func newTrace(all io.Writer) *trace { return &trace{begun: time.Now(), all: all} }

func (e entry) String() string {
	at := fmt.Sprintf("%9.4fs  ", e.at.Seconds())
	switch {
	case e.message != nil:
		return at + e.message.String()
	case e.instance != "":
		return at + e.instance + " says " + shortLog([]byte(e.text))
	}
	return at + e.text
}

// mix has the hash go on with an entry; of a message with its name, its size and its kind.
func (t *trace) mix(e entry) {
	t.mixIn(uint64(e.at))
	if p := e.message; p != nil {
		t.mixIn(uint64(p.hash))
		t.mixIn(uint64(len(p.data))<<16 | uint64(p.kind()))
	} else {
		t.mixIn(uint64(digestOf(e.text)))
	}
	if t.all != nil {
		fmt.Fprintln(t.all, e)
	}
}

func (t *trace) mixIn(number uint64) {
	t.hash = (t.hash ^ number) * 0x9e3779b97f4a7c15
	t.hash ^= t.hash >> 32
}

// deliver takes down that a message arrives.
func (t *trace) deliver(p *parcel) {
	t.delivered++
	if _, ours := isOurs(p.line.link.client); !ours {
		return // the reader at the end
	}
	e := entry{at: time.Since(t.begun), message: p}
	t.mix(e)
	if len(t.recent) == recentMessages {
		t.recent = append(t.recent[:0], t.recent[1:]...)
	}
	t.recent = append(t.recent, e)
}

// note takes down what befalls a message.
func (t *trace) note(p *parcel, format string, args ...any) {
	t.say("%s: %s", p, fmt.Sprintf(format, args...))
}

// say takes down a step of the plan.
func (t *trace) say(format string, args ...any) {
	e := entry{at: time.Since(t.begun), text: fmt.Sprintf(format, args...)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mix(e)
	t.lines = append(t.lines, e)
}

// log takes down what an instance logs. That is no part of the hash: its order is that of goroutines.
func (t *trace) log(instance, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !strings.Contains(line, "topic created") {
		t.lines = append(t.lines, entry{at: time.Since(t.begun), instance: instance, text: line})
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

// kind is the key of a request to Kafka, or the letter that a message of Postgres begins with.
func (p *parcel) kind() uint16 {
	switch {
	case !p.line.link.isKafka && len(p.data) > 0:
		return uint16(p.data[0])
	case p.line.way == up && len(p.data) >= 6:
		return binary.BigEndian.Uint16(p.data[4:])
	}
	return 0
}

// String says where a message goes, and in a few words what it is.
func (p *parcel) String() string {
	return fmt.Sprintf("%s %v  %s", p.line.link.name, p.line.way, p.describe())
}

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
		return kmsg.NameForKey(int16(binary.BigEndian.Uint16(p.data[4:])))
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
