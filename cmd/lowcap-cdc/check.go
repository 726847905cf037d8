package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

type checkCommand struct {
	JSON bool `help:"Print it as JSON." name:"json"`
}

// checked is what check prints as JSON.
type checked struct {
	Ready    bool            `json:"ready"`
	Findings []check.Finding `json:"findings"`
}

// checker is a sink that can say whether it will work. It hands the state that it holds to load.
type checker interface {
	Check(ctx context.Context, load func(key string, value []byte) error) []check.Finding
}

// Run prints a line for each precondition.
func (c *checkCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if err := s.Require(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	findings, err := findingsOf(ctx, s, std)
	if err != nil {
		return err
	}
	failed := countFailed(findings)
	if c.JSON {
		err = readable.PrintJSON(std.Out, checked{failed == 0, findings})
	} else {
		err = printFindings(std.Out, findings)
	}
	if failed > 0 {
		return errors.Join(err, fmt.Errorf("%d of the checks failed: %w", failed, settings.ErrNotReady))
	}
	return err
}

func countFailed(findings []check.Finding) (failed int) {
	for _, f := range findings {
		if f.Severity != check.OK && f.Severity != check.Warn {
			failed++
		}
	}
	return failed
}

// findingsOf looks at both ends of the stream.
func findingsOf(ctx context.Context, s *settings.Settings, std *settings.Streams) ([]check.Finding, error) {
	to, err := s.OpenSink(std.Out)
	if err != nil {
		return nil, err
	}
	defer to.Close() //nolint:errcheck // nothing was committed
	var ofSink []check.Finding
	var state stateFound
	if c, ok := to.(checker); ok { // else it keeps nothing
		held := &held{state: cdc.NewState()}
		if ofSink = c.Check(ctx, held.load); countFailed(ofSink) == 0 {
			state = held.judge(ctx, s)
		}
	}
	findings := append(pg.Check(ctx, s.Source(), &state.known), ofSink...)
	if countFailed(findings) == 0 { // else nothing can be measured
		findings = append(findings, checkSnapshot(ctx, s, to)...)
	}
	if state.held {
		findings = append(findings, state.finding)
	}
	return findings, nil
}

func printFindings(out io.Writer, findings []check.Finding) error {
	for _, f := range findings {
		word, repair := "FAIL", ""
		switch f.Severity {
		case check.OK:
			word = "ok"
		case check.Warn:
			word = "warn"
		}
		if f.Severity != check.OK && f.Repair != "" {
			repair = "; run: " + f.Repair
		}
		line := fmt.Sprintf("%-5s %-28s %s%s", word, f.Name, f.Detail, repair)
		if _, err := fmt.Fprintln(out, readable.Printable(line)); err != nil {
			return err
		}
	}
	return nil
}

// stateFound is what check finds of the state that a sink holds.
type stateFound struct {
	finding check.Finding
	held    bool           // there is a state
	known   cdc.Checkpoint // what it is of
}

// held is the state that a sink holds, as a check reads it.
type held struct {
	state *cdc.State
	err   error // why some of it could not be read; the first counts
}

// load takes in a record. What is wrong with it is judged at the end.
func (h *held) load(key string, value []byte) error {
	h.err = cmp.Or(h.err, h.state.Load(key, value))
	return nil
}

// judge says whether the state that the sink holds, if it holds one, is whole and of this slot and schema.
func (h *held) judge(ctx context.Context, s *settings.Settings) (found stateFound) {
	state, err := h.state, h.err
	if found.known = state.Checkpoint; err == nil {
		err = errors.Join(found.known.CheckSource(s.Slot, cdc.Identity{Schema: s.Schema}), state.Verify())
	}
	if err == nil {
		err = lostState(ctx, s, &state.Checkpoint)
	}
	rows, _ := state.Images()
	found.finding = check.Finding{Name: "state", Severity: check.OK, Detail: fmt.Sprintf("%d rows known", rows)}
	found.held = err == nil && rows > 0
	if cdc.IsPermanent(err) {
		found.finding, found.held = check.Finding{Name: "state", Severity: check.Fail, Detail: err.Error(), Repair: "lowcap-cdc reconcile"}, true
	}
	if copied := new(cdc.CopyError); errors.As(err, &copied) {
		found.finding.Repair = "lowcap-cdc replay --with-state, with the --sink that was copied from"
	}
	if other := new(cdc.OtherSourceError); errors.As(err, &other) {
		found.finding.Repair = "lowcap-cdc check --" + other.What + " " + other.Holds
	}
	if lost := new(lostStateError); errors.As(err, &lost) {
		found.finding, found.held = check.Finding{Name: "state", Severity: check.Fail, Detail: err.Error(),
			Repair: fmt.Sprintf(`psql -c "select pg_drop_replication_slot('%s')", when no other sink uses it`, lost.slot)}, true
	}
	return found
}

// lostStateError says that a slot is there while the sink knows nothing of it: its state is gone, or the sink is another one.
type lostStateError struct{ slot string }

func (e *lostStateError) Error() string {
	return fmt.Sprintf("slot %q exists, but the sink holds no state for it: it was lost, or another sink uses the slot", e.slot)
}

// lostState returns a lostStateError where a run would refuse to begin. What Postgres does not answer is no such error.
func lostState(ctx context.Context, s *settings.Settings, known *cdc.Checkpoint) error {
	if known.Slot != "" {
		return nil
	}
	server := pg.NewInspector(s.Source())
	defer server.Close()
	if inspection, err := server.Inspect(ctx); err == nil && inspection.Exists {
		return &lostStateError{s.Slot}
	}
	return nil
}
