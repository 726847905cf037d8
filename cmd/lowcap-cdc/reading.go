package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// reader returns the sink as one that can be read back.
func (s *Settings) reader() (sink.Reader, func(), error) {
	if s.Sink == "" {
		return nil, nil, &usageError{errors.New("no sink given; set --sink or LOWCAP_CDC_SINK to kafka://HOST:PORT or file:DIR")}
	}
	opened, err := s.openSink(nil)
	if err != nil {
		return nil, nil, err
	}
	r, ok := opened.(sink.Reader)
	if !ok {
		return nil, nil, &usageError{errors.New("--sink stdout: keeps nothing that could be read")}
	}
	return r, func() { opened.Close() }, nil //nolint:errcheck // it was only read
}

// readUntilSignal is reader for a verb that reads until it is done or told to stop: ctx ends then.
func (s *Settings) readUntilSignal(std *streams) (ctx context.Context, r sink.Reader, done func(), err error) {
	r, closeReader, err := s.reader()
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, stop := untilSignal(std.err)
	return ctx, r, func() { stop(); closeReader() }, nil
}

// point is a place in the stream as an operator gives it: a time, an age, or an LSN.
type point struct {
	time     time.Time
	sequence string // of the first event there; empty when a time was given
}

// parsePoint reads 1h, 2026-01-18T11:00:00Z, 2026-01-18 or 0/16B3748; an empty text is the beginning.
func parsePoint(text string, now time.Time) (point, error) {
	if text == "" {
		return point{}, nil
	}
	if age, err := time.ParseDuration(text); err == nil {
		return point{time: now.Add(-age)}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return point{time: at}, nil
		}
	}
	lsn, err := decode.ParseLSN(text)
	if err != nil {
		return point{}, &usageError{fmt.Errorf("%q is neither an age (1h), nor a time (2026-01-18T11:00:00Z), nor an LSN (0/16B3748)", text)}
	}
	return point{sequence: fmt.Sprintf("%016X", uint64(lsn))}, nil
}

// precedes reports whether the point lies before an event, or at it.
func (p point) precedes(a *schemas.Attributes) bool {
	if p.sequence != "" {
		return p.sequence <= a.Sequence
	}
	at, err := time.Parse(time.RFC3339Nano, a.Time)
	return err != nil || !at.Before(p.time)
}

// isSet reports whether a point was given.
func (p point) isSet() bool { return p.sequence != "" || !p.time.IsZero() }

// topicsOf returns the topics of the types that match any of the globs; nil, which means all, without globs.
func topicsOf(globs []string) ([]string, error) {
	topics := make(map[string]bool)
	for _, glob := range globs {
		found := false
		for _, k := range schemas.Kinds() {
			if matchesType(glob, k.Type) {
				topics[k.Topic], found = true, true
			}
		}
		if !found {
			return nil, &usageError{fmt.Errorf("no event type matches %q; the types are in README.md, e.g. emergency_exit.* or *.reverted", glob)}
		}
	}
	var list []string
	for topic := range topics {
		list = append(list, topic)
	}
	return list, nil
}

// matchesType reports whether a type's name, or the whole type, matches a glob.
func matchesType(glob string, t schemas.Type) bool {
	name, err := path.Match(glob, t.Name())
	whole, _ := path.Match(glob, string(t))
	return err == nil && (name || whole)
}

func matchesAny(globs []string, t schemas.Type) bool {
	for _, glob := range globs {
		if matchesType(glob, t) {
			return true
		}
	}
	return len(globs) == 0
}

// isToken reports whether an event belongs to a token: its ticker, contract, position or row key.
func isToken(token string, s *sink.Stored) bool {
	if token == "" {
		return true
	}
	e := entityOf(s)
	return strings.EqualFold(token, e.ticker) || token == e.contract || token == e.id || token == string(s.Key)
}
