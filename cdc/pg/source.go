package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// Source reads the two tables from a Postgres server. It implements cdc.Source.
type Source struct {
	config   Config
	decoder  *decode.Decoder
	repl     *pgconn.PgConn // until the stream takes its socket over
	snapshot *snapshot      // while one is read
	stream   *stream        // after it
	identity cdc.Identity
	inside   bool // inside a transaction
	progress decode.Progress
}

// New returns a source; it does not connect.
func New(config Config) *Source {
	return &Source{config: config, decoder: decode.NewDecoder(config.Schema)}
}

// Start implements cdc.Source.
func (s *Source) Start(ctx context.Context, start cdc.Start) (cdc.Identity, error) {
	var err error
	if s.repl, err = s.config.connectReplication(ctx); err != nil {
		return cdc.Identity{}, err
	}
	system, err := pglogrepl.IdentifySystem(ctx, s.repl)
	if err != nil {
		return cdc.Identity{}, fmt.Errorf("identify system: %s", message(err))
	}
	s.identity = cdc.Identity{SystemID: system.SystemID, Timeline: system.Timeline, Database: system.DBName}
	if err := checkIdentity(start.Known, s.identity); err != nil {
		return cdc.Identity{}, err
	}
	if err := ensurePublication(ctx, s.config); err != nil {
		return cdc.Identity{}, err
	}
	if start.Resume == 0 {
		return s.identity, s.startSnapshot(ctx, start)
	}
	if err := s.checkSlot(ctx, start.Resume, system.XLogPos); err != nil {
		return cdc.Identity{}, err
	}
	return s.identity, s.startStream(ctx, start.Resume)
}

func checkIdentity(known, found cdc.Identity) error {
	switch {
	case known.SystemID == "":
		return nil
	case known.SystemID != found.SystemID:
		return permanentf("the sink's state is of system %s, this server is %s; connect to the right server, or choose another --slot and --topic-prefix for this one",
			known.SystemID, found.SystemID)
	case known.Database != found.Database:
		return permanentf("the sink's state is of database %q, --postgres names %q; correct --postgres", known.Database, found.Database)
	case found.Timeline < known.Timeline:
		return permanentf("the server is on timeline %d, the sink's state is of timeline %d: it was restored to an earlier point", found.Timeline, known.Timeline)
	}
	return nil
}

func (s *Source) startSnapshot(ctx context.Context, start cdc.Start) error {
	if err := s.makeWay(ctx, start.Owned); err != nil {
		return err
	}
	if err := start.Claim(ctx, s.identity); err != nil {
		return fmt.Errorf("claim slot %q: %w", s.config.Slot, err)
	}
	slot, err := pglogrepl.CreateReplicationSlot(ctx, s.repl, quoteName(s.config.Slot), "pgoutput", pglogrepl.CreateReplicationSlotOptions{
		Temporary: s.config.Temporary, SnapshotAction: "EXPORT_SNAPSHOT", Mode: pglogrepl.LogicalReplication})
	if err != nil {
		return s.explainSlot("create", err)
	}
	point, err := parseLSN(slot.ConsistentPoint)
	if err != nil {
		return err
	}
	s.snapshot, err = openSnapshot(ctx, s.config, slot.SnapshotName, point)
	return err
}

func (s *Source) startStream(ctx context.Context, from decode.LSN) error {
	hijacked, err := s.repl.Hijack()
	if err != nil {
		return fmt.Errorf("take over the replication connection: %w", err)
	}
	s.repl = nil
	s.stream, err = openStream(ctx, s.config, hijacked.Conn, from)
	if err != nil {
		return s.explainSlot("start", err)
	}
	return nil
}

// Next implements cdc.Source.
func (s *Source) Next(ctx context.Context) (decode.Message, error) {
	if s.snapshot != nil {
		message, err := s.snapshot.next()
		if err != nil || message != nil {
			return message, err
		}
		point := s.snapshot.point
		if err := s.snapshot.close(ctx); err != nil {
			return nil, err
		}
		s.snapshot = nil
		if err := s.startStream(ctx, point); err != nil {
			return nil, err
		}
	}
	frame, err := s.stream.next(ctx)
	if err != nil {
		return nil, err
	}
	return s.decode(frame)
}

// decode turns a frame into a message, nil when it says nothing.
func (s *Source) decode(f frame) (decode.Message, error) {
	if f.data == nil {
		if s.inside || f.walEnd == 0 {
			return nil, nil
		}
		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}
		return &s.progress, nil
	}
	message, err := s.decoder.Decode(f.data)
	switch message.(type) {
	case *decode.Begin:
		s.inside = true
	case *decode.Commit:
		s.inside = false
	}
	return message, err
}

// Buffered implements cdc.Source.
func (s *Source) Buffered() bool {
	return s.snapshot != nil || (s.stream != nil && s.stream.buffered())
}

// Confirm implements cdc.Source.
func (s *Source) Confirm(lsn decode.LSN) {
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
	if s.snapshot != nil {
		errs = append(errs, s.snapshot.close(ctx))
		s.snapshot = nil
	}
	if s.stream != nil {
		s.stream.close()
		s.stream = nil
	}
	if s.repl != nil {
		errs = append(errs, s.repl.Close(ctx))
		s.repl = nil
	}
	return errors.Join(errs...)
}

// quoteName quotes a slot's name for the replication grammar.
func quoteName(name string) string { return `"` + name + `"` }

func startCommand(c Config, from decode.LSN) string {
	return "START_REPLICATION SLOT " + quoteName(c.Slot) + " LOGICAL " + from.String() +
		` ("proto_version" '1', "publication_names" ` + quoteLiteral(`"`+c.Publication+`"`) + `, "messages" 'true')`
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

// slotPID names the backend that uses a slot, for a message.
func slotPID(pid int32) string {
	if pid == 0 {
		return "another process"
	}
	return "process " + strconv.Itoa(int(pid))
}
