package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// FakeClock gives the server, from its next Start on, a clock of its own; set moves it away from the machine's. It needs
// libfaketime.
func (p *Postgres) FakeClock() (set func(offset time.Duration) error, err error) {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(found) == 0 {
		return nil, errors.New("no libfaketime found; run: apt-get install libfaketime")
	}
	file := filepath.Join(p.dir, "clock")
	set = func(offset time.Duration) error {
		next := file + ".next" // renamed, so that no process reads half of it
		text := fmt.Appendf(nil, "%+d\n", int(offset.Seconds()))
		return errors.Join(os.WriteFile(next, text, 0o644), os.Rename(next, file)) // another user reads it
	}
	p.environment = append(os.Environ(), "LD_PRELOAD="+found[0], "FAKETIME_TIMESTAMP_FILE="+file, "FAKETIME_NO_CACHE=1",
		"FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1")
	return set, set(0)
}
