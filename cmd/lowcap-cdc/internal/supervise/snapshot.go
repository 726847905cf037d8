package supervise

import (
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink/kafka"
)

// snapshotLineEvery is how often a snapshot says how far it is.
const snapshotLineEvery = 10 * time.Second

// snapshotWatch follows a snapshot, and says while it runs that it will not fit into one transaction.
type snapshotWatch struct {
	log    zerolog.Logger
	limit  func() time.Duration // how long it may take; nil or 0 for as long as it likes
	begun  time.Time            // when its first part was written; zero while there is none
	spoke  time.Time
	first  uint64 // rows of that part
	warned bool
}

// observe follows a commit.
func (w *snapshotWatch) observe(p cdc.Progress, now time.Time) {
	switch {
	case !p.Snapshot:
		w.begun = time.Time{}
		return
	case w.begun.IsZero():
		w.begun, w.spoke, w.first, w.warned = now, now, p.Rows.Read, false
		return
	}
	passed, limit := now.Sub(w.begun), time.Duration(0)
	if w.limit != nil {
		limit = w.limit()
	}
	whole := passed
	if read := p.Rows.Read - w.first; read > 0 && p.Rows.Of > w.first {
		whole = time.Duration(float64(passed) * float64(p.Rows.Of-w.first) / float64(read))
	}
	if now.Sub(w.spoke) >= snapshotLineEvery {
		w.spoke = now
		w.log.Info().Uint64("rows", p.Rows.Read).Uint64("of", p.Rows.Of).Stringer("left", max(whole-passed, 0).Round(time.Second)).
			Msg("reading a snapshot")
	}
	if limit > 0 && whole > limit && !w.warned && passed >= min(snapshotLineEvery, limit/4) {
		w.warned = true
		w.log.Warn().Uint64("rows", p.Rows.Read).Uint64("of", p.Rows.Of).Stringer("takes", whole.Round(time.Second)).
			Stringer("allowed", limit).Msg("at this rate the snapshot will not fit into one Kafka transaction; " + kafka.RaiseTransactions(p.Rows, passed))
	}
}
