package sink

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"lowcap-cdc/cdc"
)

func TestStdoutPrintsStreamedEventsOnly(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out)
	if err := s.Resume(context.Background(), func(string, []byte) error { return errors.New("loaded") }); err != nil {
		t.Fatal(err)
	}
	part, end := numbered(7), numbered(8)
	part.More = true
	for _, batch := range []*cdc.Batch{part, part, end, numbered(1), numbered(2)} {
		if err := s.Commit(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), linesUpTo(2)) {
		t.Fatalf("printed\n%swant\n%s", out.Bytes(), linesUpTo(2))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestStdoutReturnsWriteErrors(t *testing.T) {
	if err := NewStdout(brokenPipe{}).Commit(context.Background(), numbered(1)); err == nil {
		t.Fatal("an event that could not be printed was committed")
	}
}
