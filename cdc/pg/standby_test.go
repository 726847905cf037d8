package pg

import (
	"context"
	"strings"
	"testing"
)

// TestStandby: whatever needs the primary says so in one line, and what only reads works.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary, err := startServer(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, primary, "")
	p.exec(rowA)
	p.mustRun(newMemorySink())
	standby, err := primary.Standby(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { standby.Close() }) //nolint:errcheck // the test is over
	c := p.config
	c.DSN = standby.DSN(p.name)
	for verb, attempt := range map[string]func() error{
		"run":      func() error { return New(c).Free(t.Context()) },
		"now":      func() error { _, err := Now(t.Context(), c); return err },
		"init":     func() error { _, err := Setup(t.Context(), c, true); return err },
		"teardown": func() error { _, err := Teardown(t.Context(), c, true); return err },
	} {
		if err := attempt(); err == nil || IsPermanent(err) || !strings.Contains(err.Error(), "is a standby; name the primary") {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if text := failures(Check(t.Context(), c, nil)); !strings.Contains(text, "is a standby; name the primary") || strings.Contains(text, "\n") {
		t.Errorf("check says %q", text)
	}
	inspector := NewInspector(c)
	defer inspector.Close()
	if found, err := inspector.Inspect(t.Context()); err != nil || found.WALEnd == 0 {
		t.Errorf("status: %+v, %v", found, err)
	}
	truth, err := OpenTruth(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer truth.Close(context.Background()) //nolint:errcheck // the test is over
	if m, err := truth.Next(); err != nil || m == nil {
		t.Errorf("compare: %v, %v", m, err)
	}
}
