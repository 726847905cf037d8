package pg

import (
	"context"
	"time"

	"lowcap-cdc/decode"
)

// tickEvery is how often the time is told while something waits for it to pass.
const tickEvery = 10 * time.Second

// Await implements cdc.Source.
func (s *Source) Await(due decode.Micros) { s.due.Store(int64(due)) }

// tick writes the time into the WAL while something waits for it to pass: the commit of an empty message is an instant that
// is the same for every reader.
func (w *watcher) tick(ctx context.Context) error {
	if !w.due() || time.Since(w.ticked) < tickEvery {
		return nil
	}
	if err := w.permitted(emit(ctx, w.conn, decode.TickPrefix, "")); err != nil {
		return err
	}
	w.ticked = time.Now()
	return nil
}
