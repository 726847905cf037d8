package settings

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/sink"
)

// The exit codes. They are part of the command line's contract and stand in its help.
const (
	ExitDone   = 0 // done, or stopped as told
	ExitFailed = 1 // failed; trying again may help
	ExitUsage  = 2 // the command line or the configuration is wrong
	ExitRepair = 3 // an operator must repair something first
)

// UsageError is a mistake in the command line or the configuration.
type UsageError struct{ err error }

// Usage marks an error as a mistake in the command line or the configuration.
func Usage(err error) *UsageError { return &UsageError{err} }

func (e *UsageError) Error() string { return e.err.Error() }
func (e *UsageError) Unwrap() error { return e.err }

// RepairError is an error that stays until an operator has acted.
type RepairError struct{ err error }

// Repair marks an error as one that stays until an operator has acted.
func Repair(err error) *RepairError { return &RepairError{err} }

func (e *RepairError) Error() string { return e.err.Error() }
func (e *RepairError) Unwrap() error { return e.err }

// CannotServe is why --http cannot be served at. An address that cannot be right is a mistake; one that somebody else has, or that
// this machine has not got yet, may be free or there soon: a service must be started again then.
func CannotServe(err error) error {
	err = fmt.Errorf("serve --http: %w", err)
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		return err
	}
	return Usage(err)
}

// ErrNotReady is what check ends with when a precondition fails; its lines have said which.
var ErrNotReady = errors.New("not ready")

// ExitCode returns the code that a verb ends with which failed with err.
func ExitCode(err error) int {
	var usage *UsageError
	switch {
	case errors.As(err, &usage):
		return ExitUsage
	case IsPermanent(err):
		return ExitRepair
	}
	return ExitFailed
}

// IsPermanent reports whether an error stays until an operator has acted.
func IsPermanent(err error) bool {
	var repair *RepairError
	return errors.As(err, &repair) || errors.Is(err, ErrNotReady) || errors.Is(err, os.ErrPermission) ||
		cdc.IsPermanent(err) || pg.IsPermanent(err) || sink.IsPermanent(err)
}
