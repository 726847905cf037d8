package cdc

import (
	"errors"
	"fmt"
)

// StateError says that the state which a sink holds is not the one that was committed: a part of it was lost or changed.
// Going on with it would report old rows as new, or miss what happened.
type StateError struct {
	Why        string
	Unreadable bool // the checkpoint itself is lost, so that only a copy of the state repairs it
}

func (e *StateError) Error() string {
	if e.Unreadable {
		return "the sink's state is damaged: " + e.Why + "; restore the sink from a copy"
	}
	return "the sink's state is damaged: " + e.Why +
		"; restore the sink from a copy, or, to read all rows anew behind a stream.gap, run: lowcap-cdc reconcile"
}

// VersionError says that a newer version of lowcap-cdc wrote a record of the state.
type VersionError struct{ Why string }

func (e *VersionError) Error() string {
	return e.Why + "; run the version of lowcap-cdc that wrote it, or a later one"
}

// CopyError says that a sink holds copied events, and not the state that would go on with them. To begin there would publish every
// row once more behind them.
type CopyError struct{}

func (*CopyError) Error() string {
	return "the sink holds events that replay has copied, without their state; name another sink, or, to go on from here, " +
		"finish the move with what it was begun with: lowcap-cdc replay --with-state"
}

func newerFormat(found, known byte) error {
	return &VersionError{fmt.Sprintf("it has format %d, and this version reads formats up to %d", found, known)}
}

// OtherSourceError says that a sink holds the history of another source than the one that is asked for: going on would
// publish every row a second time.
type OtherSourceError struct {
	What  string // slot, system, database or schema
	Holds string // what the sink's state is of
	Asked string // what was asked for
}

func (e *OtherSourceError) Error() string {
	moved := "where it is the same database, moved, upgraded, restored or renamed, run: lowcap-cdc reconcile --adopt; else "
	repair := map[string]string{"slot": "run with --slot " + e.Holds, "schema": "run with --schema " + e.Holds,
		"database": moved + "correct --postgres", "system": moved + "connect to the right server"}[e.What]
	return fmt.Sprintf("the sink's state is of %s %q, not of %q; %s, or give this %s topics of its own (--topic-prefix) or "+
		"a directory of its own (--sink file:DIR)", e.What, e.Holds, e.Asked, repair, e.What)
}

// IsPermanent reports whether trying again is useless until an operator has acted.
func IsPermanent(err error) bool {
	var damaged *StateError
	var other *OtherSourceError
	var newer *VersionError
	var copied *CopyError
	return errors.As(err, &damaged) || errors.As(err, &other) || errors.As(err, &newer) || errors.As(err, &copied)
}

// CheckSource returns an *OtherSourceError when the checkpoint is of another slot, system, database or schema. What either
// side does not know, because it is empty, is not compared: an older version wrote no schema. A claim without a snapshot is of its
// slot alone: nothing is known that another source could contradict.
func (c *Checkpoint) CheckSource(slot string, of Identity) error {
	if c.LSN == 0 && c.Events.Number == 0 {
		of = Identity{}
	}
	for _, part := range [...]struct{ what, holds, asked string }{{"slot", c.Slot, slot}, {"system", c.SystemID, of.SystemID},
		{"database", c.Database, of.Database}, {"schema", c.Schema, of.Schema}} {
		if part.holds != "" && part.asked != "" && part.holds != part.asked {
			return &OtherSourceError{part.what, part.holds, part.asked}
		}
	}
	return nil
}
