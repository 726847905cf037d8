package file

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"lowcap-cdc/sink"
)

// TestFileRotatedWhileRead rotates twice in the midst of a reader's look: it sees everything up to some commit, once.
func TestFileRotatedWhileRead(t *testing.T) {
	for point, want := range map[string]int{pointLog: 5, pointSegments: 3} {
		t.Run(point, func(t *testing.T) {
			dir, passed := t.TempDir(), false
			f, _ := resumed(t, dir, Options{RotateSize: 1})
			for n := 1; n <= 3; n++ {
				commit(t, f, sequenced(n))
			}
			reader := newFile(t, dir, Options{Hook: func(at string) error {
				if at != point || passed {
					return nil
				}
				passed = true
				return errors.Join(f.Commit(context.Background(), sequenced(4)), f.Commit(context.Background(), sequenced(5)))
			}})
			var text []byte
			err := reader.ReadEvents(context.Background(), sink.Range{}, func(e *sink.Stored) error {
				text = append(append(text, e.Value...), '\n')
				return nil
			})
			if err != nil || !bytes.Equal(text, sequencedUpTo(want)) {
				t.Errorf("%v: read\n%swant\n%s", err, text, sequencedUpTo(want))
			}
		})
	}
}

// TestFileFollowed reads while every commit rotates, and misses and doubles nothing.
func TestFileFollowed(t *testing.T) {
	const n = 60
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	commit(t, f, sequenced(1))
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	var text []byte
	read, followed := make(chan error, 1), newFile(t, dir, Options{})
	begun, want := make(chan struct{}), sequencedUpTo(n)
	go func() {
		read <- followed.ReadEvents(ctx, sink.Range{Follow: true}, func(e *sink.Stored) error {
			if text == nil {
				close(begun)
			}
			if text = append(append(text, e.Value...), '\n'); len(text) >= len(want) {
				stop()
			}
			return nil
		})
	}()
	<-begun
	for i := 2; i <= n; i++ {
		commit(t, f, sequenced(i))
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("followed\n%swant\n%s", text, want)
	}
}
