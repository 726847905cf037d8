package main

import (
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/cdc/pg"
)

// TestSnapshotFinding: a snapshot that cannot fit is a failure, one that may not is a warning, and both say what to set.
func TestSnapshotFinding(t *testing.T) {
	const limit = 15 * time.Minute
	for name, c := range map[string]struct {
		reading time.Duration
		known   bool
		want    check.Severity
		says    string
	}{
		"usual":       {time.Second, true, check.OK, "the brokers allow 15m0s"},
		"unknown":     {time.Second, false, check.OK, "what these allow may not be read"},
		"may not fit": {6 * time.Minute, true, check.Warn, "about 6m0s"},
		"cannot fit":  {20 * time.Minute, true, check.Fail, "20000000 rows"},
	} {
		f := snapshotFinding(pg.Pace{Rows: 20000000, Reading: c.reading}, limit, c.known)
		if f.Severity != c.want || !strings.Contains(f.Detail, c.says) {
			t.Errorf("%s: %s %q", name, f.Severity, f.Detail)
		}
		if (f.Severity != check.OK) != strings.HasPrefix(f.Repair, "set transaction.max.timeout.ms=") {
			t.Errorf("%s: run %q", name, f.Repair)
		}
	}
}
