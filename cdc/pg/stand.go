package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

// Way is how a history may go on with a server.
type Way int

// The ways, from the one that needs nothing to the one that costs a gap.
const (
	Goes      Way = iota // it is the server of the history: run goes on
	Continues            // the server has another name or timeline, and all that the slot needs: the stream goes on where it was
	CameAlong            // another system, and the slot came along from the one before
	Anew                 // without the slot: a new one, and a snapshot that is compared with what is known
)

// Standing is how a server stands to a history.
type Standing struct {
	cdc.Identity
	Version string // the server's
	WALEnd  decode.LSN
	At      time.Time // the server's clock
	Slot    string    // what the server says of the slot, for a person
	Way     Way
	Why     error // why run does not go on; nil when it does

	slot        slotState
	exists      bool
	found       catalog
	resume      decode.Progress
	tables      decode.TableIDs
	publication uint32
}

// Stand looks how a server stands to the history that a sink holds. It changes nothing.
func Stand(ctx context.Context, c Config, known *cdc.Checkpoint) (*Standing, error) {
	repl, err := c.connectReplication(ctx)
	if err != nil {
		return nil, err
	}
	defer repl.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	return stand(ctx, c, repl, known)
}

func stand(ctx context.Context, c Config, repl *pgconn.PgConn, known *cdc.Checkpoint) (*Standing, error) {
	s, err := identify(ctx, repl, c)
	if err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if err := s.look(ctx, c, conn); err != nil {
		return nil, err
	}
	return s, s.judge(ctx, c, repl, known)
}

// adoptCommand is what makes another server that of a history.
const adoptCommand = "lowcap-cdc reconcile --adopt"

// checkHistory says whether run would go on with this server.
func checkHistory(ctx context.Context, c Config, known *cdc.Checkpoint) check.Finding {
	if known.SystemID == "" || known.LSN == 0 {
		return check.Finding{Name: "history", Severity: check.OK, Detail: "none is known: the sink holds no state, or could not be read"}
	}
	s, err := Stand(ctx, c, known)
	if err != nil {
		return finding("history", "", err, "psql with the same --postgres, as a role that may replicate")
	}
	return finding("history", fmt.Sprintf("of system %s, database %s, as this server", known.SystemID, known.Database), s.Why, adoptCommand)
}

// identify asks the server who it is.
func identify(ctx context.Context, repl *pgconn.PgConn, c Config) (*Standing, error) {
	system, err := c.identifySystem(ctx, repl)
	if err != nil {
		return nil, err
	}
	return &Standing{Identity: cdc.Identity{SystemID: system.SystemID, Timeline: system.Timeline, Database: system.DBName, Schema: c.Schema},
		WALEnd: decode.LSN(system.XLogPos)}, nil
}

// Lost returns why nothing can be read from the slot, empty when it can.
func (s *Standing) Lost() string {
	switch {
	case s.hasSlot():
		return ""
	case !s.exists:
		return "the slot does not exist any more"
	}
	return s.Slot
}

// User returns who reads from the slot, empty for nobody.
func (s *Standing) User() string {
	if s.exists && s.slot.active != 0 {
		return s.slot.user
	}
	return ""
}

// look asks the server for what a history could go on with.
func (s *Standing) look(ctx context.Context, c Config, conn *pgx.Conn) error {
	err := conn.QueryRow(ctx, `select clock_timestamp(), current_setting('server_version')`).Scan(&s.At, &s.Version)
	if err != nil {
		return fmt.Errorf("ask for the server's version: %s", message(err))
	}
	if s.slot, s.exists, err = readSlot(ctx, conn, c.Slot); err != nil {
		return err
	}
	if s.found, err = readCatalog(ctx, conn, c); err != nil {
		return err
	}
	s.Slot = fmt.Sprintf("slot %q is not there", c.Slot)
	switch {
	case !s.exists:
	case !s.slot.isOurs(s.Database):
		s.Slot = s.slot.describe(c.Slot)
	case s.slot.lost() != "":
		s.Slot = fmt.Sprintf("slot %q is lost: %s", c.Slot, s.slot.lost())
	default:
		s.Slot = fmt.Sprintf("slot %q stands at %s", c.Slot, s.slot.confirmed)
	}
	return nil
}

// judge decides on the way.
func (s *Standing) judge(ctx context.Context, c Config, repl *pgconn.PgConn, known *cdc.Checkpoint) error {
	s.Why = known.CheckSource(c.Slot, s.Identity)
	if s.Why == nil {
		var broken error
		if s.Why, broken = restored(ctx, repl, known, s.Identity, s.WALEnd); broken != nil {
			return broken
		}
	}
	sameSystem := known.SystemID == "" || known.SystemID == s.SystemID
	switch {
	case known.Adoption.IsOf(s.Identity) && !known.Adoption.CameAlong:
		s.Way, s.Why = Anew, permanentf("the adoption of this server was begun and has not ended; run: "+adoptCommand)
	case s.Why == nil && (known.Timeline == s.Timeline || known.LSN == 0):
		s.Way = Goes
	case sameSystem && s.continues(ctx, c, repl, known):
		s.Way, s.resume = Continues, decode.Progress{LSN: known.LSN, Time: known.Time}
		for t, table := range known.Tables {
			s.tables[t] = table.ID
		}
		s.publication = known.Publication
	case !sameSystem && s.cameAlong(c, known):
		s.Way, s.resume = CameAlong, decode.Progress{LSN: s.slot.confirmed, Time: decode.Micros(s.At.UnixMicro())}
		for _, t := range decode.Tables {
			s.tables[t] = s.found.tables[t].id
		}
		s.publication = s.found.version
	default:
		s.Way = Anew
	}
	return nil
}

// continues reports whether the server, which is the known one under another name or on another timeline, has everything that
// the stream needs to go on where it was.
func (s *Standing) continues(ctx context.Context, c Config, repl *pgconn.PgConn, known *cdc.Checkpoint) bool {
	lost, err := restored(ctx, repl, known, s.Identity, s.WALEnd)
	return err == nil && lost == nil && known.LSN != 0 && (known.Schema == "" || known.Schema == s.Schema) &&
		s.hasSlot() && s.slot.confirmed <= known.LSN && s.found.checkPublished(c, known.Publication) == nil
}

// cameAlong reports whether pg_upgrade brought the slot along, as it does from 17 on: only where everything was read from it
// before, so that it stands where the server before has ended. The same name alone proves nothing, since somebody may have
// made a slot on a copy ahead of time, and its stream would tell again what is known. pg_upgrade keeps the tables' numbers and
// never goes back in the WAL.
func (s *Standing) cameAlong(c Config, known *cdc.Checkpoint) bool {
	if !s.hasSlot() || s.slot.confirmed <= known.LSN || known.LSN == 0 || known.Reconcile != "" || s.found.checkPublished(c, 0) != nil {
		return false
	}
	if known.Adoption != nil && known.Adoption.To.SystemID == s.SystemID {
		return false // it is the adoption's own, which has not ended
	}
	for _, t := range decode.Tables {
		if id := known.Tables[t].ID; id.OID != 0 && s.found.tables[t].id.OID != id.OID {
			return false
		}
	}
	return true
}

// hasSlot reports whether the slot is there and can be read from.
func (s *Standing) hasSlot() bool {
	return s.exists && s.slot.isOurs(s.Database) && s.slot.lost() == ""
}

// restored returns why the server does not have what was published, nil when it has.
func restored(ctx context.Context, repl *pgconn.PgConn, known *cdc.Checkpoint, found cdc.Identity, walEnd decode.LSN) (why, err error) {
	switch {
	case known.SystemID == "" || known.LSN == 0 || known.SystemID != found.SystemID:
		return nil, nil
	case found.Timeline < known.Timeline:
		return permanentf("the server is on timeline %d, the sink's state is of timeline %d: it was restored to an earlier point; %s",
			found.Timeline, known.Timeline, restoredAdvice), nil
	case walEnd < known.LSN:
		return permanentf("the server's WAL ends at %s, before the sink's checkpoint %s: it was restored to an earlier point; %s",
			walEnd, known.LSN, restoredAdvice), nil
	case found.Timeline == known.Timeline:
		return nil, nil
	}
	history, err := pglogrepl.TimelineHistory(ctx, repl, found.Timeline)
	if err != nil {
		return nil, fmt.Errorf("read history of timeline %d: %s", found.Timeline, message(err))
	}
	if end, ended := endOfTimeline(string(history.Content), known.Timeline); !ended || end < known.LSN {
		return permanentf("the server is on timeline %d, which left timeline %d at %s, before the sink's checkpoint %s: it has lost changes that were published; %s",
			found.Timeline, known.Timeline, end, known.LSN, restoredAdvice), nil
	}
	return nil, nil
}

const restoredAdvice = "to go on from what it has now, run: " + adoptCommand
