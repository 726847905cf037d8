// Package audit reads the committed events back: the life of a token, and whether the sink is whole.
package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/sink"
)

// ErrAltered is what verify ends with when the sink does not hold what it should.
var ErrAltered = errors.New("the sink does not hold what was committed")

// Verify reads every event of a sink and holds it against what must be true of all, and against what someone has kept. It
// reads again before it says that something is wrong: a broker shows the end of a transaction in one topic before it does in
// another. What is left out, because the number before it is not there yet, must have got that number by then.
func Verify(ctx context.Context, reader sink.Reader, anchors *Anchors) (*Report, error) {
	report, err := verify(ctx, reader, anchors, nil)
	if err != nil || len(report.Findings) == 0 && !report.isMoving() {
		return report, err
	}
	for wait := rereadAfter; ; wait *= 2 {
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		again, err := verify(ctx, reader, anchors, report)
		if err != nil {
			return nil, err
		}
		if stuck := again.stuckSince(report); len(again.Findings) > 0 || len(stuck) == 0 || wait >= longestReread {
			again.Findings = append(again.Findings, stuck...)
			return again, nil
		}
		report = again
	}
}

// rereadAfter is how long a reader waits for the end of a transaction to be everywhere.
const rereadAfter = time.Second

// longestReread is the last pause before what is left out counts as missing: where brokers come and go the end of a transaction may
// take seconds.
const longestReread = 8 * time.Second

// sleep waits for a time, or returns why ctx has ended.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// verify reads once. before, when not nil, is what an earlier reading has found.
func verify(ctx context.Context, reader sink.Reader, anchors *Anchors, before *Report) (*Report, error) {
	v, err := newVerifier(anchors)
	if err != nil {
		return nil, err
	}
	if err := v.begin(ctx, reader); err != nil {
		return nil, err
	}
	v.learn(before)
	foreign := func(f *sink.Foreign) error {
		v.add(f.Error())
		return ctx.Err()
	}
	damaged := func(err error) error { return errors.Join(v.damage(err), ctx.Err()) }
	err = reader.ReadEvents(ctx, sink.Range{Foreign: foreign, Damaged: damaged}, func(e *sink.Stored) error {
		v.take(e)
		return ctx.Err()
	})
	if errors.Is(err, sink.ErrCorrupt) {
		v.Damaged = true
		v.Findings = append(v.Findings, fmt.Sprintf("nothing could be read after sequence %s: %v", v.Last, err))
	} else if err != nil {
		return nil, err
	}
	v.end()
	return &v.Report, nil
}

const mostFindings = 100 // kept; more say nothing new

// Report is what Verify has found.
type Report struct {
	Events   int                    `json:"events"`
	First    string                 `json:"first_sequence"`
	Last     string                 `json:"last_sequence"`
	Findings []string               `json:"findings"`
	Sources  map[string]*sourceSeen `json:"sources"` // by CloudEvents source
	Kept     []sink.Kept            `json:"kept"`
	Sealed   *Sealed                `json:"sealed,omitempty"` // what the anchors say; nil without any
	Damaged  bool                   `json:"damaged"`          // the files do not hold the bytes that were written
	// Uncommitted is how many bytes stand behind the last commit of events.jsonl: no event is there for us, but perhaps for who
	// reads the file with another program.
	Uncommitted int64 `json:"uncommitted_bytes"`
}

// isMoving reports whether events were left out because they were committed while it was read.
func (v *Report) isMoving() bool {
	for _, seen := range v.Sources {
		if seen.Moving {
			return true
		}
	}
	return false
}

// stuckSince says where events are left out that were left out before: nothing is being committed there.
func (v *Report) stuckSince(before *Report) (findings []string) {
	for _, name := range slices.Sorted(maps.Keys(v.Sources)) {
		seen, earlier := v.Sources[name], before.Sources[name]
		if seen.Moving && earlier != nil && earlier.Moving && seen.Last == earlier.Last {
			findings = append(findings, fmt.Sprintf("%s: number %d is missing, and later ones are there, which the checkpoint does not know",
				readable.Printable(name), seen.Last+1))
		}
	}
	return findings
}
