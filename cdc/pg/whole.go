package pg

import (
	"context"

	"lowcap-cdc/decode"
)

// checkWhole makes sure, where the configuration asks for it, that no table has left the stream unseen: nobody watches while a server
// is handed over, and what came and went in such a table would be handed over as if it had been told.
func (s *Source) checkWhole(ctx context.Context) error {
	if !s.config.Whole {
		return nil
	}
	conn, err := s.config.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	found, err := readCatalog(ctx, conn, s.config)
	if err != nil {
		return err
	}
	for _, t := range decode.Tables {
		known, now := s.tables.get(t), &found.tables[t]
		if !known.Missing && !now.isIn(known.ID) {
			return permanentf("table %s has left the stream (%s), and that is not told yet, so the server cannot be handed over; run: lowcap-cdc run, "+
				"until it has published table.present for it", s.config.table(t), whyGone(known.ID, now))
		}
	}
	return nil
}
