package simulate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sort"
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

func command(contains, tag string, status byte) *statement {
	return &statement{contains: contains, run: func(s *session, _ *portal) ([][]any, string, error) {
		if status != 0 {
			s.status = status
		}
		return nil, tag, nil
	}}
}

func constant(contains string, columns []column, values ...any) *statement {
	return &statement{contains: contains, columns: columns, run: func(*session, *portal) ([][]any, string, error) {
		return [][]any{values}, "SELECT 1", nil
	}}
}

// statements in the order in which they are tried. It is filled below, because they call each other.
var statements []*statement

func init() {
	statements = []*statement{
		command("set transaction_timeout", "SET", 0),
		command("begin", "BEGIN", 'T'),
		command("commit", "COMMIT", 'I'),
		command("rollback", "ROLLBACK", 'I'),
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
		{contains: "row_security_active", params: []uint32{txt}, columns: of(txt, yes, yes, yes), run: func(*session, *portal) ([][]any, string, error) {
			return [][]any{{"cdc", true, true, false}}, "SELECT 1", nil
		}},
		{contains: "from pg_publication p where pubname", params: []uint32{txt, txt}, columns: of(num, num, yes, yes, yes, txt, txt, num),
			run: (*session).readPublication},
		{contains: "left join pg_publication_tables p on p.pubname = $1", params: []uint32{txt, txt, txt, pgtype.TextArrayOID, pgtype.TextArrayOID},
			columns: of(num, num, txt, txt, yes, yes, yes, txt, txt, txt, yes, txt, txt, txt, txt), run: (*session).readTable},
		{contains: "select a.attname::text, a.atttypid::bigint", params: []uint32{txt, pgtype.OIDOID, txt}, columns: of(txt, num, txt, yes, txt),
			run: (*session).readColumns},
		{contains: "obj_description(oid, 'pg_publication')", params: []uint32{txt}, columns: of(txt), run: (*session).readComment},
		{contains: "select count(*) from only", columns: of(num), run: (*session).countRows},
		{contains: "select \"", selects: true, columns: of(), run: (*session).selectRows},
		{contains: "select pg_logical_emit_message(true, $1, $2)", params: []uint32{txt, txt}, columns: of(txt), run: (*session).emit},
		constant("select coalesce(string_agg(who, ", of(txt), ""), // nobody else keeps a slot from being made
		{contains: "select pg_current_wal_insert_lsn()", columns: of(txt), run: func(s *session, _ *portal) ([][]any, string, error) {
			return [][]any{{s.server.inserted.String()}}, "SELECT 1", nil
		}},
	}
	for _, st := range statements {
		if st.selects {
			st.columns = []column{}
		}
	}
}

// view is what the session sees: its snapshot, or all that was committed. The server's lock is held.
func (s *session) view() [2]map[string]row {
	if s.sees != nil {
		return s.sees.rows
	}
	return s.server.rows
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
	return [][]any{{"7234567890123456789", int32(s.server.timeline), s.server.flushed.String(), "app"}}, "IDENTIFY_SYSTEM", nil
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
	return [][]any{{"pgoutput", "logical", "app", status, pid, user, slot.confirmed.String(), int64(s.server.inserted - slot.confirmed), ""}},
		"SELECT 1", nil
}

const publicationOID = 16500

func (s *session) readPublication(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return [][]any{{int64(publicationOID), int64(4711), true, false, true, "", s.server.inserted.String(), s.server.now().UnixMicro()}},
		"SELECT 1", nil
}

func (s *session) readTable(p *portal) ([][]any, string, error) {
	for _, t := range s.server.tables {
		if t.name == p.args[2] {
			return [][]any{{int64(t.oid), int64(t.member), "r", "p", false, true, true, "", "", "d", false, "", fmt.Sprint(t.oid), "1 2 3", "600"}},
				"SELECT 1", nil
		}
	}
	return nil, "SELECT 0", nil
}

func (s *session) readColumns(p *portal) (rows [][]any, tag string, err error) {
	for _, t := range s.server.tables {
		if fmt.Sprint(t.oid) != p.args[1] {
			continue
		}
		for i, c := range t.columns {
			rows = append(rows, []any{c.name, int64(c.oid), c.kind, slices.Contains(t.keys, i), ""})
		}
	}
	return rows, fmt.Sprintf("SELECT %d", len(rows)), nil
}

func (s *session) readComment(*portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return [][]any{{s.server.comment}}, "SELECT 1", nil
}

// tableIn returns the table that a query reads from.
func (s *server) tableIn(text string) int {
	if strings.Contains(text, s.tables[0].name) {
		return 0
	}
	return 1
}

func (s *session) countRows(p *portal) ([][]any, string, error) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return [][]any{{int64(len(s.view()[s.server.tableIn(p.text)]))}}, "SELECT 1", nil
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
	i := s.server.tableIn(p.text)
	t, all := s.server.tables[i], s.view()[i]
	keys := slices.Collect(maps.Keys(all))
	sort.Strings(keys)
	for _, key := range keys {
		var values []any
		for _, name := range selectedColumns(p.text) {
			at := slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
			values = append(values, all[key][at])
		}
		rows = append(rows, values)
	}
	return rows, fmt.Sprintf("SELECT %d", len(rows)), nil
}

func (s *session) emit(p *portal) ([][]any, string, error) {
	s.server.commit(true, change{op: 'M', prefix: p.args[0], content: p.args[1]})
	return [][]any{{s.server.inserted.String()}}, "SELECT 1", nil
}
