package page

import (
	"encoding/json"
	"fmt"
	"sync"
)

const (
	feedMessages = 256     // kept for those who read slowly
	feedBytes    = 4 << 20 // of the messages that show the whole state
)

// feed holds the newest server-sent events for all who listen. Who falls behind misses some.
type feed struct {
	mu       sync.Mutex
	first    int // number of the first message that is kept
	messages []*message
	bytes    int
	more     chan struct{} // closed when a message comes
}

// message is a server-sent event. It is marshalled once for all who listen, and not at all when no one does.
type message struct {
	once sync.Once
	line pageLine
	text []byte
}

func newFeed() *feed { return &feed{more: make(chan struct{})} }

// event returns the bytes of a server-sent event. What the page sends can be marshalled.
func event(kind string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, data)
}

func (m *message) bytes() []byte {
	m.once.Do(func() {
		if m.text == nil {
			m.text = event("line", m.line)
		}
	})
	return m.text
}

// lines adds a message for each line.
func (f *feed) lines(lines []pageLine) {
	messages := make([]*message, len(lines))
	for i := range lines {
		messages[i] = &message{line: lines[i]}
	}
	f.add(messages...)
}

// now adds the message that shows the whole state.
func (f *feed) now(n pageNow) { f.add(&message{text: event("now", n)}) }

func (f *feed) add(messages ...*message) {
	if len(messages) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages = append(f.messages, messages...)
	for _, m := range messages {
		f.bytes += len(m.text)
	}
	for len(f.messages) > feedMessages || (f.bytes > feedBytes && len(f.messages) > 1) {
		f.bytes -= min(f.bytes, len(f.messages[0].text))
		f.messages[0] = nil
		f.messages, f.first = f.messages[1:], f.first+1
	}
	close(f.more)
	f.more = make(chan struct{})
}

// next returns message number at, or the first later one that is kept, and the number behind it. Where there is none yet,
// more is closed when one comes.
func (f *feed) next(at int) (text []byte, after int, more <-chan struct{}) {
	f.mu.Lock()
	at = max(at, f.first)
	if at-f.first >= len(f.messages) {
		defer f.mu.Unlock()
		return nil, at, f.more
	}
	m := f.messages[at-f.first]
	f.mu.Unlock()
	return m.bytes(), at + 1, nil
}

// end returns the number that the next message will have.
func (f *feed) end() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first + len(f.messages)
}
