// Package audit reads the committed events back: the life of a token, and whether the sink is whole.
package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// ErrAltered is what verify ends with when the sink does not hold what it should.
var ErrAltered = errors.New("the sink does not hold what was committed")

// Verify reads every event of a sink and holds it against what must be true of all.
func Verify(ctx context.Context, reader sink.Reader) (*Report, error) {
	v := newVerifier()
	if err := v.begin(ctx, reader); err != nil {
		return nil, err
	}
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		v.take(e)
		return ctx.Err()
	})
	if errors.Is(err, sink.ErrCorrupt) {
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
}

// verifier checks events as they come, merged by sequence.
type verifier struct {
	Report
	schemas map[schemas.Type]*jsonschema.Schema
	files   bool // the events stand in files, not in topics

	trimmed   map[lane]bool // partitions whose beginning was removed, and of which no event has come yet
	compacted bool
}

// sourceSeen is what has come of one CloudEvents source.
type sourceSeen struct {
	Events int `json:"events"`
	chainCheck
	last string // sequence
}

// lane is where events stand one behind the other.
type lane struct {
	topic     string
	partition int
}

func newVerifier() *verifier {
	return &verifier{Report: Report{Findings: []string{}, Sources: make(map[string]*sourceSeen)}, trimmed: make(map[lane]bool),
		schemas: make(map[schemas.Type]*jsonschema.Schema)}
}

// begin reads what the events are held against. The checkpoint is read before them: whatever it knows must then come.
func (v *verifier) begin(ctx context.Context, reader sink.Reader) (err error) {
	if v.Kept, err = reader.Kept(ctx); err != nil {
		return err
	}
	if f, ok := reader.(*file.Sink); ok {
		v.files = true
		if err := f.CheckSegments(ctx, func(finding string) { v.Findings = append(v.Findings, finding) }); err != nil {
			return err
		}
	}
	for _, k := range v.Kept {
		v.compacted = v.compacted || k.Compacted
		if k.First > 0 {
			v.trimmed[lane{k.Topic, k.Partition}] = true
		}
	}
	state := cdc.NewState()
	err = reader.ReadState(ctx, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return nil
		}
		return state.Load(key, value)
	})
	if known := &state.Checkpoint; known.Events.Number > 0 {
		v.source(known.Source()).head = known.Events
	}
	return err
}

func (v *verifier) source(name string) *sourceSeen {
	seen, known := v.Sources[name]
	if !known {
		seen = &sourceSeen{}
		v.Sources[name] = seen
	}
	return seen
}

// removes reports whether the sink may have removed an event that would come here: an earlier one of a partition that
// has not come yet, or any one where topics are compacted.
func (v *verifier) removes() bool { return v.compacted || len(v.trimmed) > 0 }

// end looks for what should have come.
func (v *verifier) end() {
	for name, seen := range v.Sources {
		if finding := seen.end(v.removes()); finding != "" {
			v.Findings = append(v.Findings, readable.Printable(name)+": "+finding)
		}
	}
}

func (v *verifier) take(e *sink.Stored) {
	a := e.Attributes()
	v.Events++
	if v.First == "" {
		v.First = a.Sequence
	}
	v.Last = a.Sequence
	v.checkOrder(e, &a)
	if err := v.checkSchema(e.Value, a.Type); err != nil {
		v.find(e, &a, "does not fit its schema: "+strings.Join(strings.Fields(err.Error()), " "))
	}
	if want := idOf(&a); a.ID != want {
		v.find(e, &a, "has another id than its sequence says, "+want)
	}
	if got := string(e.Key); got != a.PartitionKey {
		v.find(e, &a, fmt.Sprintf("stands under key %q, its partitionkey is %q", got, a.PartitionKey))
	}
	if !strings.HasSuffix(e.Topic, schemas.TopicOf(a.Type)) && !v.files {
		v.find(e, &a, "belongs to topic "+schemas.TopicOf(a.Type))
	}
}

// checkOrder relies on the merge: of one source every event comes once, each after the one before. A partition whose
// own events run backwards shows here too, because the merge then meets one that is too late.
func (v *verifier) checkOrder(e *sink.Stored, a *schemas.Attributes) {
	seen := v.source(a.Source)
	seen.Events++
	switch {
	case a.Sequence == seen.last:
		v.find(e, a, "is there twice")
	case a.Sequence < seen.last:
		v.find(e, a, "comes after "+seen.last+": out of order, there twice, or put in later")
	default:
		seen.last = a.Sequence
		if finding := seen.take(a, e.Value, v.removes()); finding != "" {
			v.find(e, a, finding)
		}
	}
	delete(v.trimmed, lane{e.Topic, e.Partition})
}

// idOf returns the id that belongs to an event's source and sequence: both name one place in the WAL. Sequences that
// differ so make ids that differ.
func idOf(a *schemas.Attributes) string {
	var lsn uint64
	var phase, change, event uint32
	if n, err := fmt.Sscanf(a.Sequence, "%16X%1d%8X%7X", &lsn, &phase, &change, &event); n != 4 || err != nil {
		return "none: the sequence is not 32 digits"
	}
	system := strings.Split(a.Source+"//", "/")[2]
	snapshot := "b"
	if phase == 1 {
		snapshot = ""
	}
	return fmt.Sprintf("%s/%x/%X/%s%d/%d", system, lsn>>32, uint32(lsn), snapshot, change, event)
}

func (v *verifier) find(e *sink.Stored, a *schemas.Attributes, what string) {
	if len(v.Findings) < mostFindings {
		v.Findings = append(v.Findings, fmt.Sprintf("%s/%d at %d: event %s %s", e.Topic, e.Partition, e.Offset, readable.Printable(a.ID), what))
	}
}

func (v *verifier) checkSchema(event []byte, of schemas.Type) error {
	schema, known := v.schemas[of]
	if !known {
		var err error
		if schema, err = compile(of); err != nil {
			return err
		}
		v.schemas[of] = schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func compile(of schemas.Type) (*jsonschema.Schema, error) {
	source, err := schemas.Schema(of)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(of.DataSchema(), document); err != nil {
		return nil, err
	}
	return c.Compile(of.DataSchema())
}

// Print prints the report for a person, or as JSON.
func (v *Report) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		return readable.PrintJSON(out, v)
	}
	fmt.Fprintf(out, "events    %d, from sequence %s to %s\n", v.Events, v.First, v.Last)
	for name, seen := range v.Sources {
		fmt.Fprintf(out, "source    %s: %d events, %s\n", readable.Printable(name), seen.Events, &seen.chainCheck)
	}
	for _, k := range v.Kept {
		switch {
		case k.Segments > 0:
			fmt.Fprintf(out, "retention %s is the oldest file; %d segments with %d events before it were removed\n", k.Topic, k.Segments, k.First)
		case k.First > 0:
			fmt.Fprintf(out, "retention %s/%d: everything before offset %d was removed by the broker\n", k.Topic, k.Partition, k.First)
		}
		if k.Compacted {
			fmt.Fprintf(out, "compacted %s/%d: of several events with one key only the last are kept\n", k.Topic, k.Partition)
		}
	}
	for _, finding := range v.Findings {
		fmt.Fprintln(out, "FAIL     ", finding)
	}
	if len(v.Findings) == 0 {
		fmt.Fprintln(out, "ok        every event once, in order, unaltered, well-formed")
	}
	return nil
}
