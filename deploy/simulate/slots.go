package simulate

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
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
	v.exported[s.exports] = &exported{v.clone(), v.inserted}
	return [][]any{{name, v.inserted.String(), s.exports, "pgoutput"}}, "CREATE_REPLICATION_SLOT", nil
}

func (s *session) dropSlot(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	slot := s.server.slots[p.args[0]]
	switch {
	case slot != nil && slot.session != nil && strings.Contains(p.text, "and not active"):
		return nil, "SELECT 0", nil
	case slot == nil || strings.Contains(p.text, "confirmed_flush_lsn") && slot.confirmed.String() != p.args[1]:
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
	from   lsn           // transactions whose commit record starts before are not sent
	sent   lsn           // how far the WAL was read; that begins before what was confirmed
	next   int           // transaction in server.wal
	slow   time.Duration // what reading a record may take
	random *rand.Rand
	encode encoder
	heard  time.Time // the client's last word
	asked  bool      // for an answer, and waits for it
	said   lsn       // what the client has flushed
	told   lsn       // how far the client knows that the WAL was read
}

// acquire takes the slot for this session.
func (s *session) acquire(text string) (*sender, *refusal) {
	fields := strings.Fields(text) // START_REPLICATION SLOT "name" LOGICAL 0/0 (…
	name := strings.Trim(fields[2], `"`)
	high, low, _ := strings.Cut(fields[4], "/")
	h, _ := strconv.ParseUint(high, 16, 32) //nolint:errcheck // the sidecar's own format
	l, _ := strconv.ParseUint(low, 16, 32)  //nolint:errcheck // as above
	v := s.server
	v.mu.Lock()
	defer v.mu.Unlock()
	slot := v.slots[name]
	switch {
	case slot == nil:
		return nil, &refusal{"42704", fmt.Sprintf("replication slot %q does not exist", name)}
	case slot.session != nil:
		return nil, &refusal{"55006", fmt.Sprintf("replication slot %q is active for PID %d", name, slot.session.pid)}
	case slot.lost:
		return nil, &refusal{"55000", fmt.Sprintf("can no longer get changes from replication slot %q", name)}
	}
	slot.session, s.reads = s, time.Now()
	random := v.net.draw(fmt.Sprint("sender ", s.pid))
	next := slices.IndexFunc(v.wal, func(t *transaction) bool { return t.end > slot.saved })
	if next < 0 {
		next = len(v.wal)
	}
	slow := []time.Duration{0, 0, 300 * time.Microsecond, 3 * time.Millisecond}[random.IntN(4)]
	return &sender{session: s, slot: slot, from: max(lsn(h<<32|l), slot.confirmed), sent: slot.confirmed, told: slot.confirmed, next: next,
		slow: slow, random: random, heard: time.Now(), encode: encoder{v.major, make(map[uint32]bool)}}, nil
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

// stream sends what is flushed, and listens.
func (s *sender) stream() error {
	for {
		changed, err := s.send()
		if err != nil {
			return err
		}
		if err := s.listen(changed, -1); err != nil {
			return err
		}
	}
}

// listen hears the client until there is more to send, or for a time that is not negative. Half the timeout without a word
// makes it ask for one.
func (s *sender) listen(changed chan struct{}, most time.Duration) error {
	for end := time.Now().Add(most); ; {
		wait := time.Until(s.heard.Add(senderTimeout))
		if !s.asked {
			wait = time.Until(s.heard.Add(senderTimeout / 2))
		}
		if most >= 0 {
			wait = min(wait, time.Until(end))
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case message, open := <-s.inbox:
			timer.Stop()
			if err := s.hear(message, open); err != nil {
				return err
			}
		case <-changed:
			timer.Stop()
			return nil
		case <-s.closed:
			timer.Stop()
			return errLeft
		case <-timer.C:
			if most >= 0 && !time.Now().Before(end) {
				return nil
			}
			if s.asked {
				return errLeft // terminating walsender process due to replication timeout
			}
			s.asked = true
			s.keepalive(true)
		}
	}
}

// read takes the time that a record takes to be read, and hears the client meanwhile, as a server does whose disk is slow. Some
// say unasked how far they have come, as one does whose wal_sender_timeout is short.
func (s *sender) read() error {
	if s.slow == 0 {
		return nil
	}
	if s.random.IntN(8) == 0 {
		s.keepalive(false)
	}
	return s.listen(nil, time.Duration(s.random.Int64N(int64(s.slow))))
}

// send sends every flushed transaction, one after the other, then says how far it has come unless the client knows. Until a
// transaction is sent the server says that it has come to its commit record.
func (s *sender) send() (changed chan struct{}, err error) {
	for {
		s.server.mu.Lock()
		changed = s.server.changed
		if s.next >= len(s.server.wal) || s.server.wal[s.next].end > s.server.flushed {
			s.sent = max(s.sent, s.server.flushed)
			s.server.mu.Unlock()
			if s.told < s.sent && s.said < s.sent && !s.asked {
				s.keepalive(false)
			}
			return changed, nil
		}
		t := s.server.wal[s.next]
		s.next++
		s.server.mu.Unlock()
		s.sent = t.commit
		if err := s.read(); err != nil {
			return nil, err
		}
		if t.commit >= s.from {
			if err := s.sendTransaction(t); err != nil {
				return nil, err
			}
		}
		s.sent = t.end
	}
}

// sendTransaction sends a transaction whole, or in pieces where the server is slow.
func (s *sender) sendTransaction(t *transaction) error {
	messages, refused := s.encode.messages(t)
	for _, m := range messages {
		data := binary.BigEndian.AppendUint64([]byte{'w'}, uint64(t.commit))
		data = binary.BigEndian.AppendUint64(data, uint64(t.commit))
		data = binary.BigEndian.AppendUint64(data, microsSince2000(s.server.now()))
		s.backend.Send(&pgproto3.CopyData{Data: append(data, m...)})
		if s.slow > 0 && s.random.IntN(4) == 0 {
			s.backend.Flush() //nolint:errcheck // the client's end shows in what it sends
			if err := s.read(); err != nil {
				return err
			}
		}
	}
	if refused {
		s.refuse("42704", "publication \"lowcap_cdc\" does not exist")
	}
	s.backend.Flush() //nolint:errcheck // the client's end shows in what it sends
	if refused {
		return errLeft
	}
	return nil
}

func (s *sender) keepalive(ask bool) {
	s.told = s.sent
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
