package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Sealer writes seals over what a sink holds. It only reads the sink, so whoever writes there need not hold its key.
//
// A witness is a sealer too: it checks the seals that someone else has made, and cosigns them.
type Sealer struct {
	Reader sink.Reader
	Key    *seal.Signer
	Log    string         // the file of seals; the frontiers stand beside it
	Cosign string         // of a witness: the file of seals that it checks; empty otherwise
	Of     *seal.Verifier // of a witness: the key of those seals
	Ways   []Way          // what they have kept must be what the log begins with
	Late   bool           // a new log may begin behind events that retention has removed

	reread time.Duration // for tests: the time before it looks again; 0 is the usual one
}

// SealedLog is a log after it was sealed.
type SealedLog struct {
	Log *seal.Log
	New int // seals that were appended
}

const (
	sealSlack = 10 * time.Minute // commit times run this little backwards; what is older comes with the second reading
	// stuckReadings must find the same number missing: the end of a transaction may take seconds where brokers come and go.
	stuckReadings = 5
	sealAttempts  = 3 // a broker shows the end of a transaction in one topic before it does in another
)

// Seal appends a seal over what came since the last one, if anything came. The error is ErrRefused when the events that are
// there do not extend the last seal, and ErrLog when the log was altered; nothing is written then.
func (s *Sealer) Seal(ctx context.Context) (*SealedLog, error) {
	lock, err := seal.Lock(s.Log)
	if err != nil {
		return nil, err
	}
	defer lock.Close() //nolint:errcheck // the lock is gone with it
	if s.Cosign != "" {
		return s.witness(ctx)
	}
	log, err := s.readLog(s.Key.Verifier)
	if err != nil {
		return nil, err
	}
	from, err := basisOf(log, log.Seals)
	if err == nil && log.Last() == nil && s.Late {
		from, err = s.beginning(ctx)
	}
	if err != nil {
		return nil, err
	}
	st, err := s.follow(ctx, from)
	if err != nil || st.at.Number <= from.lastSize() {
		return &SealedLog{Log: log}, err
	}
	c := &seal.Checkpoint{Origin: s.Key.Name(), Size: st.at.Number, Root: st.tree.Root(), Chain: st.at.Hash, LSN: st.lsn, Time: st.time,
		Begins: from.begins}
	signed, err := s.Key.Sign(c)
	if err != nil {
		return nil, fmt.Errorf("sign seal: %w", err)
	}
	return &SealedLog{log, 1}, log.Append(c, signed, &st.tree)
}

// readLog reads the log that is appended to. It must hold everything that it once gave away: a log that was rolled back would
// sign another history.
func (s *Sealer) readLog(by *seal.Verifier, witnesses ...*seal.Verifier) (*seal.Log, error) {
	log, err := seal.ReadLog(s.Log, by, witnesses...)
	for _, w := range s.Ways {
		if err == nil {
			err = w.Check(log)
		}
	}
	return log, err
}

// witness checks the seals that are new in the other's log, and cosigns them.
func (s *Sealer) witness(ctx context.Context) (*SealedLog, error) {
	own, err := s.readLog(s.Of, s.Key.Verifier)
	if err != nil {
		return nil, err
	}
	theirs, err := seal.ReadLog(s.Cosign, s.Of)
	if err == nil && theirs.Last() == nil && own.Last() == nil {
		err = fmt.Errorf("cosign: %s holds no seal; has anybody sealed to there yet, or is it another file?", s.Cosign)
	}
	if err != nil {
		return nil, err
	}
	fresh, err := theirs.After(own)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	from, err := basisOf(own, own.Seals)
	if err != nil || len(fresh) == 0 {
		return &SealedLog{Log: own}, err
	}
	if own.Last() == nil {
		from = behindAbsent(theirs.Begins())
	}
	from.behind = append(slices.Clip(from.behind), fresh...)
	st, err := s.follow(ctx, from)
	if err != nil {
		return nil, err
	}
	if st.passed < len(from.behind) {
		return nil, fmt.Errorf("%w: the events of seal %d are not there any more; a witness must see them", ErrRefused, fresh[0].Size)
	}
	if err := own.AppendFrontier(&st.held); err != nil {
		return nil, err
	}
	for i := range fresh {
		if err := s.cosign(own, theirs, &fresh[i]); err != nil {
			return nil, err
		}
	}
	return &SealedLog{own, len(fresh)}, nil
}

func (s *Sealer) cosign(own, theirs *seal.Log, c *seal.Seal) error {
	signed, err := theirs.Note(c)
	if err != nil {
		return err
	}
	_, opened, err := seal.Open(signed, s.Of)
	if err != nil {
		return err
	}
	both, err := s.Key.Cosign(opened, time.Now())
	if err != nil {
		return fmt.Errorf("cosign seal: %w", err)
	}
	return own.AppendNote(&c.Checkpoint, both)
}

// follow reads the events from a basis on and returns the start that extends its last seal. It looks again before it refuses,
// from the first event on, and where it left out what was committed meanwhile: that must have gone on by then.
func (s *Sealer) follow(ctx context.Context, from *basis) (*start, error) {
	since := time.Time{}
	if at, err := time.Parse(time.RFC3339Nano, from.base.Time); err == nil {
		since = at.Add(-sealSlack)
	}
	stuck, readings := uint64(0), 0
	for attempt, pause := 1, cmp.Or(s.reread, rereadAfter); ; attempt++ {
		st, err := s.read(ctx, from, since)
		switch {
		case errors.Is(err, ErrRefused):
			since, readings = time.Time{}, 0
		case err != nil || !st.moving:
			return st, err
		case st.at.Number+1 != stuck:
			stuck, readings = st.at.Number+1, 1
		case readings+1 == stuckReadings:
			return nil, fmt.Errorf("%w: number %d is missing, and later ones are there, which the checkpoint does not know", ErrRefused, stuck)
		default:
			readings++
			pause *= 2
		}
		if attempt >= sealAttempts && readings < 2 {
			return st, err
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (s *Sealer) read(ctx context.Context, from *basis, since time.Time) (*start, error) {
	x := newExtension(from.base, from.tree, from.behind)
	kept, err := s.Reader.Kept(ctx)
	if err != nil {
		return nil, err
	}
	// The checkpoint is read before the events: whatever it knows must then come.
	if x.origin, x.head, err = readHead(ctx, s.Reader); err != nil {
		return nil, err
	}
	err = s.Reader.ReadEvents(ctx, sink.Range{Since: since}, func(e *sink.Stored) error {
		a := e.Attributes()
		x.take(&a, e.Value)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	st, err := x.end(removes(kept))
	if err != nil && from.lastSize() == 0 && (removes(kept) || x.head.Number == 0) {
		return nil, fmt.Errorf("%w: %w; where retention has removed the first events, or this is a copy that begins later, run the same with --begin-late",
			ErrRefused, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w; look with: lowcap-cdc audit verify --seals %s --pub FILE.pub", ErrRefused, err, s.Log)
	}
	return st, nil
}

// basis is where a reading begins.
type basis struct {
	base   seal.Checkpoint // the zero one stands before the first event
	tree   seal.Frontier   // up to base
	behind []seal.Seal     // seals behind base, whose frontiers are not there
	begins uint64          // the number of the first event in the tree where that is not 1; else 0
}

func (b *basis) lastSize() uint64 {
	if n := len(b.behind); n > 0 {
		return b.behind[n-1].Size
	}
	return b.base.Size
}

// basisOf returns the newest of some seals whose frontier is there, with the seals behind it.
func basisOf(log *seal.Log, seals []seal.Seal) (*basis, error) {
	frontiers, err := log.Frontiers()
	if err != nil {
		return nil, err
	}
	for i := len(seals) - 1; i >= 0; i-- {
		if tree, ok := frontiers.Of(&seals[i].Checkpoint); ok {
			return &basis{seals[i].Checkpoint, tree, seals[i+1:], seals[i].Begins}, nil
		}
	}
	from := behindAbsent(log.Begins())
	from.behind = seals
	return from, nil
}

// readHead returns what the checkpoint knows: the source, and its last event.
func readHead(ctx context.Context, reader sink.Reader) (source string, head schemas.Chain, err error) {
	known, err := readCheckpoint(ctx, reader)
	if err != nil || known.Events.Number == 0 {
		return "", schemas.Chain{}, err
	}
	return known.Source(), known.Events, nil
}

// readCheckpoint returns the checkpoint, the zero one where a sink has none.
func readCheckpoint(ctx context.Context, reader sink.Reader) (*cdc.Checkpoint, error) {
	state := cdc.NewState()
	err := reader.ReadState(ctx, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return nil
		}
		return state.Load(key, value)
	})
	return &state.Checkpoint, err
}

// removes reports whether a sink has removed events, or may have.
func removes(kept []sink.Kept) bool {
	for _, k := range kept {
		if k.First > 0 || k.Compacted || k.Late {
			return true
		}
	}
	return false
}
