package sink

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"lowcap-cdc/cdc"
)

// Stdout prints events, one line each, for looking: first the baseline of each row, then the stream. It remembers nothing, so
// every start begins with the baseline. Nobody may rely on what was printed: a line can be cut off by a crash.
type Stdout struct{ out *bufio.Writer }

// NewStdout returns a sink that prints to w.
func NewStdout(w io.Writer) *Stdout { return &Stdout{bufio.NewWriterSize(w, 1<<16)} }

// Resume loads nothing.
func (s *Stdout) Resume(context.Context, func(string, []byte) error) error { return nil }

// Commit prints the batch's events. It drops the state.
func (s *Stdout) Commit(ctx context.Context, batch *cdc.Batch) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("print events: %w", err)
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
