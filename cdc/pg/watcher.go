package pg

import (
	"context"
	"fmt"
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

// gone follows a TableGone, as the machine does.
func (s *tableStates) gone(g *decode.TableGone) {
	if known := s.get(g.Table); known.ID == g.ID {
		s.set(g.Table, cdc.TableState{ID: known.ID, Missing: true})
	}
}

// watcher looks at the catalog, on a connection of its own, for what the WAL does not tell: a watched table that was
// dropped or created or left the publication. It says so in the WAL, where it has a place among the changes: the same
// for every reader, and the same after a crash.
type watcher struct {
	config      Config
	tables      *tableStates
	publication uint32
	since       decode.Progress // when all that is in the stream was last seen in the catalog
	said        [decode.Positions + 1]decode.TableID
	noticed     [decode.Positions + 1]string // of each table, and of none

	back   atomic.Bool           // a missing table is ready to be read again
	failed atomic.Pointer[error] // the stream can no longer be trusted
	stop   context.CancelFunc
	done   chan struct{}
}

func startWatcher(config Config, tables *tableStates, from cdc.Checkpoint) *watcher {
	ctx, stop := context.WithCancel(context.Background())
	w := &watcher{config: config, tables: tables, publication: from.Publication, stop: stop, done: make(chan struct{}),
		since: decode.Progress{LSN: from.LSN, Time: from.Time}}
	go w.run(ctx)
	return w
}

func (w *watcher) run(ctx context.Context) {
	defer close(w.done)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var conn *pgx.Conn
	for ctx.Err() == nil {
		var err error
		if conn == nil {
			conn, err = w.config.connect(ctx)
		}
		if err == nil {
			err = w.look(ctx, conn)
		}
		if err != nil && conn != nil {
			conn.Close(ctx) //nolint:errcheck // it is made anew
			conn = nil
		}
		if err != nil && ctx.Err() == nil {
			w.notice(0, "look at the catalog: "+message(err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	if conn != nil {
		conn.Close(context.Background()) //nolint:errcheck // nothing was left undone on it
	}
}

func (w *watcher) close() {
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

func (w *watcher) look(ctx context.Context, conn *pgx.Conn) error {
	found, err := readCatalog(ctx, conn, w.config)
	if err != nil {
		return err
	}
	if err := found.checkPublished(w.config, w.publication); err != nil {
		w.failed.Store(&err)
		return w.wake(ctx, conn)
	}
	whole := true
	for _, t := range decode.Tables {
		known, now := w.tables.get(t), found.tables[t]
		switch {
		case !known.Missing && (now.id != known.ID || !now.published):
			whole = false
			err = w.tell(ctx, conn, t, known.ID, now)
		case known.Missing && now.kind != "":
			err = w.welcome(ctx, conn, t, &found)
		case !known.Missing:
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
	text := ""
	if err := now.check(w.config); err != nil {
		text = err.Error()
	}
	w.notice(t, text)
}

// tell writes into the WAL that a table has left the stream, once.
func (w *watcher) tell(ctx context.Context, conn *pgx.Conn, t decode.Table, id decode.TableID, now tableEntry) error {
	if w.said[t] == id {
		return nil
	}
	why := "it was dropped"
	switch {
	case now.id.OID == id.OID && now.published:
		why = "it was taken out of the publication and put back"
	case now.id.OID == id.OID:
		why = "it is not in the publication any more"
	case now.id.OID != 0:
		why = "it was dropped and created again"
	}
	gone := decode.TableGone{Table: t, ID: id, Why: why, Since: w.since}
	if err := w.write(ctx, conn, gone.Content()); err != nil {
		return err
	}
	w.said[t] = id
	return nil
}

// welcome brings a table that is there again into the publication, and wakes the stream when it can be read.
func (w *watcher) welcome(ctx context.Context, conn *pgx.Conn, t decode.Table, found *catalog) error {
	err := checkAccess(ctx, conn, w.config, t)
	if err == nil {
		err = found.tables[t].check(w.config)
	}
	if err == nil && !found.tables[t].published {
		err = publish(ctx, conn, w.config, found.repair(w.config))
	}
	if err != nil {
		w.notice(t, fmt.Sprintf("table %s is back, but cannot be followed: %s", w.config.table(t), err))
		return nil
	}
	w.back.Store(true)
	return w.wake(ctx, conn)
}

// wake makes the server send a transaction, so that the stream's reader moves although nothing else happens.
func (w *watcher) wake(ctx context.Context, conn *pgx.Conn) error { return w.write(ctx, conn, "{}") }

func (w *watcher) write(ctx context.Context, conn *pgx.Conn, content string) error {
	if _, err := conn.Exec(ctx, "select pg_logical_emit_message(true, $1, $2)", decode.MarkerPrefix, content); err != nil {
		return fmt.Errorf("write a message into the WAL: %w", err)
	}
	return nil
}
