package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// watchEvery is how often the catalog is looked at.
const watchEvery = 2 * time.Second

// tableStates is what the stream has said of the watched tables so far. The pipeline's goroutine moves it, the watcher
// reads it.
type tableStates struct {
	mu sync.Mutex
	of [decode.Positions + 1]cdc.TableState
}

func (s *tableStates) get(t decode.Table) cdc.TableState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.of[t]
}

func (s *tableStates) set(t decode.Table, state cdc.TableState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[t] = state
}

// watcher looks at the catalog, on a connection of its own, for what the WAL does not tell: a watched table that was
// dropped or created or left the publication. It says so in the WAL, where it has a place among the changes: the same
// for every reader, and the same after a crash.
type watcher struct {
	kept        // closed after an error
	tables      *tableStates
	due         func() bool // something waits for time to pass
	ticked      time.Time
	publication uint32
	since       decode.Progress            // when all that is in the stream was last seen in the catalog
	forms       [decode.Positions + 1]form // of the tables in the stream, as they were last seen
	said        [decode.Positions + 1]decode.TableID
	noticed     [decode.Positions + 1]string // of each table, and of none

	back   [decode.Positions + 1]atomic.Bool // which missing tables are in the publication, and ready to be read again
	failed atomic.Pointer[error]             // the stream can no longer be trusted
	stop   context.CancelFunc
	done   chan struct{}
}

// startWatcher looks at the catalog at once and then goes on in the background. told is where the WAL ends when that first
// look has found something to tell, or a table to read again; else 0.
func startWatcher(ctx context.Context, config Config, tables *tableStates, from cdc.Checkpoint, due func() bool) (w *watcher, told decode.LSN, err error) {
	w = &watcher{kept: kept{config: config}, tables: tables, publication: from.Publication, due: due, done: make(chan struct{}),
		since: decode.Progress{LSN: from.LSN, Time: from.Time}}
	if err = w.open(ctx); err != nil {
		return nil, 0, err
	}
	if err = w.look(ctx); err == nil && (w.isAnyBack() || w.said != [decode.Positions + 1]decode.TableID{}) {
		told, err = walEnd(ctx, w.conn)
	}
	if err != nil {
		w.Close()
		return nil, 0, err
	}
	ctx, w.stop = context.WithCancel(context.Background())
	go w.run(ctx)
	return w, told, nil
}

func walEnd(ctx context.Context, conn *pgx.Conn) (decode.LSN, error) {
	var text string
	if err := conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return 0, fmt.Errorf("read the end of the WAL: %w", err)
	}
	return decode.ParseLSN(text)
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			w.Close()
			return
		}
		err := w.open(ctx)
		if err == nil {
			err = errors.Join(w.look(ctx), w.tick(ctx))
		}
		if err != nil && ctx.Err() == nil {
			w.Close()
			w.notice(0, "look at the catalog: "+message(err))
		}
	}
}

// end stops the watcher, and waits until it has.
func (w *watcher) end() {
	w.stop()
	<-w.done
}

// err returns why the stream cannot be trusted any more.
func (w *watcher) err() error {
	if failed := w.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// notice tells the operator something once, until something else is to be said of the same table; 0 is for none.
func (w *watcher) notice(t decode.Table, text string) {
	if w.noticed[t] != text && text != "" {
		w.config.notice(text)
	}
	w.noticed[t] = text
}

func (w *watcher) look(ctx context.Context) error {
	found, err := readCatalog(ctx, w.conn, w.config)
	if err != nil {
		return err
	}
	if err := found.checkPublished(w.config, w.publication); err != nil {
		w.failed.Store(&err)
		return w.wake(ctx)
	}
	whole := true
	for _, t := range decode.Tables {
		known, now := w.tables.get(t), found.tables[t]
		switch {
		case !known.Missing && (now.id != known.ID || !now.published):
			whole, w.forms[t] = false, form{}
			err = w.tell(ctx, t, known.ID, now)
		case known.Missing && now.kind != "":
			err = w.welcome(ctx, t, &found)
		case !known.Missing:
			w.said[t] = decode.TableID{}
			w.noticeUnfit(t, &now)
		}
		if err != nil {
			return err
		}
	}
	if whole {
		w.since = found.at
	}
	return nil
}

// noticeUnfit says that a table in the stream has changed so that it cannot be followed any more, or that the bot's own
// updates fail: it is too late to prevent that.
func (w *watcher) noticeUnfit(t decode.Table, now *tableEntry) {
	text, since := "", w.forms[t]
	w.forms[t] = now.form
	if err := now.check(w.config); err != nil {
		text = err.Error()
	} else if now.form.lacks != since.lacks && since != (form{}) {
		text = fmt.Sprintf("table %s has lost the column %s: what it held last counts from now on; an exit that is not made, or a fill without a record, may not be told; run: lowcap-cdc check",
			w.config.table(t), now.form.lacks)
		if now.form.lacks == "" {
			text = fmt.Sprintf("table %s has its columns %s again", w.config.table(t), strings.Join(booked, ", "))
		}
	} else if now.form.isRewritten(since) {
		text = fmt.Sprintf("the columns of table %s were made anew or rewritten: what that changed in its rows is not in the stream; run: lowcap-cdc reconcile", w.config.table(t))
	}
	w.notice(t, text)
}

// tell writes into the WAL that a table has left the stream, once.
func (w *watcher) tell(ctx context.Context, t decode.Table, id decode.TableID, now tableEntry) error {
	if w.said[t] == id {
		return nil
	}
	gone := &decode.TableGone{Table: t, ID: id, Why: whyGone(id, &now), Since: w.since}
	if err := w.permitted(post(ctx, w.conn, w.config, gone)); err != nil {
		return err
	}
	w.said[t] = id
	return nil
}

// whyGone compares a table that was in the stream with the one of its name now.
func whyGone(id decode.TableID, now *tableEntry) string {
	switch {
	case now.id.OID == 0:
		return decode.WhyDropped
	case now.id.OID != id.OID:
		return decode.WhyRecreated
	case !now.published:
		return decode.WhyTakenOut
	case now.isPartitioned():
		return decode.WhyParts
	}
	return decode.WhyPutBack
}

// welcome brings a table that is there again into the publication, and wakes the stream when it can be read.
func (w *watcher) welcome(ctx context.Context, t decode.Table, found *catalog) error {
	err := checkAccess(ctx, w.conn, w.config, t)
	if err == nil {
		err = found.tables[t].check(w.config)
	}
	if err == nil && !found.tables[t].published {
		err = publish(ctx, w.conn, w.config, found.repair(w.config))
		if err == nil {
			found.tables[decode.Blocks].published, found.tables[decode.Positions].published = true, true // the repair is of both
		}
	}
	if err != nil {
		w.notice(t, fmt.Sprintf("table %s is back, but cannot be followed: %s", w.config.table(t), err))
		return nil
	}
	if id := found.tables[t].id; id == w.tables.get(t).ID {
		w.said[t] = decode.TableID{}
		if err := closeMarkers(ctx, w.conn, w.config, t, id); err != nil {
			return err
		}
	}
	w.back[t].Store(true)
	return w.wake(ctx)
}

func (w *watcher) isAnyBack() bool {
	return w.back[decode.Blocks].Load() || w.back[decode.Positions].Load()
}

// wake makes the server send a transaction, so that the stream's reader moves although nothing else happens.
func (w *watcher) wake(ctx context.Context) error {
	return w.permitted(emit(ctx, w.conn, decode.MarkerPrefix, "{}"))
}

// permitted makes a notice of a right that is missing: without messages the stream goes on.
func (w *watcher) permitted(err error) error {
	if sqlState(err) == codeNoPrivilege {
		w.notice(0, fmt.Sprintf("%s; tables that go or come, and what waits for time to pass, are told late or not at all; run: lowcap-cdc check", message(err)))
		return nil
	}
	return err
}
