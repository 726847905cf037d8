package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Teardown drops the slot and the publication and returns what it has dropped, also beside an error. It does not touch
// a slot that somebody reads from.
func Teardown(ctx context.Context, c Config) (dropped []string, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	slot, exists, err := readSlot(ctx, conn, c.Slot)
	switch {
	case err != nil:
		return nil, err
	case exists && slot.active != 0:
		return nil, permanentf("slot %q is in use by %s; stop the instance first", c.Slot, slotPID(slot.active))
	case exists:
		if _, err := conn.Exec(ctx, `select pg_drop_replication_slot($1)`, c.Slot); err != nil {
			return nil, fmt.Errorf("drop slot %q: %s", c.Slot, message(err))
		}
		dropped = append(dropped, "slot "+c.Slot)
	}
	found, err := readCatalog(ctx, conn, c)
	if err != nil || found.publication == 0 {
		return dropped, err
	}
	sql := "drop publication " + pgx.Identifier{c.Publication}.Sanitize()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return dropped, permanentf("drop publication %q: %s; run as its owner: %s", c.Publication, message(err), sql)
	}
	return append(dropped, "publication "+c.Publication), nil
}
