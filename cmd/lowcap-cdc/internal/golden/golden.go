// Package golden compares what a test says with what a file of the repository says.
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"
)

// Update says that the files are to be written anew.
var Update = flag.Bool("update", false, "write the transcripts anew")

// shownLines is how many lines of a difference are shown.
const shownLines = 20

// Compare fails the test when a file differs from got. With -update it writes the file first.
func Compare(t *testing.T, path, got string) {
	t.Helper()
	if *Update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		at := 0
		for at < min(len(gotLines), len(wantLines)) && gotLines[at] == wantLines[at] {
			at++
		}
		from := func(lines []string) string { return strings.Join(lines[at:min(len(lines), at+shownLines)], "\n") }
		t.Errorf("%s differs from line %d on; review, and run with -update\n got:\n%s\nwant:\n%s", path, at+1, from(gotLines), from(wantLines))
	}
}
