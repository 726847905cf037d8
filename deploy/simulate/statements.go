package simulate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
)

// statement is what the simulated server answers to one that contains a text. The sidecar gives a fixed set of them.
type statement struct {
	contains string
	params   []uint32
	columns  []column // nil for a command without rows
	selects  bool     // its columns are those that its text names
	ends     bool     // it ends a transaction
	run      func(*session, *portal) (rows [][]any, tag string, err error)
}

func (st *statement) columnsFor(text string) []column {
	if !st.selects {
		return st.columns
	}
	var columns []column
	for _, name := range selectedColumns(text) {
		columns = append(columns, column{name: name, oid: pgtype.TextOID})
	}
	return columns
}

func (st *statement) describe(text string, formats []int16) *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for i, c := range st.columnsFor(text) {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(c.name), DataTypeOID: c.oid, DataTypeSize: -1, TypeModifier: -1,
			Format: format(formats, i)})
	}
	return d
}

// of makes columns of these types.
func of(oids ...uint32) (columns []column) {
	for i, oid := range oids {
		columns = append(columns, column{name: fmt.Sprintf("c%d", i), oid: oid})
	}
	return columns
}

const (
	txt   = pgtype.TextOID
	num   = pgtype.Int8OID
	num4  = pgtype.Int4OID
	yes   = pgtype.BoolOID
	pgLSN = 3220
)

func command(contains, tag string) *statement {
	return &statement{contains: contains, run: func(*session, *portal) ([][]any, string, error) { return nil, tag, nil }}
}

func constant(contains string, columns []column, values ...any) *statement {
	return constantOf(contains, nil, columns, values...)
}

func constantOf(contains string, params []uint32, columns []column, values ...any) *statement {
	return &statement{contains: contains, params: params, columns: columns, run: func(*session, *portal) ([][]any, string, error) {
		return [][]any{values}, "SELECT 1", nil
	}}
}

// statements in the order in which they are tried. It is filled below, because they call each other.
var statements []*statement

func init() {
	statements = []*statement{
		command("set transaction_timeout", "SET"),
		{contains: "from (select $1::text as wanted) w", params: []uint32{txt}, columns: of(pgtype.TimestamptzOID, txt, txt, yes, yes, txt, txt, txt, num, num, txt),
			run: (*session).inspectSlot},
		constantOf("current_setting('server_version_num')::int / 10000", []uint32{pgtype.TextArrayOID}, of(num4, pgtype.TextArrayOID, yes),
			int32(16), []string{}, false),
		constantOf("select array(select name from unnest", []uint32{pgtype.TextArrayOID}, of(pgtype.TextArrayOID), []string{}),
		constant("current_setting('max_slot_wal_keep_size')", of(txt, txt, pgtype.Float8OID, pgtype.Float8OID, pgtype.Float8OID, txt),
			"50GB", "", 5e10, 1e6, 3600.0, ""),
		{contains: "comment on publication", run: (*session).commentOn},
		{contains: "create publication", run: (*session).createPublication},
		{contains: "alter publication", run: (*session).addToPublication},
		{contains: "begin", run: (*session).begin},
		{contains: "commit", ends: true, run: (*session).commit},
		{contains: "rollback", ends: true, run: (*session).rollBack},
		constantOf("pg_try_advisory_xact_lock", []uint32{txt}, of(yes), true),
		{contains: "set transaction snapshot", run: (*session).adoptSnapshot},
		{contains: "IDENTIFY_SYSTEM", columns: of(txt, num4, txt, txt), run: (*session).identify},
		{contains: "TIMELINE_HISTORY", columns: of(txt, txt), run: (*session).timelineHistory},
		{contains: "CREATE_REPLICATION_SLOT", columns: of(txt, txt, txt, txt), run: (*session).createSlot},
		{contains: "select pg_drop_replication_slot", params: []uint32{txt, pgLSN}, columns: of(txt), run: (*session).dropSlot},
		{contains: "select coalesce(plugin, ''), slot_type", params: []uint32{txt}, columns: of(txt, txt, txt, txt, num4, txt, txt, num, txt),
			run: (*session).readSlot},
		constant("name = 'wal_sender_timeout'", of(txt), fmt.Sprint(senderTimeout.Milliseconds())),
		constant("select pg_is_in_recovery()", of(yes), false),
		constant("current_setting('wal_level')", of(txt, txt), "logical", ""),
		{contains: "row_security_active", params: []uint32{txt}, columns: of(txt, yes, yes, yes), run: (*session).readRights},
		{contains: "from pg_publication p where pubname", params: []uint32{txt, txt}, columns: of(num, num, yes, yes, yes, txt, txt, num),
			run: (*session).readPublication},
		{contains: "left join pg_publication_tables p on p.pubname = $1", params: []uint32{txt, txt, txt, pgtype.TextArrayOID, pgtype.TextArrayOID},
			columns: of(num, num, txt, txt, yes, yes, yes, txt, txt, txt, yes, txt, txt, txt, txt), run: (*session).readTable},
		{contains: "select a.attname::text, a.atttypid::bigint", params: []uint32{txt, pgtype.OIDOID, txt}, columns: of(txt, num, txt, yes, txt),
			run: (*session).readColumns},
		{contains: "obj_description(oid, 'pg_publication')", params: []uint32{txt}, columns: of(txt), run: (*session).readComment},
		{contains: "bool_and(l.relfilenode = pg_relation_filenode(l.oid))", params: []uint32{txt, pgtype.OIDOID}, columns: of(yes), run: (*session).readSame},
		{contains: "select from only", columns: []column{}, run: (*session).lock},
		{contains: "select count(*) from only", columns: of(num), run: (*session).countRows},
		{contains: "select \"", selects: true, columns: of(), run: (*session).selectRows},
		{contains: "select pg_logical_emit_message(true, $1, $2)", params: []uint32{txt, txt}, columns: of(txt), run: (*session).emit},
		{contains: "select pg_logical_emit_message(true, 'lowcap-cdc.until', '')", columns: of(txt), run: func(s *session, _ *portal) ([][]any, string, error) {
			return s.emit(&portal{args: []string{"lowcap-cdc.until", ""}})
		}},
		constant("select coalesce(string_agg(who, ", of(txt), ""), // nobody else keeps a slot from being made
		{contains: "select pg_current_wal_insert_lsn()", columns: of(txt), run: (*session).readEnd},
		{contains: "select pg_current_wal_flush_lsn()", columns: of(txt), run: (*session).readEnd},
		{contains: "select case when pg_is_in_recovery()", columns: of(txt), run: (*session).readEnd},
		{contains: "select pg_current_snapshot()", columns: of(txt), run: (*session).readSnapshot},
		{contains: "select clock_timestamp(), current_setting('server_version')", columns: of(pgtype.TimestamptzOID, txt),
			run: func(s *session, _ *portal) ([][]any, string, error) {
				return [][]any{{s.server.now(), fmt.Sprintf("%d.1", s.server.major)}}, "SELECT 1", nil
			}},
	}
	for _, st := range statements {
		if st.selects {
			st.columns = []column{}
		}
	}
}

// view is what the session sees: its snapshot, or all that was committed. The server's lock is held.
func (s *session) view() *contents {
	if s.sees != nil {
		return &s.sees.contents
	}
	return &s.server.contents
}

func (s *session) adoptSnapshot(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	_, name, _ := strings.Cut(p.text, "'")
	if s.sees = s.server.exported[strings.TrimSuffix(name, "'")]; s.sees == nil {
		return nil, "", &refusal{"22023", "invalid snapshot identifier"}
	}
	return nil, "SET", nil
}

func (s *session) identify(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return [][]any{{s.server.system, int32(s.server.timeline), s.server.flushed.String(), s.server.database}}, "IDENTIFY_SYSTEM", nil
}

func (s *session) timelineHistory(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	var b strings.Builder
	for i, at := range s.server.left {
		fmt.Fprintf(&b, "%d\t%s\tno recovery target specified\n", i+1, at)
	}
	return [][]any{{fmt.Sprintf("%08X.history", s.server.timeline), b.String()}}, "TIMELINE_HISTORY", nil
}

func (s *session) readSlot(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	slot := s.server.slots[p.args[0]]
	if slot == nil {
		return nil, "SELECT 0", nil
	}
	pid, user, status := int32(0), "nobody", "reserved"
	if slot.session != nil {
		pid, user = slot.session.pid, fmt.Sprintf("process %d", slot.session.pid)
	}
	if slot.lost {
		status = "lost"
	}
	return [][]any{{"pgoutput", "logical", s.server.database, status, pid, user, slot.confirmed.String(), int64(s.server.inserted - slot.confirmed), ""}},
		"SELECT 1", nil
}

// inspectSlot is readSlot for somebody who looks.
func (s *session) inspectSlot(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	end, slot := s.server.inserted.String(), s.server.slots[p.args[0]]
	if slot == nil {
		return [][]any{{s.server.now(), "16.1", end, false, false, "", "0/0", "0/0", int64(0), nil, ""}}, "SELECT 1", nil
	}
	status := "reserved"
	if slot.lost {
		status = "lost"
	}
	return [][]any{{s.server.now(), "16.1", end, true, slot.session != nil, status, slot.confirmed.String(), slot.saved.String(),
		int64(s.server.inserted - slot.saved), nil, ""}}, "SELECT 1", nil
}

// firstPublication is the OID of the publication that there is at the beginning.
const firstPublication = 16500

func (s *session) readPublication(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	oid, version := int64(s.view().publication), int64(0)
	if oid != 0 {
		version = 4711 + oid - firstPublication
	}
	return [][]any{{oid, version, true, false, oid != 0, "", s.server.inserted.String(), s.server.now().UnixMicro()}}, "SELECT 1", nil
}

// readTable reads a table's entry as the session sees it. Whether it is published is asked of a function, which sees what was committed.
func (s *session) readTable(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	which := s.server.tableIn(p.args[2])
	t := s.view().named(which)
	if t == nil {
		return nil, "SELECT 0", nil
	}
	now := s.server.named(which)
	return [][]any{{int64(t.oid), int64(t.member), "r", "p", false, t.member != 0, now != nil && now.member != 0, "", "", "d", false, "",
		fmt.Sprint(t.file), "1 2 3", fmt.Sprint(t.altered)}}, "SELECT 1", nil
}

func (s *session) readColumns(p *portal) (rows [][]any, tag string, err error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	for _, t := range s.view().tables {
		if t == nil || fmt.Sprint(t.oid) != p.args[1] {
			continue
		}
		for _, c := range t.columns {
			rows = append(rows, []any{c.name, int64(c.oid), c.kind, slices.Contains(t.keys, c.at), ""})
		}
	}
	return rows, fmt.Sprintf("SELECT %d", len(rows)), nil
}

func (s *session) readRights(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	exists := s.server.named(s.server.tableIn(p.args[0])) != nil
	return [][]any{{"cdc", exists, exists, false}}, "SELECT 1", nil
}

func (s *session) readComment(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.publication == 0 {
		return nil, "SELECT 0", nil
	}
	return [][]any{{s.server.comment}}, "SELECT 1", nil
}

func (s *session) readEnd(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return [][]any{{s.server.inserted.String()}}, "SELECT 1", nil
}

// readSnapshot names what the open transaction sees from now on, as a repeatable read does from its first statement.
func (s *session) readSnapshot(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.sees = &exported{s.server.clone(), s.server.inserted}
	return [][]any{{fmt.Sprintf("%[1]d:%[1]d:", s.server.xid+1)}}, "SELECT 1", nil
}

// tableIn returns which table a text names.
func (s *server) tableIn(text string) int {
	if strings.Contains(text, tableNames[blocksOf]) {
		return blocksOf
	}
	return positionsOf
}

// open returns the table that a query names, and its rows as far as the session sees them: none of a table that was made, or
// emptied, since its snapshot. The server's lock is held.
func (s *session) open(text string) (*table, map[string]row, error) {
	which := s.server.tableIn(text)
	now, seen := s.server.named(which), s.view().tables[which]
	if now == nil {
		return nil, nil, &refusal{"42P01", fmt.Sprintf("relation \"public.%s\" does not exist", tableNames[which])}
	}
	s.hold(which)
	if seen == nil || seen.oid != now.oid || seen.file != now.file {
		return now, nil, nil
	}
	return now, s.view().rows[which], nil
}

// readSame says whether a table is the one that the session's snapshot sees.
func (s *session) readSame(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	which := s.server.tableIn(p.args[0])
	now, seen := s.server.named(which), s.view().tables[which]
	return [][]any{{now != nil && seen != nil && seen.oid == now.oid && seen.file == now.file}}, "SELECT 1", nil
}

// lock reads nothing of a table, and keeps it as it is.
func (s *session) lock(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	_, _, err := s.open(p.text)
	return nil, "SELECT 0", err
}

func (s *session) countRows(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	_, rows, err := s.open(p.text)
	return [][]any{{int64(len(rows))}}, "SELECT 1", err
}

var selected = regexp.MustCompile(`"([a-z0-9_]+)"`)

func selectedColumns(text string) (names []string) {
	list, _, _ := strings.Cut(text, " from ")
	for _, m := range selected.FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	return names
}

func (s *session) selectRows(p *portal) (rows [][]any, tag string, err error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	t, all, err := s.open(p.text)
	if err != nil {
		return nil, "", err
	}
	var columns []column
	for _, name := range selectedColumns(p.text) {
		at := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
		if at < 0 {
			return nil, "", &refusal{"42703", fmt.Sprintf("column %q does not exist", name)}
		}
		columns = append(columns, t.columns[at])
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		var values []any
		for _, c := range columns {
			values = append(values, all[key].value(c))
		}
		rows = append(rows, values)
	}
	return rows, fmt.Sprintf("SELECT %d", len(rows)), nil
}
