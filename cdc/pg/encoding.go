package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

// The encodings of a database that are not like the others.
const (
	encodingUTF8  = "UTF8"
	encodingASCII = "SQL_ASCII" // none: the database keeps whatever bytes it is given
)

func encodingOf(conn *pgconn.PgConn) string { return conn.ParameterStatus("server_encoding") }

// setRaw makes the server send texts as the database keeps them. Otherwise one byte that has no equivalent in UTF-8 would
// end the stream for ever, also in a column that nobody reads: the server converts before it sends.
func setRaw(ctx context.Context, conn *pgconn.PgConn) error {
	if encodingOf(conn) == encodingUTF8 {
		return nil
	}
	_, err := conn.Exec(ctx, "set client_encoding = "+quoteLiteral(encodingOf(conn))).ReadAll()
	if err != nil {
		return fmt.Errorf("set client_encoding: %s", message(err))
	}
	return nil
}

// sortKey is SQL that sorts a column as its UTF-8 bytes sort. format prints a value as pgoutput does.
func sortKey(encoding, column string) string {
	text := "format('%s', " + pgx.Identifier{column}.Sanitize() + ")"
	switch encoding {
	case encodingUTF8:
		return text + ` collate "C"`
	case encodingASCII:
		return "convert_to(" + text + ", 'SQL_ASCII')"
	}
	return "convert_to(" + text + ", 'UTF8')"
}

// converter turns a watched value of the stream into UTF-8. It is nil for a database that is UTF-8 anyway.
type converter func(text []byte) ([]byte, error)

// newConverter returns the converter for the database of a connection. Where there is something to convert the server does
// it, on a connection that close ends: its tables are the ones that the bot knows.
func newConverter(ctx context.Context, c Config, encoding string) (convert converter, closeConverter func(), err error) {
	switch encoding {
	case encodingUTF8:
		return nil, func() {}, nil
	case encodingASCII:
		return requireUTF8, func() {}, nil
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	convert = func(text []byte) (converted []byte, err error) {
		err = conn.QueryRow(context.WithoutCancel(ctx), "select convert_to(convert_from($1, $2), 'UTF8')", text, encoding).Scan(&converted)
		if sqlState(err) == codeUntranslatable {
			return nil, permanentf("%s; take the character out of the row, then run: lowcap-cdc reconcile", message(err))
		}
		return converted, err
	}
	return convert, func() { conn.Close(context.WithoutCancel(ctx)) }, nil //nolint:errcheck // nothing was left undone on it
}

func requireUTF8(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, permanentf("%.40q is not UTF-8, and the database's encoding SQL_ASCII does not say what else it is; make the row UTF-8, then run: lowcap-cdc reconcile", text)
	}
	return text, nil
}

// checkEncoding tries to read every watched text as UTF-8.
func checkEncoding(ctx context.Context, conn *pgx.Conn, c Config, found *catalog) check.Finding {
	const name = "encoding"
	encoding := encodingOf(conn.PgConn())
	if encoding == encodingUTF8 {
		return finding(name, encoding, nil, "")
	}
	for _, t := range decode.Tables {
		if e := &found.tables[t]; e.id.OID != 0 {
			if err := checkTexts(ctx, conn, c, e); err != nil {
				return finding(name, "", err, "an update that makes it UTF-8, or take the character out")
			}
		}
	}
	return finding(name, encoding+"; every watched text reads as UTF-8", nil, "")
}

// checkTexts reads the rows of a table that are not plain ASCII.
func checkTexts(ctx context.Context, conn *pgx.Conn, c Config, e *tableEntry) error {
	columns, _, err := e.watched()
	if err != nil {
		return nil // the table's own finding says so
	}
	all := "concat_ws(' ', " + strings.Join(columns, ", ") + ")"
	key := "concat_ws(', ', " + strings.Join(keyColumns(e.table), ", ") + ")"
	rows, err := conn.Query(ctx, "select convert_to("+key+", 'SQL_ASCII'), convert_to("+all+", $1) from "+e.from(c)+
		" where octet_length("+all+") <> length(regexp_replace("+all+", '[^\x01-\x7f]', '', 'g'))", targetEncoding(conn))
	if err != nil {
		return errors.New(message(err))
	}
	defer rows.Close()
	for rows.Next() {
		var key, text []byte
		if err := rows.Scan(&key, &text); err != nil {
			return err
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("row %q of %s holds bytes that are not UTF-8, and the database's encoding SQL_ASCII does not say what else they are", key, c.table(e.table))
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%s: %s", c.table(e.table), message(err))
	}
	return nil
}

func targetEncoding(conn *pgx.Conn) string {
	if encodingOf(conn.PgConn()) == encodingASCII {
		return encodingASCII
	}
	return encodingUTF8
}

// explainRead says why a table's rows could not be read.
func explainRead(t decode.Table, err error) error {
	text := fmt.Sprintf("read snapshot of %s: %s; run: lowcap-cdc check", t, message(err))
	switch sqlState(err) {
	case codeUntranslatable, codeInvalidEncoding, codeNoPrivilege:
		return permanentf("%s", text)
	}
	return errors.New(text)
}
