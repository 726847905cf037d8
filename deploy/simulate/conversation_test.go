package simulate

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"lowcap-cdc/deploy/lab"
)

// party is a server that a conversation is held with: the real one or the simulated one.
type party interface {
	dsn() string
	dial() pgconn.DialFunc // nil for TCP
	commit(changes ...change)
	tables() [2]*table
}

// talk is a conversation, and its transcript: places by name, no times, no numbers that a server chooses.
type talk struct {
	party
	ctx    context.Context
	conn   *pgconn.PgConn
	places map[uint64]string
	oids   map[uint32]string
	seen   [2]map[string]string // of the catalog, by table
	commit int                  // transactions that were seen
	lines  []string
	ended  bool // by an error, the stream
	err    error
}

func (k *talk) say(format string, args ...any) {
	k.lines = append(k.lines, fmt.Sprintf(format, args...))
}

func (k *talk) must(err error) {
	if err != nil && k.err == nil {
		k.err = fmt.Errorf("%w, behind %.100q", err, k.lines[max(0, len(k.lines)-3):])
	}
}

// place returns the name of a place in the WAL.
func (k *talk) place(at uint64) string {
	if name := k.places[at]; name != "" {
		return name
	}
	return "?"
}

func (k *talk) connect(replication bool) *pgconn.PgConn {
	config, err := pgconn.ParseConfig(k.dsn())
	k.must(err)
	if replication {
		config.RuntimeParams["replication"] = "database"
	}
	if k.dial() != nil {
		config.DialFunc = k.dial()
		config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	conn, err := pgconn.ConnectConfig(k.ctx, config)
	k.must(err)
	return conn
}

// start begins to stream, and says what the server answers.
func (k *talk) start(from uint64) {
	if k.err != nil {
		return
	}
	k.conn, k.ended = k.connect(true), false
	k.say("START_REPLICATION from %s", k.place(from))
	err := pglogrepl.StartReplication(k.ctx, k.conn, "slot", pglogrepl.LSN(from), pglogrepl.StartReplicationOptions{
		PluginArgs: []string{"proto_version '1'", "publication_names 'lowcap_cdc'", "messages 'true'"}})
	if k.said(err) {
		k.conn.Close(k.ctx) //nolint:errcheck // the answer was an error
	}
}

// said writes an error down by its code.
func (k *talk) said(err error) bool {
	if err != nil {
		code := err.Error()
		if i := strings.Index(code, "SQLSTATE"); i >= 0 {
			code = code[i : i+14]
		}
		k.say("error %s", code)
	}
	return err != nil
}

// read writes down what comes, up to a number of commits. Keepalives come when they like.
func (k *talk) read(commits int) {
	for commits > 0 && k.err == nil && !k.ended {
		data := k.receive()
		if k.err == nil && !k.ended && data[0] == 'w' {
			if k.take(data[25:]); data[25] == 'C' {
				commits--
			}
		}
	}
}

func (k *talk) receive() []byte {
	for k.err == nil && !k.ended {
		ctx, cancel := context.WithTimeout(k.ctx, 20*time.Second)
		message, err := k.conn.ReceiveMessage(ctx)
		cancel()
		switch m := message.(type) {
		case *pgproto3.CopyData:
			return slices.Clone(m.Data)
		case *pgproto3.ErrorResponse:
			k.say("error SQLSTATE %s", m.Code)
			k.ended = true
		default:
			k.must(err)
		}
	}
	return nil
}

// take writes down a message of pgoutput.
func (k *talk) take(m []byte) {
	switch m[0] {
	case 'B':
		at := binary.BigEndian.Uint64(m[1:])
		if k.places[at] == "" {
			k.commit++
			k.places[at] = fmt.Sprintf("commit %d", k.commit)
		}
		k.say("B %s", k.place(at))
	case 'C':
		commit, end := binary.BigEndian.Uint64(m[2:]), binary.BigEndian.Uint64(m[10:])
		if k.places[end] == "" {
			k.places[end] = strings.Replace(k.place(commit), "commit", "end", 1)
		}
		k.say("C %s %s, flags %d", k.place(commit), k.place(end), m[1])
	case 'M':
		k.say("M flags %d, %q", m[1], m[10:])
	default:
		oid := binary.BigEndian.Uint32(m[1:])
		if m[0] == 'T' {
			k.say("T of %d with options %d: %s", oid, m[5], k.oids[binary.BigEndian.Uint32(m[6:])])
			return
		}
		if m[0] == 'R' {
			name, _, _ := strings.Cut(string(m[5+len("public\x00"):]), "\x00")
			k.name(oid, name)
		}
		k.say("%c %s %s", m[0], k.oids[oid], hex.EncodeToString(m[5:]))
	}
}

// name notes a table's name, and the how many-th it is with it.
func (k *talk) name(oid uint32, name string) {
	for other, known := range k.oids {
		if other != oid && strings.HasPrefix(known, name+" ") {
			name += " again"
		}
	}
	k.oids[oid] = name + " "
}

// confirm sends a status update, and waits for the answer that it asks for.
func (k *talk) confirm(at uint64) {
	if k.err != nil {
		return
	}
	k.say("confirm %s", k.place(at))
	k.must(pglogrepl.SendStandbyStatusUpdate(k.ctx, k.conn, pglogrepl.StandbyStatusUpdate{WALWritePosition: pglogrepl.LSN(at), ReplyRequested: true}))
	for k.err == nil {
		if data := k.receive(); k.err == nil && data[0] == 'k' && data[17] == 0 {
			k.say("keepalive, not before it: %v", binary.BigEndian.Uint64(data[1:]) >= at)
			return
		}
	}
}

// leave ends the connection.
func (k *talk) leave() {
	if k.conn != nil {
		k.conn.Close(k.ctx) //nolint:errcheck // it is over
	}
}

// slot writes down where the slot stands, when two looks at it say the same: a server answers a status update before it moves the slot.
func (k *talk) slot(active bool) {
	for last := ""; k.err == nil; time.Sleep(200 * time.Millisecond) {
		row := k.look()
		if row == nil {
			return
		}
		at, err := pglogrepl.ParseLSN(row[6])
		k.must(err)
		now := fmt.Sprintf("slot %s %s %s, active %v, stands at %s", row[0], row[1], row[3], row[4] != "0", k.place(uint64(at)))
		if now == last && (row[4] != "0") == active {
			k.say("%s", now)
			return
		}
		last = now
	}
}

// look reads the slot.
func (k *talk) look() (row []string) {
	conn := k.connect(false)
	result := conn.ExecParams(k.ctx, strings.Join(strings.Fields(`select coalesce(plugin, ''), slot_type, coalesce(database, ''), coalesce(wal_status, ''),
		coalesce(active_pid, 0), 'nobody', coalesce(confirmed_flush_lsn, '0/0')::text, 0::bigint, ''
		from pg_replication_slots r where slot_name = $1`), " "), [][]byte{[]byte("slot")}, nil, nil, nil).Read()
	k.must(result.Err)
	conn.Close(k.ctx) //nolint:errcheck // nothing was left undone on it
	if k.err != nil || len(result.Rows) != 1 {
		k.say("%d slots", len(result.Rows))
		return nil
	}
	for _, v := range result.Rows[0] {
		row = append(row, string(v))
	}
	return row
}

// hold is the conversation.
func (k *talk) hold() {
	made := k.connect(true)
	slot, err := pglogrepl.CreateReplicationSlot(k.ctx, made, "slot", "pgoutput", pglogrepl.CreateReplicationSlotOptions{SnapshotAction: "EXPORT_SNAPSHOT"})
	if k.must(err); k.err != nil {
		return
	}
	point, err := pglogrepl.ParseLSN(slot.ConsistentPoint)
	k.must(err)
	k.places[uint64(point)] = "the consistent point"
	_, err = pglogrepl.CreateReplicationSlot(k.ctx, made, "slot", "pgoutput", pglogrepl.CreateReplicationSlotOptions{SnapshotAction: "EXPORT_SNAPSHOT"})
	k.said(err)
	made.Close(k.ctx) //nolint:errcheck // the slot stays
	k.slot(false)

	block, position := k.rows()
	k.start(uint64(point))
	k.party.commit(changeOf(k.tables()[0], nil, block))
	k.party.commit(changeOf(k.tables()[1], nil, position))
	k.read(2)
	k.slot(true)
	k.confirm(k.at("end 1"))
	k.slot(true)
	streaming := k.conn
	k.start(0) // while it is in use
	k.conn = streaming
	k.leave()
	k.slot(false)

	k.start(0) // from where it stands: the second transaction again
	k.read(1)
	k.confirm(k.at("end 2"))
	k.leave()
	k.slot(false)
	k.changes(block, position)
	k.tablesLive()
}

// changes are every kind of change, sent again from places in between.
func (k *talk) changes(block, position row) {
	moved, renamed, blocked := slices.Clone(position), slices.Clone(position), slices.Clone(block)
	moved[positionStatus] = value("active") // its document stays where it is
	renamed[positionID] = uuid("another")   // another key
	blocked[blockedS1], blocked[blockedS2] = value("t"), nil
	t := k.tables()
	k.start(k.at("end 1")) // before where it stands: nothing comes again
	k.party.commit(changeOf(t[1], position, moved), changeOf(t[0], block, blocked), change{op: 'M', prefix: "lowcap-cdc", content: `{"actor":"a"}`})
	renamed[positionStatus] = moved[positionStatus]
	both := changeOf(t[1], moved, renamed)
	both.toastKept = true
	k.party.commit(both)
	k.party.commit(changeOf(t[1], renamed, nil), changeOf(t[0], blocked, nil))
	k.read(3)
	k.leave()
	k.slot(false)
	k.start(k.at("commit 4")) // from a commit on: it comes
	k.read(2)
	k.leave()
	k.slot(false)
	k.start(k.at("commit 4") + 1) // from behind where it begins: it does not
	k.read(1)
	k.confirm(k.at("end 5"))
	k.leave()
	k.slot(false)
}

// rows are a block and a position whose document is stored out of line.
func (k *talk) rows() (block, position row) {
	block, position = make(row, len(k.tables()[0].columns)), make(row, len(k.tables()[1].columns))
	for i, text := range []string{"C", "solana", "1h", "onchain_crypto", "f", "f"} {
		block[i] = value(text)
	}
	block[lastSuccess] = value("2026-01-01 00:00:00.25+00")
	for i, text := range []string{*uuid("one"), "solana", "X", "1h", "watchlist", "S4"} {
		position[i] = value(text)
	}
	noise := make([]byte, 20_000)
	rand.NewChaCha8([32]byte{}).Read(noise) //nolint:errcheck // it never fails
	position[positionQuantity], position[positionTrades] = value("1.5"), value("[]")
	position[positionFeatures] = value(`{"noise": "` + hex.EncodeToString(noise) + `"}`)
	return block, position
}

func (k *talk) at(name string) uint64 {
	for at, known := range k.places {
		if known == name {
			return at
		}
	}
	k.must(fmt.Errorf("%s has not come", name))
	return 0
}

// TestConversations holds the same conversation with the simulated server and with a real one. Every byte of pgoutput, every place
// that is sent again and every answer of a slot must be the same.
func TestConversations(t *testing.T) {
	real, major := talkToReal(t)
	simulated := talkToSimulated(t, major)
	for i := range max(len(real), len(simulated)) {
		if i >= len(real) || i >= len(simulated) || real[i] != simulated[i] {
			t.Fatalf("line %d\n real      %.300q\n simulated %.300q", i, real[min(i, len(real)):min(i+2, len(real))],
				simulated[min(i, len(simulated)):min(i+2, len(simulated))])
		}
	}
}

func newTalk(ctx context.Context, p party) *talk {
	return &talk{party: p, ctx: ctx, places: map[uint64]string{0: "0/0"}, oids: make(map[uint32]string)}
}

// simulatedParty is the simulated server.
type simulatedParty struct {
	server *server
	host   *host
}

func (p *simulatedParty) dsn() string              { return "postgres://cdc@" + postgresAt + "/app?sslmode=disable" }
func (p *simulatedParty) commit(changes ...change) { p.server.commit(true, changes...) }
func (p *simulatedParty) tables() [2]*table        { return p.server.tables }
func (p *simulatedParty) dial() pgconn.DialFunc {
	return func(ctx context.Context, _, to string) (net.Conn, error) {
		return p.server.net.dial(ctx, p.host, to, false)
	}
}

func talkToSimulated(t *testing.T, major int) (lines []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1, newTrace(nil))
		p := &simulatedParty{newServer(n, 1), &host{name: "client"}}
		p.server.apart, p.server.major = true, major
		k, done := newTalk(context.Background(), p), false
		go func() {
			k.hold()
			n.plan(0, "done", func() { done = true })
		}()
		for end := time.Now().Add(time.Hour); !done && n.step(end); {
		}
		p.host.crash()
		p.server.crash()
		synctest.Wait()
		if k.err != nil || p.server.failure != "" {
			t.Errorf("%v %s", k.err, p.server.failure)
		}
		lines = k.lines
	})
	return lines
}

// realParty is a real server with the tables of the simulated one.
type realParty struct {
	t    *testing.T
	conn *pgx.Conn
	at   string
	contents
}

func (p *realParty) dsn() string           { return p.at }
func (p *realParty) dial() pgconn.DialFunc { return nil }
func (p *realParty) tables() [2]*table     { return p.contents.tables }

func (p *realParty) exec(sql string) {
	if _, err := p.conn.Exec(p.t.Context(), sql); err != nil {
		p.t.Fatalf("%.200s: %v", sql, err)
	}
}

func (p *realParty) create() {
	for _, t := range p.tables() {
		p.exec(createTable(t))
	}
	p.exec("create publication lowcap_cdc for table " + strings.Join(tableNames[:], ", "))
}

// commit makes the changes by SQL, in one transaction.
func (p *realParty) commit(changes ...change) {
	statements := []string{"begin"}
	for i := range changes {
		statements = append(statements, statementOf(&changes[i]))
	}
	p.exec(strings.Join(append(statements, "commit"), "; "))
	p.apply(&transaction{changes: changes})
}

func statementOf(c *change) string {
	switch c.op {
	case 'C':
		return statementsOf(c)
	case 'T':
		return "truncate " + c.table.name
	case 'M':
		return fmt.Sprintf("select pg_logical_emit_message(true, '%s', '%s')", c.prefix, c.content)
	}
	var names, values, sets, where []string
	for _, column := range c.table.columns {
		if c.is != nil {
			literal := "null"
			if v := c.is.value(column); v != nil {
				literal = "'" + *v + "'"
			}
			names, values = append(names, column.name), append(values, literal)
			if c.was == nil || c.was.value(column) != c.is.value(column) {
				sets = append(sets, column.name+" = "+literal)
			}
		}
	}
	if c.was != nil {
		for _, i := range c.table.keys {
			where = append(where, c.table.columns[i].name+" = '"+*c.was[i]+"'")
		}
	}
	switch c.op {
	case 'I':
		return fmt.Sprintf("insert into %s (%s) values (%s)", c.table.name, strings.Join(names, ", "), strings.Join(values, ", "))
	case 'D':
		return fmt.Sprintf("delete from %s where %s", c.table.name, strings.Join(where, " and "))
	}
	return fmt.Sprintf("update %s set %s where %s", c.table.name, strings.Join(sets, ", "), strings.Join(where, " and "))
}

func talkToReal(t *testing.T) (lines []string, major int) {
	t.Helper()
	postgres, err := lab.StartPostgres(t.Context())
	if err != nil {
		lab.Missing(t, "Postgres:", err)
	}
	defer postgres.Close() //nolint:errcheck // the test is over
	conn, err := pgx.Connect(t.Context(), postgres.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // nothing was left undone on it
	p := &realParty{t, conn, postgres.DSN("postgres"), newContents()}
	p.exec("set timezone = 'UTC'")
	p.create()
	k := newTalk(t.Context(), p)
	k.hold()
	if k.err != nil {
		t.Fatalf("%v\n%.2000s", k.err, strings.Join(k.lines, "\n"))
	}
	if _, err := fmt.Sscanf(conn.PgConn().ParameterStatus("server_version"), "%d", &major); err != nil {
		t.Fatal(err)
	}
	return k.lines, major
}
