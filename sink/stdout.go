package sink

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"lowcap-cdc/cdc"
)

// Stdout prints streamed events, one line each, for looking. It remembers nothing: every start begins with a snapshot,
// whose events it does not print.
//
// A snapshot is what arrives as batches with cdc.Batch.More set and the one without that ends them; no other
// transaction is delivered so. Nobody may rely on what was printed: a line can be cut off by a crash.
type Stdout struct {
	out      *bufio.Writer
	snapshot bool // the last batch had More set, so the next one belongs to the same snapshot
}

// NewStdout returns a sink that prints to w.
func NewStdout(w io.Writer) *Stdout { return &Stdout{out: bufio.NewWriterSize(w, 1<<16)} }

// Resume loads nothing.
func (s *Stdout) Resume(context.Context, func(string, []byte) error) error { return nil }

// Commit prints the batch's events unless they are part of a snapshot. It drops the state.
func (s *Stdout) Commit(ctx context.Context, batch *cdc.Batch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("print events: %w", err)
	}
	silent := s.snapshot || batch.More
	s.snapshot = batch.More
	if silent {
		return nil
	}
	for i := range batch.Events {
		// An error of a bufio.Writer stays: Flush returns it.
		_, _ = s.out.Write(batch.Events[i].Value)
		_ = s.out.WriteByte('\n')
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("print events: %w", err)
	}
	return nil
}

// Close does nothing; the writer is the caller's.
func (s *Stdout) Close() error { return nil }
