package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// Source reads the two tables from a Postgres server. It implements cdc.Source.
type Source struct {
	config     Config
	decoder    *decode.Decoder
	repl       *pgconn.PgConn // until the stream takes its socket over
	snapshot   *snapshot      // while one is read
	unfinished unfinished     // what a first snapshot would leave behind
	stream     *stream        // after it
	tables     tableStates
	parts      [decode.Positions + 1]bool // which tables are partitioned
	watcher    *watcher
	join       join
	held       frame // what the stream brought when a join was due
	holding    bool
	identity   cdc.Identity
	inside     bool   // inside a transaction
	xid        uint32 // its number
	attributed attributed
	begun      decode.Progress // where and when the last transaction was committed
	board      board           // what the catalog confirms of markers, as it was last read
	due        atomic.Int64    // what Await was told last, for the watcher's ticks
	extend     func(decode.LSN)
	convert    func() // ends what converts the stream's texts; nil when nothing does
	progress   decode.Progress
}

// New returns a source; it does not connect.
func New(config Config) *Source {
	return &Source{config: config, decoder: decode.NewDecoder(config.Schema)}
}

// Start implements cdc.Source.
func (s *Source) Start(ctx context.Context, start cdc.Start) (cdc.Started, error) {
	started, err := s.begin(ctx, start)
	if lost := new(LostError); errors.As(err, &lost) {
		// The slot may be past what this instance has read of the sink, and not past what another one has written there since.
		if held := start.Held(ctx); held != nil {
			return cdc.Started{}, fmt.Errorf("%s; look whether another instance has it: %w", lost.Why, held)
		}
	}
	return started, err
}

func (s *Source) begin(ctx context.Context, start cdc.Start) (cdc.Started, error) {
	var err error
	s.extend = start.Extend
	if s.repl, err = s.config.connectReplication(ctx); err != nil {
		return cdc.Started{}, err
	}
	for _, t := range decode.Tables {
		s.setTable(t, start.Known.Tables[t])
	}
	if start.Adopt || start.Known.Adoption != nil {
		return s.startAdopting(ctx, start)
	}
	system, err := identify(ctx, s.repl, s.config)
	if err != nil {
		return cdc.Started{}, err
	}
	s.identity = system.Identity
	if err := start.Known.CheckSource(s.config.Slot, s.identity); err != nil {
		return cdc.Started{}, err
	}
	s.forgetClaim(&start)
	why, err := restored(ctx, s.repl, &start.Known, s.identity, system.WALEnd)
	if err := errors.Join(why, err); err != nil {
		return cdc.Started{}, err
	}
	return s.startKnown(ctx, start)
}

// forgetClaim makes nothing of a slot that was claimed on another server, for a first snapshot that never came into the sink: a slot
// of that name on this one is somebody else's.
func (s *Source) forgetClaim(start *cdc.Start) {
	if claimed := start.Known.SystemID; claimed != "" && claimed != s.identity.SystemID {
		start.Owned = false
		s.config.notice(fmt.Sprintf("a first snapshot of system %s was begun and is given up, for this is system %s; if that server still runs, look "+
			"whether slot %q was left there, where it holds WAL back", claimed, s.identity.SystemID, s.config.Slot))
	}
}

// startKnown starts with the server of the history.
func (s *Source) startKnown(ctx context.Context, start cdc.Start) (cdc.Started, error) {
	started := cdc.Started{Identity: s.identity}
	if start.Resume == 0 {
		return started, s.startSnapshot(ctx, start, started)
	}
	started, err := s.lookForLoss(ctx, start)
	if err != nil || started.Lost != "" {
		return started, err
	}
	return started, s.startStream(ctx, start.Known)
}

// lookForLoss makes sure that the stream can go on, or begins with a snapshot where it cannot and that is asked for.
func (s *Source) lookForLoss(ctx context.Context, start cdc.Start) (cdc.Started, error) {
	started, lost := cdc.Started{Identity: s.identity}, new(LostError)
	err := s.checkSlot(ctx, start.Known)
	if !start.Repair || !errors.As(err, &lost) {
		return started, err
	}
	started.Lost = lost.Why
	return started, s.startSnapshot(ctx, start, started)
}

func (s *Source) startSnapshot(ctx context.Context, start cdc.Start, started cdc.Started) error {
	if err := s.setUp(ctx); err != nil {
		return err
	}
	if err := s.makeWay(ctx, &start); err != nil {
		return err
	}
	if err := start.Claim(ctx, started); err != nil {
		return fmt.Errorf("claim slot %q: %w", s.config.Slot, err)
	}
	if err := s.config.hook("after-claim"); err != nil {
		return err
	}
	temporary := ""
	if s.config.Temporary {
		temporary = "TEMPORARY "
	}
	told := sayWaiting(ctx, s.config)
	slot, err := createSlot(ctx, s.repl, s.config.Slot, temporary, hasFailover(s.repl))
	told()
	if err != nil {
		return s.explainSlot("create", err)
	}
	s.unfinished = unfinished{point: slot.point, left: !s.config.Temporary}
	if err := s.config.hook("after-slot"); err != nil {
		return err
	}
	s.snapshot, err = openSnapshot(ctx, s.config, slot, readsAll)
	return err
}

// setUp prepares the database for a first snapshot.
func (s *Source) setUp(ctx context.Context) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	_, err = setUp(ctx, conn, s.config)
	return err
}

// startStream begins to stream behind a checkpoint.
func (s *Source) startStream(ctx context.Context, from cdc.Checkpoint) error {
	every, err := statusInterval(ctx, s.repl)
	if err != nil {
		return err
	}
	if err := s.readRaw(ctx); err != nil {
		return err
	}
	conn, err := takeOver(s.repl)
	if err != nil {
		return err
	}
	s.repl = nil
	sieve := decode.NewSieve(s.config.Schema)
	for _, t := range decode.Tables {
		sieve.Follow(t, followed(s.tables.get(t)))
	}
	s.stream, err = openStream(ctx, s.config, conn, sieve, from.LSN, every)
	if err != nil {
		return s.explainStart(err)
	}
	if err := s.config.hook("after-stream"); err != nil {
		return err
	}
	if s.config.Temporary {
		return nil
	}
	if err := s.checkHeld(ctx, from.LSN); err != nil {
		return err
	}
	if s.config.Still {
		return s.checkWhole(ctx)
	}
	due := func() bool { return s.due.Load() != 0 }
	watcher, told, err := startWatcher(ctx, s.config, &s.tables, from, due)
	if err != nil {
		return err
	}
	s.watcher = watcher
	s.extend(told)
	return nil
}

// readRaw makes the stream bring texts as the database keeps them, and the decoder convert those that are watched.
func (s *Source) readRaw(ctx context.Context) error {
	if err := setRaw(ctx, s.repl); err != nil {
		return err
	}
	convert, closeConverter, err := newConverter(ctx, s.config, encodingOf(s.repl))
	if err != nil {
		return err
	}
	s.convert = closeConverter
	s.decoder.Convert(convert)
	return nil
}

// Next implements cdc.Source.
func (s *Source) Next(ctx context.Context) (decode.Message, error) {
	if s.snapshot != nil {
		if message, err := s.snapshot.next(); err != nil || message != nil {
			s.unfinished.whole = s.unfinished.whole || s.snapshot.ended
			return message, err
		}
		if err := s.endSnapshot(ctx); err != nil {
			return nil, err
		}
	}
	f, err := s.frame(ctx)
	if err != nil {
		return nil, err
	}
	if !s.inside && s.join.isDue(f) {
		s.held, s.holding = f, true
		s.snapshot, s.join.snapshot = s.join.snapshot, nil
		return s.snapshot.next()
	}
	return s.decode(ctx, f)
}

// frame returns the frame that waits for the end of a join, or the stream's next one.
func (s *Source) frame(ctx context.Context) (frame, error) {
	if s.holding {
		s.holding = false
		return s.held, nil
	}
	if !s.inside && s.watcher != nil {
		if err := s.watcher.err(); err != nil {
			return frame{}, err
		}
		if s.join.snapshot == nil && s.watcher.isAnyBack() {
			s.openJoin(ctx)
		}
	}
	s.decoder.Release()
	return s.stream.next(ctx)
}

// endSnapshot goes over from a snapshot's last row to the stream: the one that it interrupted, or a new one.
func (s *Source) endSnapshot(ctx context.Context) error {
	snap := s.snapshot
	s.snapshot = nil
	s.know(snap)
	if err := snap.close(ctx); err != nil || s.stream != nil {
		return err
	}
	return s.startStream(ctx, cdc.Checkpoint{LSN: snap.point, Time: snap.begin.CommitTime, Publication: snap.begin.Publication})
}

// decode turns a frame into a message, nil when it says nothing.
func (s *Source) decode(ctx context.Context, f frame) (decode.Message, error) {
	if f.data == nil {
		if s.inside || f.walEnd == 0 {
			return nil, nil
		}
		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}
		return &s.progress, nil
	}
	message, err := s.decoder.Decode(f.data)
	switch m := message.(type) {
	case *decode.Begin:
		s.inside, s.begun = true, decode.Progress{LSN: m.CommitLSN, Time: m.CommitTime}
		s.xid = m.XID
	case *decode.Commit:
		s.inside = false
	case *decode.Session:
		if fits, err := s.attributed.check(ctx, s.config, m, s.xid); err != nil || !fits {
			return nil, err
		}
	case *decode.TableGone:
		if err := s.confirm(ctx, m); err != nil || m.Table == 0 {
			return nil, err
		}
		s.setTable(m.Table, cdc.TableState{ID: m.ID, Missing: true})
	case *decode.BlockChange, *decode.PositionChange:
		return s.moved(ctx, f, m)
	}
	return message, err
}

// setTable takes in what the stream has come to say of a table, as the machine does.
func (s *Source) setTable(t decode.Table, state cdc.TableState) {
	s.tables.set(t, state)
	s.decoder.Follow(t, followed(state))
}

// followed returns the OID by which a table is known whatever its name is; 0 for one that is not in the stream.
func followed(state cdc.TableState) uint32 {
	if state.Missing {
		return 0
	}
	return state.ID.OID
}

// confirm looks whether a marker is a sidecar's, and makes nothing of one that is not. What is known of the catalog serves
// for every marker that was committed before it was read, so that a flood of forged ones costs a query now and then.
func (s *Source) confirm(ctx context.Context, gone *decode.TableGone) error {
	if known := s.tables.get(gone.Table); known.Missing || known.ID != gone.ID {
		gone.Table = 0
		return nil
	}
	if s.board.found.at.LSN <= s.begun.LSN {
		if err := s.readBoard(ctx); err != nil {
			return err
		}
	}
	if !s.board.confirms(gone) {
		gone.Table = 0
		return nil
	}
	if gone.Since.LSN > s.begun.LSN || gone.Since.Time > s.begun.Time {
		gone.Since = s.begun
	}
	return nil
}

func (s *Source) readBoard(ctx context.Context) error {
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	s.board, err = readBoard(ctx, conn, s.config)
	return err
}

// Buffered implements cdc.Source.
func (s *Source) Buffered() bool {
	return s.snapshot != nil || s.holding || (s.stream != nil && s.stream.buffered())
}

// Confirm implements cdc.Source.
func (s *Source) Confirm(lsn decode.LSN) {
	s.unfinished.left = false
	if s.stream == nil {
		return // a snapshot is confirmed by its slot's creation
	}
	if err := s.config.hook("before-confirm"); err != nil {
		return
	}
	s.stream.confirm(lsn)
}

// Close implements cdc.Source.
func (s *Source) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var errs []error
	if s.watcher != nil {
		s.watcher.end()
		s.watcher = nil
	}
	for _, open := range []**snapshot{&s.snapshot, &s.join.snapshot} {
		if *open != nil {
			errs = append(errs, (*open).close(ctx))
			*open = nil
		}
	}
	if s.stream != nil {
		s.stream.close()
		s.stream = nil
	}
	if s.convert != nil {
		s.convert()
		s.convert = nil
	}
	if s.repl != nil {
		errs = append(errs, s.repl.Close(ctx))
		s.repl = nil
	}
	s.giveBack(ctx)
	return errors.Join(errs...)
}

// quoteName quotes a name for the replication grammar.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func startCommand(c Config, from decode.LSN) string {
	return "START_REPLICATION SLOT " + quoteName(c.Slot) + " LOGICAL " + from.String() +
		` ("proto_version" '1', "publication_names" ` + quoteLiteral(quoteName(c.Publication)) + `, "messages" 'true')`
}

func quoteLiteral(text string) string {
	quoted := []byte{'\''}
	for i := range len(text) {
		if text[i] == '\'' {
			quoted = append(quoted, '\'')
		}
		quoted = append(quoted, text[i])
	}
	return string(append(quoted, '\''))
}
