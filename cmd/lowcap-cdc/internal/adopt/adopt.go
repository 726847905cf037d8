// Package adopt is reconcile --adopt: it makes another server the source of a history, when what that server holds speaks for it.
package adopt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/supervise"
	"lowcap-cdc/decode"
)

// Consent is what the operator has said beforehand.
type Consent struct {
	Yes    bool // do not ask
	EvenSo bool // also a server that has fewer than half of the known rows
}

// Run makes the server of v.Settings the source of the history that the sink holds, when what it holds speaks for it and the
// operator says so. It ends when the sink has all of it, and is run again when it was interrupted.
func Run(ctx context.Context, std *settings.Streams, c Consent, v *supervise.Supervisor) error {
	s := v.Settings
	state, damage, err := readHistory(ctx, s)
	if err != nil {
		return err
	}
	known := &state.Checkpoint
	stands, err := pg.Stand(ctx, s.Source(), known)
	if err != nil {
		return err
	}
	if stands.Way == pg.Goes && !unproved(known) {
		return nothingToAdopt(std, stands)
	}
	if user := stands.User(); user != "" {
		return settings.Repair(fmt.Errorf("%s reads from slot %q; stop it first", user, s.Slot))
	}
	if stands.Way != pg.Goes {
		if err := c.ask(ctx, s, std, state, stands, damage); err != nil {
			return err
		}
	}
	if v.Until, err = pg.Now(ctx, s.Source()); err != nil {
		return err
	}
	v.Adopt = true
	return v.Run(ctx)
}

func unproved(known *cdc.Checkpoint) bool { return known.Adoption != nil && known.Adoption.CameAlong }

// readHistory reads what the sink holds. A damaged state is told and used all the same: a reconcile believes none of its images.
func readHistory(ctx context.Context, s *settings.Settings) (state *cdc.State, damage, err error) {
	reader, done, err := s.Reader()
	if err != nil {
		return nil, nil, err
	}
	defer done()
	state = cdc.NewState()
	err = reader.ReadState(ctx, func(key string, value []byte) error {
		err := state.Load(key, value)
		if broken := new(cdc.StateError); errors.As(err, &broken) && !broken.Unreadable {
			damage = err
			return nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if state.Checkpoint.LSN == 0 {
		return nil, nil, settings.Repair(errors.New("the sink holds no history that could go on; run: lowcap-cdc run"))
	}
	return state, errors.Join(damage, state.Verify()), state.Checkpoint.CheckSource(s.Slot, cdc.Identity{})
}

// nothingToAdopt is for the server of the history itself.
func nothingToAdopt(std *settings.Streams, stands *pg.Standing) error {
	if lost := stands.Lost(); lost != "" {
		return settings.Repair(fmt.Errorf("this is the server of the history, and nothing is to be adopted; %s; run: lowcap-cdc reconcile", lost))
	}
	_, err := fmt.Fprintln(std.Out, "this is the server of the history: nothing is to be adopted; run goes on from it")
	return err
}

// ask shows both servers with what speaks for and against their being the same, refuses what is too unlike, and asks.
func (c Consent) ask(ctx context.Context, s *settings.Settings, std *settings.Streams, state *cdc.State, stands *pg.Standing, damage error) error {
	known := state.Checkpoint
	tables, err := compareRows(ctx, s, state)
	if err != nil && damage == nil {
		return err
	}
	printServers(std.Out, s.Slot, &known, stands)
	printLikeness(std.Out, tables, known.Time)
	total := tables[decode.Blocks]
	total.Known, total.Shared = total.Known+tables[decode.Positions].Known, total.Shared+tables[decode.Positions].Shared
	if damage = errors.Join(damage, err); damage != nil {
		fmt.Fprintf(std.Out, "%-24s %s\n", "against", settings.OneLine(damage.Error()))
	}
	if (damage != nil || 2*total.Shared < total.Known) && !c.EvenSo {
		return settings.Repair(fmt.Errorf("refused: of %d known rows this server has %d; connect to the right server, or, when you are certain, add --even-so",
			total.Known, total.Shared))
	}
	if c.Yes {
		return nil
	}
	return std.Confirm(s.Slot, "nothing was adopted")
}

// compareRows reads every row of the server and holds it against what is known.
func compareRows(ctx context.Context, s *settings.Settings, state *cdc.State) (tables [decode.Positions + 1]cdc.Resemblance, err error) {
	truth, err := pg.OpenTruth(ctx, s.Source())
	if err != nil {
		return tables, err
	}
	defer truth.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	return state.Resemble(truth.Next)
}

// printServers shows the server before and the new one.
func printServers(out io.Writer, slot string, known *cdc.Checkpoint, now *pg.Standing) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-24s %s\n", what, readable.Printable(fmt.Sprintf(format, args...)))
	}
	line("the history is of", "system %s, database %s, timeline %d, up to %s at %s, %d events", known.SystemID, known.Database, known.Timeline,
		known.LSN, moment(known.Time), known.Events.Number)
	line("this server is", "system %s, database %s, timeline %d, at %s at %s, Postgres %s", now.SystemID, now.Database, now.Timeline,
		now.WALEnd, now.At.UTC().Format(time.RFC3339), now.Version)
	if now.Why != nil {
		line("run refuses it", "%v", now.Why)
	}
	how := map[pg.Way]string{
		pg.Continues: "the stream goes on where it was, without a gap",
		pg.CameAlong: "it came along, the stream goes on from it; a gap is told only where rows are not as known",
		pg.Anew:      "a new slot is made, every row is compared, and stream.gap says what may be missing",
	}[now.Way]
	if now.Way == pg.Anew && known.HandedOver {
		how = "a new slot is made and every row compared; the server before was handed over, so a gap is told only where rows are not as known"
	}
	line("slot "+slot, "%s: %s", now.Slot, how)
	same := func(what, before, after string) {
		if before == after {
			line("for", "the same %s, %s", what, after)
		} else {
			line("against", "another %s, %s instead of %s", what, after, before)
		}
	}
	same("system", known.SystemID, now.SystemID)
	same("database name", known.Database, now.Database)
	if known.Schema != "" {
		same("schema", known.Schema, now.Schema)
	}
}

// printLikeness shows how much of what is known the server has.
func printLikeness(out io.Writer, tables [decode.Positions + 1]cdc.Resemblance, knownAt decode.Micros) {
	for _, t := range decode.Tables {
		r := tables[t]
		side := "for"
		if 2*r.Shared < r.Known || 2*r.Equal < r.Shared {
			side = "against"
		}
		fmt.Fprintf(out, "%-24s %s: %d rows known, %d there, %d of the known ones, %d of those as they are known; newest %s, known up to %s\n",
			side, t, r.Known, r.Found, r.Shared, r.Equal, moment(r.Newest), moment(knownAt))
	}
}

func moment(at decode.Micros) string {
	if at == 0 {
		return "none"
	}
	return at.UTC().Format(time.RFC3339)
}
