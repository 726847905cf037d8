package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The sealer seals what is committed, beside the sidecar and through the same proxies, and is killed as well. At the end every seal
// must be of what is there: nothing that was ever sealed may have changed.

func (w *world) startSealer() (err error) {
	if out, err := w.audit("keygen", "--out", filepath.Join(w.dir, "key")).CombinedOutput(); err != nil {
		return fmt.Errorf("make a key: %w: %s", err, out)
	}
	w.sealer, err = startInstance(w.dir, "sealer", func() *exec.Cmd { return w.seal("--every", "1s") })
	return err
}

func (w *world) seal(args ...string) *exec.Cmd {
	return w.auditSink(append([]string{"seal", "--key", filepath.Join(w.dir, "key"), "--log", filepath.Join(w.dir, "seals.txt")}, args...)...)
}

func (w *world) audit(args ...string) *exec.Cmd {
	return exec.Command(w.options.binary, append([]string{"audit"}, args...)...)
}

func (w *world) auditSink(args ...string) *exec.Cmd {
	return w.audit(append(args, "--sink", w.sink, "--slot", "disturbed", "--topic-prefix", prefix)...)
}

// seals is what audit verify says of everything that was sealed.
type seals struct {
	Findings []string
	Sealed   struct {
		Seals    int
		Held     int `json:"seals_held"`
		Last     int `json:"last_sealed_number"`
		Unsealed int
		Gone     []any
	}
}

// verifySeals seals the rest, and looks whether all that was ever sealed is there as it was.
func (w *world) verifySeals() (*seals, error) {
	w.sealer.stop()
	if out, err := w.seal().CombinedOutput(); err != nil {
		return nil, fmt.Errorf("seal the rest: %w: %s", err, out)
	}
	verify := w.auditSink("verify", "--seals", filepath.Join(w.dir, "seals.txt"), "--pub", filepath.Join(w.dir, "key.pub"), "--json")
	out, err := verify.Output()
	if verify.ProcessState == nil || verify.ProcessState.ExitCode() > 1 { // 1: it finds the intruder's records
		return nil, fmt.Errorf("verify the seals: %w: %.2000s", err, out)
	}
	var said seals
	if err := json.Unmarshal(out, &said); err != nil {
		return nil, fmt.Errorf("verify the seals: %w: %.2000s", err, out)
	}
	said.Findings = slices.DeleteFunc(said.Findings, func(f string) bool { return strings.Contains(f, " bytes that is no event: ") })
	return &said, nil
}

// clean reports that every seal is of what is there, that nothing but the intruder's records was found, and that all is sealed.
func (s *seals) clean(events int) bool {
	is := &s.Sealed
	return len(s.Findings)+len(is.Gone)+is.Unsealed == 0 && is.Held == is.Seals && is.Seals > 0 && is.Last == events
}

func killSealer(_ context.Context, w *world, _ *rand.Rand) error {
	return w.sealer.signal(syscall.SIGKILL)
}
