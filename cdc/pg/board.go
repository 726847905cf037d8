package pg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/decode"
)

// Every role may write any message into the WAL, so what a marker says is no proof. The publication's comment is: only its
// owner may write it. A sidecar that owns the publication puts the digest of each marker there, in the transaction that
// writes the marker; whoever reads a marker looks whether it stands there. That gives every reader the same answer at
// whatever time it reads, so that two slots tell the same bytes.

// boardLead begins the part of the publication's comment that is the board. What stands before it is left alone.
const boardLead = "lowcap-cdc markers:"

// boardEntries is how many markers the board keeps: more than tables go and come while an instance is down.
const boardEntries = 16

// board is what the catalog confirms of markers.
type board struct {
	comment string   // what somebody else wrote in front of it
	entries []string // newest last: OID, member and digest of a marker
	found   catalog  // as it was then; found.at says up to which place in the WAL the board is known
}

func readBoard(ctx context.Context, conn querier, c Config) (board, error) {
	var b board
	var err error
	if b.found, err = readCatalog(ctx, conn, c); err != nil {
		return b, err
	}
	var text string
	err = conn.QueryRow(ctx, `select coalesce(obj_description(oid, 'pg_publication'), '') from pg_publication where pubname = $1`, c.Publication).Scan(&text)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return b, fmt.Errorf("read the comment of publication %q: %w", c.Publication, err)
	}
	var entries string
	b.comment, entries, _ = strings.Cut(text, boardLead)
	if b.entries = strings.Fields(entries); b.comment != "" && !strings.HasSuffix(b.comment, "\n") {
		b.comment += "\n"
	}
	return b, nil
}

// over ends the entry of a marker whose table is back under the same OID and membership, after a rename: when it leaves the stream
// again that is another marker.
const over = "!"

// prefixOf begins the entry of a marker.
func prefixOf(t decode.Table, id decode.TableID) string {
	return fmt.Sprintf("%s/%d/%d/", t, id.OID, id.Member)
}

// has reports whether a marker stands on the board, or any marker of that table that is not over.
func (b *board) has(g *decode.TableGone) (this, any bool) {
	for _, entry := range b.entries {
		digest, found := strings.CutPrefix(entry, prefixOf(g.Table, g.ID))
		any = any || (found && !strings.HasSuffix(digest, over))
		this = this || (found && strings.TrimSuffix(digest, over) == g.Digest)
	}
	return this, any
}

// confirms reports whether a marker is a sidecar's. Where this role cannot write the board it also believes a marker that
// nobody has put there, if the table is gone.
func (b *board) confirms(g *decode.TableGone) bool {
	this, any := b.has(g)
	now := &b.found.tables[g.Table]
	isGone := now.id != g.ID || !now.published
	return this || (isGone && !any && !b.found.owned)
}

// post writes a marker into the WAL and onto the board, unless the board has one of that table already.
func post(ctx context.Context, conn *pgx.Conn, c Config, g *decode.TableGone) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // nothing is left to roll back after the commit
	// Two sidecars must not overwrite each other's entry. A stranger may hold this lock, hence it is only tried.
	if _, err := tx.Exec(ctx, "select pg_try_advisory_xact_lock(hashtext($1))", boardLead+c.Publication); err != nil {
		return err
	}
	b, err := readBoard(ctx, tx, c)
	if err != nil {
		return err
	}
	if _, said := b.has(g); said {
		return nil
	}
	if err := emit(ctx, tx, decode.MarkerPrefix, g.Content(rand.Text())); err != nil {
		return err
	}
	if b.found.owned {
		entries := append(b.entries, prefixOf(g.Table, g.ID)+g.Digest)
		b.entries = entries[max(0, len(entries)-boardEntries):]
		if err := b.write(ctx, tx, c); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func (b *board) write(ctx context.Context, tx executor, c Config) error {
	text := b.comment + boardLead + " " + strings.Join(b.entries, " ")
	sql := "comment on publication " + pgx.Identifier{c.Publication}.Sanitize() + " is " + quoteLiteral(text)
	if _, err := tx.Exec(ctx, sql); err != nil {
		return fmt.Errorf("write the comment of publication %q: %w", c.Publication, err)
	}
	return nil
}

// closeMarkers notes on the board that the markers of a table are over.
func closeMarkers(ctx context.Context, conn *pgx.Conn, c Config, t decode.Table, id decode.TableID) error {
	b, err := readBoard(ctx, conn, c)
	if err != nil || !b.found.owned {
		return err
	}
	open := false
	for i, entry := range b.entries {
		if strings.HasPrefix(entry, prefixOf(t, id)) && !strings.HasSuffix(entry, over) {
			b.entries[i], open = entry+over, true
		}
	}
	if !open {
		return nil
	}
	return b.write(ctx, conn, c)
}

// executor is a connection or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// emit writes a logical message into the WAL.
func emit(ctx context.Context, conn executor, prefix, content string) error {
	if _, err := conn.Exec(ctx, "select pg_logical_emit_message(true, $1, $2)", prefix, content); err != nil {
		return fmt.Errorf("write a message into the WAL: %w", err)
	}
	return nil
}
