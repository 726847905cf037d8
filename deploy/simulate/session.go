package simulate

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// session is a connection to the simulated server, and the goroutine that serves it.
type session struct {
	server  *server
	conn    net.Conn
	backend *pgproto3.Backend
	pid     int32
	types   *pgtype.Map
	who     string // application_name
	status  byte   // of the transaction: I, T or E
	sees    *exported
	pending []change // of the open transaction
	holds   [2]bool  // tables that the open transaction has read
	exports string   // the snapshot that goes with the next command
	portal  *portal
	parsed  map[string]*statement
	texts   map[string]string
	reads   time.Time // since when, from a slot
	inbox   chan pgproto3.FrontendMessage
	closed  chan struct{}
}

// portal is a statement that was bound.
type portal struct {
	statement *statement
	text      string
	args      []string
	formats   []int16
}

func newSession(s *server, conn net.Conn, pid int32) *session {
	return &session{server: s, conn: conn, backend: pgproto3.NewBackend(conn, conn), pid: pid, types: pgtype.NewMap(), status: 'I',
		parsed: make(map[string]*statement), texts: make(map[string]string), closed: make(chan struct{})}
}

// end ends the session from the server's side; the server's lock is held.
func (s *session) end() {
	if _, open := s.server.sessions[s]; open {
		delete(s.server.sessions, s)
		s.pending = nil
		close(s.closed)
	}
}

// serve answers until the connection ends. What was temporary goes with it.
func (s *session) serve() {
	defer s.leave()
	if !s.greet() {
		return
	}
	for {
		message, err := s.backend.Receive()
		if err != nil {
			return
		}
		if err := s.answer(message); err != nil {
			return
		}
	}
}

func (s *session) leave() {
	s.conn.Close() //nolint:errcheck // it has ended
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.end()
	s.forgetExport()
	for name, slot := range s.server.slots {
		if slot.session != s {
			continue
		}
		slot.session = nil
		if slot.temporary {
			delete(s.server.slots, name)
		}
	}
}

// forgetExport takes back the snapshot that a slot's creation has exported; the server's lock is held.
func (s *session) forgetExport() {
	delete(s.server.exported, s.exports)
	s.exports = ""
}

// greet reads the startup message and lets anybody in.
func (s *session) greet() bool {
	message, err := s.backend.ReceiveStartupMessage()
	startup, ok := message.(*pgproto3.StartupMessage)
	if err != nil || !ok {
		return false // a cancel request
	}
	s.who = startup.Parameters["application_name"]
	if name := startup.Parameters["database"]; name != s.server.database {
		s.backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "3D000",
			Message: fmt.Sprintf("database %q does not exist", name)})
		s.backend.Flush() //nolint:errcheck // the client is sent away
		return false
	}
	s.backend.Send(&pgproto3.AuthenticationOk{})
	for _, p := range [][2]string{{"server_version", fmt.Sprintf("%d.1", s.server.major)}, {"server_encoding", "UTF8"},
		{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}, {"integer_datetimes", "on"}, {"TimeZone", "UTC"}} {
		s.backend.Send(&pgproto3.ParameterStatus{Name: p[0], Value: p[1]})
	}
	s.backend.Send(&pgproto3.BackendKeyData{ProcessID: uint32(s.pid), SecretKey: []byte{0, 0, 0, 1}})
	s.ready()
	return s.backend.Flush() == nil
}

func (s *session) ready() { s.backend.Send(&pgproto3.ReadyForQuery{TxStatus: s.status}) }

var errLeft = errors.New("the client has left")

func (s *session) answer(message pgproto3.FrontendMessage) error {
	switch m := message.(type) {
	case *pgproto3.Query:
		return s.query(m.String)
	case *pgproto3.Parse:
		return s.parse(m.Name, m.Query)
	case *pgproto3.Describe:
		s.describe(m)
	case *pgproto3.Bind:
		s.bind(m)
	case *pgproto3.Execute:
		s.execute()
	case *pgproto3.Close:
		s.backend.Send(&pgproto3.CloseComplete{})
	case *pgproto3.Sync:
		s.ready()
		return s.backend.Flush()
	case *pgproto3.Terminate:
		return errLeft
	default:
		s.server.fail("message %T", m)
		return errLeft
	}
	return nil
}

// query answers the simple protocol.
func (s *session) query(text string) error {
	s.server.mu.Lock()
	s.forgetExport()
	s.server.mu.Unlock()
	if strings.HasPrefix(text, "START_REPLICATION") {
		return s.replicate(text)
	}
	p := &portal{text: text, statement: s.find(text)}
	if p.statement == nil {
		s.refuse("XX000", "the simulation does not know this statement")
	} else {
		if p.statement.columns != nil {
			s.backend.Send(p.statement.describe(text, nil))
		}
		s.run(p)
	}
	s.ready()
	return s.backend.Flush()
}

// prepared are the statements of the texts that were prepared. There are as many as the sidecar has.
var prepared sync.Map

func (s *session) find(text string) *statement {
	for _, known := range statements {
		if strings.Contains(text, known.contains) {
			return known
		}
	}
	s.server.fail("unknown statement: %s", text)
	return nil
}

func (s *session) parse(name, text string) error {
	found, _ := prepared.Load(text)
	if found == nil {
		known := s.find(text)
		if known == nil {
			return errLeft
		}
		prepared.Store(text, known)
		found = known
	}
	s.parsed[name], s.texts[name] = found.(*statement), text
	s.backend.Send(&pgproto3.ParseComplete{})
	return nil
}

func (s *session) describe(m *pgproto3.Describe) {
	if m.ObjectType == 'P' {
		s.sendColumns(s.portal.statement, s.portal.text, s.portal.formats)
		return
	}
	s.backend.Send(&pgproto3.ParameterDescription{ParameterOIDs: s.parsed[m.Name].params})
	s.sendColumns(s.parsed[m.Name], s.texts[m.Name], nil)
}

func (s *session) sendColumns(of *statement, text string, formats []int16) {
	if of.columns == nil {
		s.backend.Send(&pgproto3.NoData{})
		return
	}
	s.backend.Send(of.describe(text, formats))
}

func (s *session) bind(m *pgproto3.Bind) {
	s.portal = &portal{statement: s.parsed[m.PreparedStatement], text: s.texts[m.PreparedStatement]}
	s.portal.formats = append(s.portal.formats, m.ResultFormatCodes...)
	for i, p := range m.Parameters {
		text := string(p)
		if format(m.ParameterFormatCodes, i) == pgtype.BinaryFormatCode {
			text = s.server.readBinary(s.portal.statement.params[i], p)
		}
		s.portal.args = append(s.portal.args, text)
	}
	s.backend.Send(&pgproto3.BindComplete{})
}

// format returns the format of a value: one code stands for all.
func format(codes []int16, i int) int16 {
	switch {
	case len(codes) == 0:
		return pgtype.TextFormatCode
	case len(codes) == 1:
		return codes[0]
	}
	return codes[i]
}

// readBinary reads a parameter that is not sent as text: an OID, or one that no answer depends on.
func (s *server) readBinary(oid uint32, value []byte) string {
	if oid == pgtype.OIDOID && len(value) == 4 {
		return fmt.Sprint(uint32(value[0])<<24 | uint32(value[1])<<16 | uint32(value[2])<<8 | uint32(value[3]))
	}
	return ""
}

func (s *session) execute() { s.run(s.portal) }

// run gives a statement's answer: its rows, and what it did.
func (s *session) run(p *portal) {
	if s.status == 'E' && !p.statement.ends {
		s.refuse("25P02", "current transaction is aborted, commands ignored until end of transaction block")
		return
	}
	rows, tag, err := p.statement.run(s, p)
	var refused *refusal
	if errors.As(err, &refused) {
		s.refuse(refused.code, refused.text)
		return
	}
	columns := p.statement.columnsFor(p.text)
	for _, values := range rows {
		row := &pgproto3.DataRow{}
		for i, v := range values {
			encoded, err := s.types.Encode(columns[i].oid, format(p.formats, i), v, []byte{})
			if err != nil {
				s.server.fail("encode %v for %q: %v", v, p.text, err)
			}
			row.Values = append(row.Values, encoded)
		}
		s.backend.Send(row)
	}
	s.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// refusal is an error that the server answers with.
type refusal struct{ code, text string }

func (r *refusal) Error() string { return r.text }

func (s *session) refuse(code, text string) {
	if s.status == 'T' {
		s.status = 'E'
	}
	s.backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: text})
}
