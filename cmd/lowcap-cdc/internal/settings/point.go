package settings

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// Point is a place in the stream as an operator gives it: a time, an age, or an LSN.
type Point struct {
	Time     time.Time
	lsn      decode.LSN // 0 when a time was given
	sequence string     // of the first event there; empty when a time was given
}

// ParsePoint reads 1h, 1d, 2w, 2026-01-18T11:00:00Z, 2026-01-18 or 0/16B3748; an empty text is the beginning.
func ParsePoint(text string, now time.Time) (Point, error) {
	if text == "" {
		return Point{}, nil
	}
	if age, ok := parseAge(text); ok {
		return Point{Time: now.Add(-age)}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return Point{Time: at}, nil
		}
	}
	lsn, err := decode.ParseLSN(text)
	if err != nil {
		return Point{}, Usage(fmt.Errorf("%q is neither an age (1h, 1d, 2w), nor a time (2026-01-18T11:00:00Z), nor an LSN (0/16B3748)", text))
	}
	return Point{lsn: lsn, sequence: sequenceAt(lsn)}, nil
}

func sequenceAt(lsn decode.LSN) string { return fmt.Sprintf("%016X", uint64(lsn)) }

// On returns the point in the history that a sink holds: an LSN is one of the server that the history comes from now.
func (p Point) On(ctx context.Context, reader sink.Reader) (Point, error) {
	if p.sequence == "" {
		return p, nil
	}
	known := cdc.NewState()
	err := reader.ReadState(ctx, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return nil
		}
		return known.Load(key, value)
	})
	at, errPlace := known.Checkpoint.PlaceOf(p.lsn)
	if err == nil && errPlace != nil {
		err = Usage(fmt.Errorf("%w; for what was before, name a time", errPlace))
	}
	p.sequence = sequenceAt(at)
	return p, err
}

// longAge matches weeks and days before what time.ParseDuration reads; with so many digits all of it fits into a duration.
var longAge = regexp.MustCompile(`^(?:(\d{1,4})w)?(?:(\d{1,4})d)?(.*)$`)

// longestAge is older than any event.
const longestAge = 100 * 365 * 24 * time.Hour

func parseAge(text string) (age time.Duration, ok bool) {
	parts := longAge.FindStringSubmatch(text)
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour} {
		if n, err := strconv.Atoi(parts[i+1]); err == nil {
			age += time.Duration(n) * unit
			ok = true
		}
	}
	if ok && parts[3] == "" {
		return age, age <= longestAge
	}
	rest, err := time.ParseDuration(parts[3])
	return age + rest, err == nil && rest >= 0 && age <= longestAge && rest <= longestAge
}

// Precedes reports whether the point lies before an event, or at it.
func (p Point) Precedes(a *schemas.Attributes) bool {
	if p.sequence != "" {
		return p.sequence <= a.Sequence
	}
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	return err != nil || !at.Before(p.Time)
}

// IsSet reports whether a point was given.
func (p Point) IsSet() bool { return p.sequence != "" || !p.Time.IsZero() }
