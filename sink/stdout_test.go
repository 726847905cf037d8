package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"lowcap-cdc/cdc"
)

// numbered is a batch of one event that says n.
func numbered(n int) *cdc.Batch {
	return &cdc.Batch{Events: []cdc.Event{{Value: fmt.Appendf(nil, `{"id":"%d"}`, n)}}}
}

func TestStdoutPrintsBaselineAndStream(t *testing.T) {
	var out bytes.Buffer
	s := NewStdout(&out)
	if err := s.Resume(context.Background(), func(string, []byte) error { return errors.New("loaded") }); err != nil {
		t.Fatal(err)
	}
	baseline := numbered(1)
	baseline.More = true
	for _, batch := range []*cdc.Batch{baseline, numbered(2), numbered(3)} {
		if err := s.Commit(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if want := "{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\"3\"}\n"; out.String() != want {
		t.Fatalf("printed\n%swant\n%s", out.String(), want)
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
