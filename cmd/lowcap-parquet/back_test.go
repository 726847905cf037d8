package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// TestBack: what comes back from Parquet is what went there, byte for byte and in order, in a file sink that is read like any other.
func TestBack(t *testing.T) {
	events, out := recorded(t), filepath.Join(t.TempDir(), "parquet")
	dir := filesOf(t, events, 20_000)
	_, n := segmentsOf(t, dir)
	converted(t, dir, out)
	again := filepath.Join(t.TempDir(), "again")
	var text, errors bytes.Buffer
	if code := run([]string{"-back", out, again}, &text, &errors); code != 0 || !strings.Contains(text.String(), "audit verify --sink file:"+again) {
		t.Fatalf("exit %d: %s%s", code, &text, &errors)
	}
	f, err := file.New(again, file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	err = f.ReadEvents(context.Background(), sink.Range{}, func(e *sink.Stored) error {
		if string(e.Value) != string(events[i].Value) {
			t.Fatalf("event %d\n%s\nwant\n%s", i, e.Value, events[i].Value)
		}
		i++
		return nil
	})
	if err != nil || i != n {
		t.Errorf("%d events, want %d: %v", i, n, err)
	}
}

// TestBackIsRefused: into a directory that holds something, from one that holds nothing, and of a segment that was not written whole.
func TestBackIsRefused(t *testing.T) {
	out, again := filepath.Join(t.TempDir(), "parquet"), filepath.Join(t.TempDir(), "again")
	dir := filesOf(t, recorded(t), 20_000)
	segments, _ := segmentsOf(t, dir)
	converted(t, dir, out)
	refused := func(want string, args ...string) {
		t.Helper()
		var text, errors bytes.Buffer
		if code := run(args, &text, &errors); code == 0 || !strings.Contains(errors.String(), want) {
			t.Errorf("exit %d: %s%s, want %q", code, &text, &errors, want)
		}
	}
	refused("is not empty", "-back", out, dir)
	refused("there is no type=", "-back", t.TempDir(), again)
	refused("lowcap-parquet -back OUT NEWDIR", "-back", "-follow", out, again)
	if err := os.Remove(filepath.Join(out, doneName, segments[1].FirstSequence)); err != nil {
		t.Fatal(err)
	}
	refused("was not written whole", "-back", out, again)
	converted(t, dir, out)
	parts, err := filepath.Glob(filepath.Join(out, "type=*", "day=*", segments[0].FirstSequence+".parquet"))
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts: %v", len(parts), err)
	}
	content, err := os.ReadFile(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	cut, zeroed := content[:len(content)-20], bytes.Clone(content)
	clear(zeroed[4 : len(zeroed)/2])
	for _, broken := range [][]byte{[]byte("no Parquet"), cut, zeroed} {
		if err := os.WriteFile(parts[1], broken, 0o600); err != nil {
			t.Fatal(err)
		}
		refused("delete it before another try", "-back", out, again)
		if err := os.RemoveAll(again); err != nil {
			t.Fatal(err)
		}
	}
}
