package simulate

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// senderTimeout is wal_sender_timeout.
const senderTimeout = 30 * time.Second

// createSlot makes a slot. Its consistent point is where the WAL ends, behind the record that the snapshot goes by.
func (s *session) createSlot(p *portal) ([][]any, string, error) {
	v := s.server
	v.mu.Lock()
	defer v.mu.Unlock()
	name := strings.Trim(strings.Fields(p.text)[1], `"`)
	if v.slots[name] != nil {
		return nil, "", &refusal{"42710", fmt.Sprintf("replication slot %q already exists", name)}
	}
	v.inserted += 56
	v.flush()
	made := &slot{name: name, point: v.inserted, confirmed: v.inserted, saved: v.inserted, temporary: strings.Contains(p.text, "TEMPORARY")}
	if made.temporary {
		made.session = s
	}
	v.slots[name] = made
	s.exports = fmt.Sprintf("%08X-1", s.pid)
	v.exported[s.exports] = &exported{rows: [2]map[string]row{maps.Clone(v.rows[0]), maps.Clone(v.rows[1])}, at: v.inserted}
	return [][]any{{name, v.inserted.String(), s.exports, "pgoutput"}}, "CREATE_REPLICATION_SLOT", nil
}

func (s *session) dropSlot(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	slot := s.server.slots[p.args[0]]
	switch {
	case slot == nil || slot.confirmed.String() != p.args[1]:
		return nil, "SELECT 0", nil
	case slot.session != nil:
		return nil, "", &refusal{"55006", fmt.Sprintf("replication slot %q is active for PID %d", p.args[0], slot.session.pid)}
	}
	delete(s.server.slots, p.args[0])
	return [][]any{{""}}, "SELECT 1", nil
}

// sender is a session that streams.
type sender struct {
	*session
	slot   *slot
	from   lsn // transactions whose commit record starts before are not sent
	sent   lsn // how far the WAL was read
	next   int // transaction in server.wal
	encode encoder
	heard  time.Time // the client's last word
	asked  bool      // for an answer, and waits for it
	said   lsn       // what the client has flushed
}

// acquire takes the slot for this session.
func (s *session) acquire(text string) (*sender, *refusal) {
	fields := strings.Fields(text) // START_REPLICATION SLOT "name" LOGICAL 0/0 (…
	name := strings.Trim(fields[2], `"`)
	high, low, _ := strings.Cut(fields[4], "/")
	h, _ := strconv.ParseUint(high, 16, 32) //nolint:errcheck // the sidecar's own format
	l, _ := strconv.ParseUint(low, 16, 32)  //nolint:errcheck // as above
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	slot := s.server.slots[name]
	switch {
	case slot == nil:
		return nil, &refusal{"42704", fmt.Sprintf("replication slot %q does not exist", name)}
	case slot.session != nil:
		return nil, &refusal{"55006", fmt.Sprintf("replication slot %q is active for PID %d", name, slot.session.pid)}
	case slot.lost:
		return nil, &refusal{"55000", fmt.Sprintf("can no longer get changes from replication slot %q", name)}
	}
	slot.session = s
	return &sender{session: s, slot: slot, from: max(lsn(h<<32|l), slot.confirmed), sent: slot.confirmed, heard: time.Now(),
		encode: encoder{described: make(map[uint32]bool)}}, nil
}

// replicate streams until the connection ends.
func (s *session) replicate(text string) error {
	sender, refused := s.acquire(text)
	if refused != nil {
		s.refuse(refused.code, refused.text)
		s.ready()
		return s.backend.Flush()
	}
	s.backend.Send(&pgproto3.CopyBothResponse{})
	if err := s.backend.Flush(); err != nil {
		return err
	}
	s.inbox = make(chan pgproto3.FrontendMessage)
	go s.receive()
	return sender.stream()
}

// receive hands on what the client sends, until it leaves.
func (s *session) receive() {
	defer close(s.inbox)
	for {
		message, err := s.backend.Receive()
		if err != nil {
			return
		}
		if data, ok := message.(*pgproto3.CopyData); ok {
			message = &pgproto3.CopyData{Data: append([]byte(nil), data.Data...)}
		}
		select {
		case s.inbox <- message:
		case <-s.closed:
			return
		}
	}
}

// stream sends what is flushed, and listens. Half the timeout without a word from the client makes it ask for one.
func (s *sender) stream() error {
	for {
		changed := s.send()
		wait := time.Until(s.heard.Add(senderTimeout))
		if !s.asked {
			wait = time.Until(s.heard.Add(senderTimeout / 2))
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case message, open := <-s.inbox:
			if err := s.hear(message, open); err != nil {
				return err
			}
		case <-changed:
		case <-s.closed:
			return errLeft
		case <-timer.C:
			if s.asked {
				return errLeft // terminating walsender process due to replication timeout
			}
			s.asked = true
			s.keepalive(true)
		}
		timer.Stop()
	}
}

// send sends every flushed transaction, then says how far it has come unless the client knows.
func (s *sender) send() (changed chan struct{}) {
	s.server.mu.Lock()
	var ready []*transaction
	for ; s.next < len(s.server.wal); s.next++ {
		t := s.server.wal[s.next]
		if t.end > s.server.flushed {
			break
		}
		if t.commit >= s.from {
			ready = append(ready, t)
		}
	}
	news := s.sent < s.server.flushed
	s.sent = max(s.sent, s.server.flushed)
	changed = s.server.changed
	s.server.mu.Unlock()
	for _, t := range ready {
		for _, m := range s.encode.messages(t) {
			data := binary.BigEndian.AppendUint64([]byte{'w'}, uint64(t.commit))
			data = binary.BigEndian.AppendUint64(data, uint64(t.commit))
			data = binary.BigEndian.AppendUint64(data, microsSince2000(s.server.now()))
			s.backend.Send(&pgproto3.CopyData{Data: append(data, m...)})
		}
		s.backend.Flush() //nolint:errcheck // the client's end shows in what it sends
	}
	if news && s.said < s.sent && !s.asked {
		s.keepalive(false)
	}
	return changed
}

func (s *sender) keepalive(ask bool) {
	data := binary.BigEndian.AppendUint64([]byte{'k'}, uint64(s.sent))
	data = binary.BigEndian.AppendUint64(data, microsSince2000(s.server.now()))
	wanted := byte(0)
	if ask {
		wanted = 1
	}
	s.backend.Send(&pgproto3.CopyData{Data: append(data, wanted)})
	s.backend.Flush() //nolint:errcheck // the client's end shows in what it sends
}

// hear takes a message of the client: a status update moves the slot.
func (s *sender) hear(message pgproto3.FrontendMessage, open bool) error {
	data, ok := message.(*pgproto3.CopyData)
	if !open || !ok || len(data.Data) < 34 || data.Data[0] != 'r' {
		return errLeft
	}
	s.heard, s.asked = time.Now(), false
	flushed := lsn(binary.BigEndian.Uint64(data.Data[9:]))
	s.said = max(s.said, flushed)
	s.server.mu.Lock()
	if flushed > s.slot.confirmed {
		s.slot.confirmed = flushed
	}
	if flushed > s.server.flushed {
		s.server.failure = fmt.Sprintf("the sidecar has confirmed %s, the server's WAL ends at %s", flushed, s.server.flushed)
	}
	s.server.mu.Unlock()
	if data.Data[33] == 1 {
		s.keepalive(false)
	}
	return nil
}
