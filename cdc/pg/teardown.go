package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Teardown drops the slot and the publication where they are certainly this sidecar's own, and returns what it has
// dropped, also beside an error. Whatever else bears their names it leaves, with a permanent error that says why. owned says
// that the sink's state is of this slot: by its looks alone it may as well be of another program that reads pgoutput.
func Teardown(ctx context.Context, c Config, owned bool) (dropped []string, err error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was left undone on it
	if err := checkPrimary(ctx, conn); err != nil {
		return nil, err
	}
	gone, err := dropSlot(ctx, conn, c, owned)
	if gone {
		dropped = append(dropped, "slot "+c.Slot)
	}
	if err != nil {
		return dropped, err
	}
	if gone, err = dropPublication(ctx, conn, c); gone {
		dropped = append(dropped, "publication "+c.Publication)
	}
	return dropped, err
}

// letGo is how long a slot may be in use after its reader has ended: the server hears of that and lets go a little later.
const letGo = 3 * time.Second

// readLeftSlot reads the slot, again while a reader may be about to leave it.
func readLeftSlot(ctx context.Context, conn *pgx.Conn, name string) (slot slotState, exists bool, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); ; <-tick.C {
		slot, exists, err = readSlot(ctx, conn, name)
		if err != nil || slot.active == 0 || time.Since(begun) > letGo {
			return slot, exists, err
		}
	}
}

func dropSlot(ctx context.Context, conn *pgx.Conn, c Config, owned bool) (bool, error) {
	slot, exists, err := readLeftSlot(ctx, conn, c.Slot)
	switch {
	case err != nil || !exists:
		return false, err
	case !slot.isOurs(conn.Config().Database):
		return false, permanentf("%s; nothing was dropped; correct --slot or --postgres", slot.describe(c.Slot))
	case slot.active != 0:
		return false, permanentf("slot %q is in use by %s; nothing was dropped; stop the instance first", c.Slot, slot.user)
	case !owned:
		return false, permanentf("slot %q stays, for the sink holds no state of it: another program may read it; nothing was dropped; correct --slot or --sink, or, if nobody reads it, run: select pg_drop_replication_slot('%s')",
			c.Slot, c.Slot)
	}
	if _, err := conn.Exec(ctx, `select pg_drop_replication_slot($1)`, c.Slot); err != nil {
		return false, fmt.Errorf("drop slot %q: %s", c.Slot, message(err))
	}
	return true, nil
}

// dropPublication leaves a publication that brings more than the two tables or does not name them itself, and one that
// another slot may live from: the catalog does not say which publication a slot is read with.
func dropPublication(ctx context.Context, conn *pgx.Conn, c Config) (bool, error) {
	var foreign, slots string
	err := conn.QueryRow(ctx, `select case when p.puballtables then 'all tables' else coalesce((select string_agg(t.schemaname || '.' || t.tablename, ', '
			order by t.schemaname, t.tablename) from pg_publication_tables t where t.pubname = p.pubname and not (t.schemaname = $2 and t.tablename = any ($3) and exists (select from pg_publication_rel r
			where r.prpubid = p.oid and r.prrelid = format('%I.%I', t.schemaname, t.tablename)::regclass))), '') end,
		coalesce((select string_agg(s.slot_name, ', ' order by s.slot_name) from pg_replication_slots s
			where s.plugin = 'pgoutput' and s.database = current_database() and not s.temporary), '')
		from pg_publication p where p.pubname = $1`, c.Publication, c.Schema, Tables()).Scan(&foreign, &slots)
	drop := "drop publication " + pgx.Identifier{c.Publication}.Sanitize()
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read publication %q: %s", c.Publication, message(err))
	case foreign != "":
		return false, permanentf("publication %q stays, for it was not made by lowcap-cdc: it brings %s; if nobody reads it, run: %s", c.Publication, foreign, drop)
	case slots != "":
		return false, permanentf("publication %q stays, for other slots of this database may be read with it: %s; if none is, run: %s", c.Publication, slots, drop)
	}
	if _, err := conn.Exec(ctx, drop); err != nil {
		return false, permanentf("drop publication %q: %s; run as its owner: %s", c.Publication, message(err), drop)
	}
	return true, nil
}

// isOurs reports whether a sidecar of the database could have made the slot.
func (s *slotState) isOurs(database string) bool {
	return s.kind == "logical" && s.plugin == "pgoutput" && s.database == database
}

// describe says what kind of slot it is.
func (s *slotState) describe(name string) string {
	if s.kind != "logical" {
		return fmt.Sprintf("slot %q is a physical one, for a standby", name)
	}
	return fmt.Sprintf("slot %q is of plugin %q in database %q", name, s.plugin, s.database)
}
