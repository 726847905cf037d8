// Package golden compares what a test says with what a file of the repository says.
package golden

import (
	"flag"
	"os"
	"testing"
)

// Update says that the files are to be written anew.
var Update = flag.Bool("update", false, "write the transcripts anew")

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
		t.Errorf("transcript differs; review and run with -update\n got:\n%s\nwant:\n%s", got, want)
	}
}
