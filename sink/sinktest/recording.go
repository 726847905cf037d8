package sinktest

import (
	"bytes"
	"context"
	"os"
	"slices"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// Recorded returns the events of a file of structured JSON, one a line, as they were committed. Each must be just what the
// contract says.
func Recorded(path string) (events []cdc.Event, err error) {
	lines, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(lines) {
		event, err := schemas.ParseStrict(nil, bytes.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		events = append(events, cdc.Event{Attributes: event.Attributes, Value: bytes.TrimSpace(line)})
	}
	return events, nil
}

// Fill commits events to a sink, some at a time, and closes it.
func Fill(ctx context.Context, to cdc.Sink, events []cdc.Event, atATime int) error {
	if err := to.Resume(ctx, func(string, []byte) error { return nil }); err != nil {
		return err
	}
	for batch := range slices.Chunk(events, atATime) {
		if err := to.Commit(ctx, &cdc.Batch{Events: batch}); err != nil {
			return err
		}
	}
	return to.Close()
}
