package file

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/klauspost/compress/gzip"

	"lowcap-cdc/sink"
)

// smallSink is a small sink of every kind of file, and what it holds.
type smallSink struct {
	files  map[string][]byte
	events []byte
	state  map[string]string
	kept   []sink.Kept
}

func newSmallSink(t *testing.T) *smallSink {
	t.Helper()
	dir := rotated(t, 3)
	d := &smallSink{files: make(map[string][]byte)}
	f, _ := resumed(t, dir, Options{})
	commit(t, f, sequenced(4)) // a second commit in events.jsonl
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		d.files[entry.Name()] = content(t, dir, entry.Name())
	}
	delete(d.files, listed(t, dir)[0].File) // retention
	remove(t, dir, listed(t, dir)[0].File)
	if d.kept, err = newFile(t, dir, Options{}).Kept(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.events, d.state = lines(t, dir), map[string]string{"checkpoint": "4"}
	return d
}

// put writes the sink's files into dir, one of them with other content.
func (d *smallSink) put(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	for other, whole := range d.files {
		if other != name {
			write(t, dir, other, whole)
		}
	}
	write(t, dir, name, text)
}

// read is what audit verify and status do: every segment, every event, the state.
func (d *smallSink) read(t *testing.T, dir string) (whole bool, err error) {
	t.Helper()
	f := newFile(t, dir, Options{})
	var events []byte
	var found error
	err = f.CheckSegments(context.Background(), func(finding string) {
		found = errors.Join(found, errors.New(finding), sink.ErrCorrupt)
	})
	if err != nil || found != nil {
		return false, errors.Join(err, found)
	}
	err = f.ReadEvents(context.Background(), sink.Range{}, func(e *sink.Stored) error {
		events = append(append(events, e.Value...), '\n')
		return nil
	})
	if err != nil {
		return false, err
	}
	state := make(map[string]string)
	err = f.ReadState(context.Background(), func(key string, value []byte) error {
		state[key] = string(value)
		return nil
	})
	if err != nil {
		return false, err
	}
	kept, err := f.Kept(context.Background())
	return slices.Equal(kept, d.kept) && bytes.Equal(events, d.events) && maps.Equal(state, d.state), err
}

// TestEveryFlippedBit flips two bits of each byte of each file of a sink, one at a time. A reader of everything refuses it as
// damage, or reads everything as it was.
func TestEveryFlippedBit(t *testing.T) {
	d, dir := newSmallSink(t), t.TempDir()
	for name, whole := range d.files {
		d.put(t, dir, name, whole)
		for at := range whole {
			for _, bit := range []int{at % 8, (at + 4) % 8} {
				text := bytes.Clone(whole)
				text[at] ^= 1 << bit
				write(t, dir, name, text)
				if same, err := d.read(t, dir); !same && !errors.Is(err, sink.ErrCorrupt) {
					t.Fatalf("%s, byte %d, bit %d: read over, error %v", name, at, bit, err)
				}
			}
		}
	}
}

// TestDamageIsReadBehind damages each kind of file in each kind of way: who handles damage is told of it, and gets every event
// that is still there; everybody else gets an error.
func TestDamageIsReadBehind(t *testing.T) {
	d := newSmallSink(t)
	segment := ""
	for name := range d.files {
		if strings.HasSuffix(name, zipSuffix) {
			segment = name
		}
	}
	const all = 9
	in := func(name string, change func([]byte) []byte) func(string) {
		return func(dir string) { write(t, dir, name, change(bytes.Clone(d.files[name]))) }
	}
	insert := func(at int, what []byte) func([]byte) []byte {
		return func(text []byte) []byte { return slices.Insert(text, at, what...) }
	}
	second := bytes.IndexByte(d.files[eventsName], '\n') + 1
	for name, c := range map[string]struct {
		damage func(dir string)
		events int
	}{
		"a flipped bit in a text":        {in(eventsName, func(b []byte) []byte { b[bytes.Index(b, []byte("trading"))] ^= 1; return b }), all},
		"a bit that ends an event":       {in(eventsName, func(b []byte) []byte { b[second-1] ^= 1; return b }), all - 2},
		"a foreign line":                 {in(eventsName, insert(second, []byte("hello\n"))), all},
		"a foreign first line":           {in(eventsName, insert(0, []byte("{}\n"))), all},
		"an empty line":                  {in(eventsName, insert(second, []byte("\n"))), all},
		"a line of 65 MB":                {in(eventsName, insert(second, append(make([]byte, 65<<20), '\n'))), all},
		"a lost end":                     {in(eventsName, func(b []byte) []byte { return b[:len(b)-1] }), all - 1},
		"no events.jsonl":                {func(dir string) { remove(t, dir, eventsName) }, 3},
		"a broken state.log":             {in(stateName, func(b []byte) []byte { b[logHeader] ^= 1; return b }), all},
		"another state.log":              {in(stateName, func([]byte) []byte { return []byte("hello") }), all},
		"no state.log":                   {func(dir string) { remove(t, dir, stateName) }, all},
		"a state.log that is a pipe":     {pipe(t, stateName), all},
		"an events.jsonl that is a pipe": {pipe(t, eventsName), 3},
		"a manifest that is a pipe":      {pipe(t, manifestName), all},
		"a segment that is a pipe":       {pipe(t, segment), all - 3},
		"a segment that is a directory":  {func(dir string) { remove(t, dir, segment); makeDirectory(t, dir, segment) }, all - 3},
		"an empty state.log":             {in(stateName, func([]byte) []byte { return nil }), all},
		"a broken manifest":              {in(manifestName, func(b []byte) []byte { b[len(b)-9] ^= 1; return b }), all},
		"no manifest":                    {func(dir string) { remove(t, dir, manifestName) }, all},
		"no segment":                     {func(dir string) { write(t, dir, listedFirst(d), nil); remove(t, dir, segment) }, all - 3},
		"a segment that is no gzip":      {in(segment, func([]byte) []byte { return []byte("hello") }), all - 3},
		"a segment cut short":            {in(segment, func(b []byte) []byte { return b[:len(b)-9] }), all},
		"a segment of 1 GB":              {func(dir string) { write(t, dir, segment, bomb(t)) }, all - 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d.put(t, dir, stateName, d.files[stateName])
			c.damage(dir)
			events, told := 0, 0
			count := func(*sink.Stored) error { events++; return nil }
			if err := newFile(t, dir, Options{}).ReadEvents(t.Context(), sink.Range{}, count); !errors.Is(err, sink.ErrCorrupt) {
				t.Errorf("the damage is read over: %v", err)
			}
			events = 0
			damaged := func(err error) error {
				told++
				if !errors.Is(err, sink.ErrCorrupt) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is no line of damage", err)
				}
				return nil
			}
			err := newFile(t, dir, Options{Damaged: damaged}).ReadEvents(t.Context(), sink.Range{}, count)
			if err != nil || events != c.events || told == 0 || told > 3 {
				t.Errorf("%d events, want %d, damage told %d times, error %v", events, c.events, told, err)
			}
		})
	}
}

// pipe puts a pipe in the place of a file: whoever opens that waits for a writer.
func pipe(t *testing.T, name string) func(dir string) {
	return func(dir string) {
		remove(t, dir, name)
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func makeDirectory(t *testing.T, dir, name string) {
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

// listedFirst is the file of the segment that retention has removed.
func listedFirst(d *smallSink) string {
	line, _, _ := bytes.Cut(d.files[manifestName], []byte("\n"))
	s, _ := parseLine(append(line, '\n'))
	return s.File
}

// bomb is a small file that unpacks to a gigabyte.
func bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	for range 1024 {
		if _, err := zip.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestEveryFlippedBitEndsTheRun flips a bit of each byte. A run that begins there continues exactly where it was, or
// refuses and has changed nothing; what it does not read, it leaves alone.
func TestEveryFlippedBitEndsTheRun(t *testing.T) {
	d, dir := newSmallSink(t), t.TempDir()
	for name, whole := range d.files {
		for at := range whole {
			text := bytes.Clone(whole)
			text[at] ^= 1 << (at % 8)
			d.put(t, dir, name, text)
			f := newFile(t, dir, Options{})
			state, err := load(f)
			_ = f.Close()
			switch {
			case err != nil && !errors.Is(err, sink.ErrCorrupt):
				t.Fatalf("%s, byte %d: %v", name, at, err)
			case err == nil && !maps.Equal(state, d.state):
				t.Fatalf("%s, byte %d: loaded %v", name, at, state)
			}
			for name, want := range d.files {
				if name == stateName && err == nil {
					continue // it may have been written anew
				}
				if is := content(t, dir, name); !bytes.Equal(is, want) && !bytes.Equal(is, text) {
					t.Fatalf("byte %d flipped: %s was changed from %d to %d bytes", at, name, len(want), len(is))
				}
			}
		}
	}
}

// TestLostCommitIsDamage cuts the log where a commit ends, and within one: what was committed may not get lost in silence.
func TestLostCommitIsDamage(t *testing.T) {
	dir := t.TempDir()
	f, _ := resumed(t, dir, Options{})
	var ends []int64
	for n := 1; n <= 3; n++ {
		commit(t, f, sequenced(n))
		ends = append(ends, f.log.offset)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	state := content(t, dir, stateName)
	for _, cut := range []int64{ends[0], ends[1], ends[1] + 1, ends[2] - 1} {
		write(t, dir, stateName, state[:cut])
		f := newFile(t, dir, Options{})
		if _, err := load(f); !errors.Is(err, sink.ErrCorrupt) {
			t.Errorf("cut at %d of %d: run says %v", cut, len(state), err)
		}
		_ = f.Close()
		err := newFile(t, dir, Options{}).ReadEvents(context.Background(), sink.Range{}, func(*sink.Stored) error { return nil })
		if !errors.Is(err, sink.ErrCorrupt) {
			t.Errorf("cut at %d of %d: a reader says %v", cut, len(state), err)
		}
		if got := content(t, dir, eventsName); !bytes.Equal(got, sequencedUpTo(3)) {
			t.Fatalf("cut at %d: events were cut to %d bytes", cut, len(got))
		}
	}
}

// TestVersion1IsRead begins with files that an older version wrote, whose log does not say where it ends.
func TestVersion1IsRead(t *testing.T) {
	events, state := content(t, "testdata/version1", eventsName), content(t, "testdata/version1", stateName)
	dir := place(t, events, state)
	continues(t, newFile(t, dir, Options{}), dir, 2)
	if !bytes.HasPrefix(content(t, dir, stateName), fileHeader(logVersion)) {
		t.Error("the log was not written anew with what tells a lost commit")
	}
}
