package file

import (
	"context"
	"fmt"
	"io"

	"lowcap-cdc/sink"
)

// Kept implements Reader: the oldest segments may have been removed. Topic is the oldest file that is there.
func (f *Sink) Kept(context.Context) ([]sink.Kept, error) {
	v, err := f.openView()
	if err != nil {
		return nil, err
	}
	defer v.close()
	segments, events := v.removed()
	if segments == 0 {
		return nil, nil
	}
	kept := sink.Kept{Topic: eventsName, First: int64(events), Segments: segments}
	if segments < len(v.segments) {
		kept.Topic = v.segments[segments].File
	}
	return []sink.Kept{kept}, nil
}

// CheckSegments holds every finished segment against the manifest, and calls found for each that is missing between
// others, damaged or altered.
func (f *Sink) CheckSegments(ctx context.Context, found func(finding string)) error {
	v, err := f.openView()
	if err != nil {
		return err
	}
	defer v.close()
	segments, _ := v.removed()
	for _, s := range v.segments[segments:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if finding := f.checkSegment(s); finding != "" {
			found(s.File + " " + finding)
		}
	}
	return nil
}

// checkSegment returns what is wrong with a segment, or nothing. One that is not listed yet has nothing to be held against.
func (f *Sink) checkSegment(s segmentFile) string {
	if !s.there {
		return "is missing, though older segments are there"
	}
	if s.SHA256 == "" {
		return ""
	}
	text, err := f.openSegment(s.FirstSequence)
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	defer text.Close() //nolint:errcheck // it was only read
	t := newTally()
	if _, err := io.Copy(t, text); err != nil {
		return "cannot be read: " + err.Error()
	}
	got, err := t.segment(s.File)
	if err != nil {
		return err.Error()
	}
	if got != s.Segment {
		return fmt.Sprintf("holds %d events in %d bytes with SHA-256 %s, the manifest says %d, %d, %s",
			got.Events, got.Bytes, got.SHA256, s.Events, s.Bytes, s.SHA256)
	}
	return ""
}
