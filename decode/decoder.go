package decode

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AnnotationPrefix is the prefix of the logical messages that annotate a transaction.
const AnnotationPrefix = "lowcap-cdc"

// TickPrefix is the prefix of the empty, transactional messages that the sidecar writes while something waits for time to
// pass. Nothing is read out of them: their transaction's commit tells the time, whoever wrote them.
const TickPrefix = "lowcap-cdc.tick"

// The prefixes of the transactional messages in which the server records who makes a change. The trigger of older versions
// writes the first one: 64 hexadecimal digits, and JSON. That of this version writes the second one: 48 bytes of code, the
// eight bytes of the transaction's number, and JSON.
const (
	SessionPrefix  = "lowcap-cdc.session"
	Session2Prefix = "lowcap-cdc.session.2"
)

// NewestSession is the newest version of those messages that is known here.
const NewestSession = 2

const (
	macDigits      = 64
	macBytes       = 48
	xidBytes       = 8
	longestSession = 16 << 10 // bytes of such a message; a longer one is none of the server's
)

// microsFrom1970To2000 is the distance between the Unix epoch and the Postgres epoch.
const microsFrom1970To2000 = 946684800 * 1000000

// Decoder turns pgoutput messages into Messages. It remembers the tables' columns from one message to the next, so one
// Decoder serves one replication connection. It is not safe for concurrent use.
type Decoder struct {
	schema    string
	relations map[uint32]relation
	followed  [Positions + 1]uint32 // OID by Table; 0 for one that is known by its name alone
	convert   func([]byte) ([]byte, error)

	begin      Begin
	commit     Commit
	block      BlockChange
	position   PositionChange
	truncate   Truncate
	annotation Annotation
	gone       TableGone
	session    Session
}

// NewDecoder returns a decoder for the watched tables of a schema.
func NewDecoder(schema string) *Decoder {
	return &Decoder{schema: schema, relations: make(map[uint32]relation)}
}

// Follow makes the decoder take the changes of a relation for those of a table also while it has another name, or is in
// another schema: a table that is renamed for a moment is the same one. OID 0 ends that.
func (d *Decoder) Follow(t Table, oid uint32) { d.followed[t] = oid }

// Convert sets what makes UTF-8 of a watched text that is not plain ASCII, for a database in another encoding. Its error
// ends decoding. nil, as at the beginning, takes every text as it is.
func (d *Decoder) Convert(convert func(text []byte) ([]byte, error)) { d.convert = convert }

// Decode decodes one pgoutput message. It returns nil for a message that says nothing about the watched tables.
// The result is valid until the next call. A message that cannot be decoded is an error and never a panic; a table
// without a required column is a *ColumnError.
func (d *Decoder) Decode(data []byte) (Message, error) {
	if len(data) == 0 {
		return nil, errors.New("decode pgoutput message: it is empty")
	}
	m, err := d.decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode pgoutput message %q: %w", data[:1], err)
	}
	return m, nil
}

// Release lets go of the last message's bytes. Without it a row of many megabytes would stay in memory until the next
// row is decoded.
func (d *Decoder) Release() {
	if len(d.position.New[FeaturesColumn].Text) > hugeText {
		d.position = PositionChange{}
	}
}

// hugeText is the size from which a value is worth letting go of, in bytes.
const hugeText = 1 << 20

func (d *Decoder) decode(data []byte) (Message, error) {
	c := &cursor{data: data[1:]}
	switch data[0] {
	case 'B':
		return d.decodeBegin(c)
	case 'C':
		return d.decodeCommit(c)
	case 'I', 'U', 'D':
		return d.decodeChange(data[0], c)
	case 'R':
		return nil, d.decodeRelation(c)
	case 'T':
		return d.decodeTruncate(c)
	case 'M':
		return d.decodeAnnotation(c)
	case 'O', 'Y': // origin, type
		return nil, nil
	}
	return nil, errors.New("unknown message type")
}

func (d *Decoder) decodeBegin(c *cursor) (Message, error) {
	d.begin = Begin{
		CommitLSN:  LSN(c.uint64()),
		CommitTime: Micros(int64(c.uint64()) + microsFrom1970To2000),
		XID:        c.uint32(),
	}
	return &d.begin, c.end()
}

func (d *Decoder) decodeCommit(c *cursor) (Message, error) {
	c.uint8() // flags, none defined
	d.commit = Commit{CommitLSN: LSN(c.uint64()), EndLSN: LSN(c.uint64())}
	c.uint64() // commit time, known from Begin
	return &d.commit, c.end()
}

func (d *Decoder) decodeTruncate(c *cursor) (Message, error) {
	relations := int(c.uint32())
	c.uint8() // CASCADE and RESTART IDENTITY: what they empty or restart is told by itself
	d.truncate.Tables = d.truncate.Tables[:0]
	for ; relations > 0 && c.err == nil; relations-- {
		id := c.uint32()
		r, known := d.relations[id]
		if c.err == nil && !known {
			return nil, fmt.Errorf("truncate of relation %d before its description", id)
		}
		if table := d.tableOf(id, r); table != 0 {
			d.truncate.Tables = append(d.truncate.Tables, table)
		}
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	if len(d.truncate.Tables) == 0 {
		return nil, nil
	}
	return &d.truncate, nil
}

func (d *Decoder) decodeAnnotation(c *cursor) (Message, error) {
	transactional := c.uint8() == 1
	c.uint64() // LSN
	prefix := c.text()
	content := c.bytes(int(int32(c.uint32())))
	if err := c.end(); err != nil {
		return nil, err
	}
	switch {
	case transactional && string(prefix) == AnnotationPrefix:
		d.annotation.Content = content
		return &d.annotation, nil
	case transactional && string(prefix) == SessionPrefix && len(content) > macDigits && len(content) <= longestSession:
		d.session = Session{Version: 1, MAC: content[:macDigits], Signed: content[macDigits:], Content: content[macDigits:]}
		return &d.session, nil
	case transactional && string(prefix) == Session2Prefix && len(content) > macBytes+xidBytes && len(content) <= longestSession:
		d.session = Session{Version: 2, MAC: content[:macBytes], Signed: content[macBytes:], Content: content[macBytes+xidBytes:]}
		return &d.session, nil
	case transactional && bytes.HasPrefix(prefix, []byte(SessionPrefix)):
		d.session = Session{Version: sessionVersion(string(prefix))}
		return &d.session, nil
	case transactional && string(prefix) == MarkerPrefix:
		return d.decodeMarker(content), nil
	}
	return nil, nil
}

// sessionVersion returns the version that the prefix of a session record names and that this program does not know, else 0.
func sessionVersion(prefix string) int {
	version, err := strconv.Atoi(strings.TrimPrefix(prefix, SessionPrefix+"."))
	if err != nil || version <= NewestSession || len(prefix) > len(SessionPrefix)+4 {
		return 0
	}
	return version
}

func (d *Decoder) decodeChange(kind byte, c *cursor) (Message, error) {
	id := c.uint32()
	r, known := d.relations[id]
	if c.err == nil && !known {
		return nil, fmt.Errorf("change of relation %d before its description", id)
	}
	op := Insert
	switch kind {
	case 'U':
		op = Update
	case 'D':
		op = Delete
	}
	switch d.tableOf(id, r) {
	case Blocks:
		m := &d.block
		*m = BlockChange{Op: op}
		return m, d.tuples(c, op, r.index, m.Old[:], m.New[:], &m.HasOld)
	case Positions:
		m := &d.position
		*m = PositionChange{Op: op}
		return m, d.tuples(c, op, r.index, m.Old[:], m.New[:], &m.HasOld)
	}
	return nil, c.err
}

// tuples reads the one or two tuples of a change: K (key) or O (old row) where the server sends it, N (new row).
func (d *Decoder) tuples(c *cursor, op Op, index []int, before, after []Value, hasOld *bool) error {
	tag := c.uint8()
	if (tag == 'K' || tag == 'O') && op != Insert {
		*hasOld = true
		if err := d.tuple(c, index, before); err != nil {
			return err
		}
		if op == Delete {
			return c.end()
		}
		tag = c.uint8()
	}
	if c.err == nil && (tag != 'N' || op == Delete) {
		return fmt.Errorf("unexpected tuple %q", tag)
	}
	if err := d.tuple(c, index, after); err != nil {
		return err
	}
	return c.end()
}

func (d *Decoder) tuple(c *cursor, index []int, row []Value) error {
	n := int(c.uint16())
	if c.err == nil && n != len(index) {
		return fmt.Errorf("row has %d columns, its table %d", n, len(index))
	}
	for i := 0; i < n && c.err == nil; i++ {
		v, err := value(c)
		if err != nil {
			return err
		}
		if at := index[i]; at >= 0 {
			if d.convert != nil {
				if v.Text, err = d.toUTF8(v.Text); err != nil {
					return err
				}
			}
			row[at] = v
		}
	}
	return c.err
}

// toUTF8 converts a text that is not plain ASCII.
func (d *Decoder) toUTF8(text []byte) ([]byte, error) {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return d.convert(text)
		}
	}
	return text, nil
}

func value(c *cursor) (Value, error) {
	switch kind := c.uint8(); kind {
	case 'n':
		return Value{Kind: Null}, nil
	case 'u':
		return Value{Kind: Unchanged}, nil
	case 't':
		return Value{Kind: Text, Text: c.bytes(int(int32(c.uint32())))}, nil
	default:
		if c.err != nil {
			return Value{}, c.err
		}
		return Value{}, fmt.Errorf("unexpected column format %q", kind)
	}
}
