package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

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
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
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

// TestFileFollowedBehindRetention removes the segments that a slow reader is in, and those behind it: it goes on with the oldest that is
// there, and whoever counts sees what it missed.
func TestFileFollowedBehindRetention(t *testing.T) {
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{RotateSize: 1})
	for n := 1; n <= 3; n++ {
		commit(t, f, sequenced(n))
	}
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	last, third, isSlow := sequenced(7).Events, sequenced(3).Events, true
	var read [][]byte
	behind := 0
	err := newFile(t, dir, Options{}).ReadEvents(ctx, sink.Range{Follow: true}, func(e *sink.Stored) error {
		if read = append(read, e.Value); isSlow && bytes.Equal(e.Value, third[len(third)-1].Value) {
			isSlow, behind = false, len(read)
			for n := 4; n <= 7; n++ {
				commit(t, f, sequenced(n))
			}
			if err := f.archived(true); err != nil {
				return err
			}
			for _, s := range listed(t, dir)[:5] {
				if err := os.Remove(filepath.Join(dir, s.File)); err != nil {
					return err
				}
			}
		}
		if bytes.Equal(e.Value, last[len(last)-1].Value) {
			stop()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if oldest := sequenced(6).Events; !bytes.Equal(read[behind], oldest[0].Value) {
		t.Errorf("it went on with %s, want %s", read[behind], oldest[0].Value)
	}
}

// TestFileTwin leaves a segment in two forms that differ: this program reads the one, another perhaps the other.
func TestFileTwin(t *testing.T) {
	dir := rotated(t, 3)
	segment := listed(t, dir)[0]
	found := func() (findings []string) {
		take := func(finding string) { findings = append(findings, finding) }
		if err := newFile(t, dir, Options{}).CheckSegments(context.Background(), take); err != nil {
			t.Fatal(err)
		}
		return findings
	}
	text := sequencedUpTo(1)
	write(t, dir, segmentText(segment.FirstSequence), text)
	if findings := found(); len(findings) > 0 {
		t.Errorf("as a crash leaves it: %q", findings)
	}
	var forged bytes.Buffer
	zip := gzip.NewWriter(&forged)
	if _, err := zip.Write(bytes.Replace(text, []byte("0"), []byte("9"), 1)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"another text": forged.Bytes(), "no gzip": []byte("x"), "half": forged.Bytes()[:20]} {
		write(t, dir, segment.File, content)
		if findings := found(); len(findings) != 1 {
			t.Errorf("%s: %q", name, findings)
		}
	}
}

// TestFileUncommitted tells what stands behind the last commit.
func TestFileUncommitted(t *testing.T) {
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{})
	commit(t, f, sequenced(1))
	for _, more := range []int{0, 5} {
		write(t, dir, eventsName, append(content(t, dir, eventsName), make([]byte, more)...))
		if n, err := newFile(t, dir, Options{}).Uncommitted(); err != nil || n != int64(more) {
			t.Errorf("%d bytes, %v, want %d", n, err, more)
		}
	}
}
