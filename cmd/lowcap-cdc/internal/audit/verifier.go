package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
	"lowcap-cdc/sink/kafka"
)

// verifier checks events as they come, merged by sequence.
type verifier struct {
	Report
	anchors *anchorCheck // nil without anchors
	files   bool         // the events stand in files, not in topics
	ids     ids
	head    schemas.Chain // the last event that the checkpoint knows
	origin  string        // the source of it

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

func newVerifier(anchors *Anchors) (*verifier, error) {
	v := &verifier{Report: Report{Findings: []string{}, Sources: make(map[string]*sourceSeen)}, trimmed: make(map[lane]bool)}
	if !anchors.isSet() {
		return v, nil
	}
	var err error
	v.anchors, err = newAnchorCheck(anchors)
	return v, err
}

// begin reads what the events are held against. The checkpoint is read before them: whatever it knows must then come.
func (v *verifier) begin(ctx context.Context, reader sink.Reader) error {
	known, err := readCheckpoint(ctx, reader)
	if known.SystemID != "" {
		v.ids.eras = known.AllEras()
	}
	if v.head = known.Events; v.head.Number > 0 {
		v.origin = known.Source()
		v.source(v.origin).head = v.head
	}
	if v.damage(err) != nil {
		return err
	}
	if v.Kept, err = reader.Kept(ctx); v.damage(err) != nil {
		return err
	}
	if f, ok := reader.(*file.Sink); ok {
		v.files = true
		if err := f.CheckSegments(ctx, func(finding string) { v.Damaged = true; v.add(finding) }); v.damage(err) != nil {
			return err
		}
		if v.Uncommitted, err = f.Uncommitted(); v.damage(err) != nil {
			return err
		}
	}
	v.trimmed, v.compacted = trimmedLanes(v.Kept)
	return nil
}

// learn takes over where an earlier reading has met what the checkpoint knows.
func (v *verifier) learn(before *Report) {
	if before == nil || before.Sources[v.origin] == nil {
		return
	}
	v.source(v.origin).since = before.Sources[v.origin].metHead
}

// damage makes a finding, once, of damage to the files, and returns every other error.
func (v *verifier) damage(err error) error {
	if !errors.Is(err, sink.ErrCorrupt) {
		return err
	}
	v.Damaged = true
	if text := strings.Join(strings.Fields(err.Error()), " "); !slices.Contains(v.Findings, text) {
		v.add(text)
	}
	return nil
}

func (v *verifier) source(name string) *sourceSeen {
	seen, known := v.Sources[name]
	if !known {
		seen = &sourceSeen{}
		seen.whole = v.ids.wasSource(name)
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
	if v.anchors == nil {
		return
	}
	heads := make(map[string]schemas.Chain)
	for name, seen := range v.Sources {
		heads[name] = seen.head
	}
	var findings []string
	v.Sealed, findings = v.anchors.end(v.removes(), heads)
	v.Findings = append(v.Findings, findings...)
	if v.anchors.RequireComplete {
		v.requireStill()
	}
}

// requireStill finds what nobody has looked at.
func (v *verifier) requireStill() {
	if v.isMoving() {
		v.Findings = append(v.Findings, "incomplete: events were committed while it was read, and were left out; verify again")
	}
	if v.Uncommitted > 0 {
		v.Findings = append(v.Findings,
			fmt.Sprintf("incomplete: %d bytes stand behind the last commit; a start of run cuts them off", v.Uncommitted))
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
	if err := checkSchema(e.Value, a.Type); err != nil {
		v.find(e, &a, "does not fit its schema: "+strings.Join(strings.Fields(err.Error()), " "))
	}
	if want := v.ids.of(&a, e.Value); a.ID != want {
		v.find(e, &a, "has another id than its sequence says, "+want)
	}
	if got := string(e.Key); got != a.PartitionKey {
		v.find(e, &a, fmt.Sprintf("stands under key %q, its partitionkey is %q", got, a.PartitionKey))
	}
	if v.files {
		return
	}
	if !strings.HasSuffix(e.Topic, schemas.TopicOf(a.Type)) {
		v.find(e, &a, "belongs to topic "+schemas.TopicOf(a.Type))
	}
	if finding := kafka.CheckHeaders(e); finding != "" {
		v.find(e, &a, finding)
	}
}

// checkOrder relies on the merge: of one source every event comes once, each after the one before. A partition whose
// own events run backwards shows here too, because the merge then meets one that is too late.
func (v *verifier) checkOrder(e *sink.Stored, a *schemas.Attributes) {
	from := v.adopted(e, a)
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
		if v.anchors != nil && !seen.Moving {
			v.anchors.take(a, e.Value, from)
		}
	}
	delete(v.trimmed, lane{e.Topic, e.Partition})
}

// adopted returns the source whose history continues under another name with this event, empty when it is none such. Its
// numbers and hashes continue too.
func (v *verifier) adopted(e *sink.Stored, a *schemas.Attributes) (from string) {
	from = adoptedFrom(a, e.Value)
	before, known := v.Sources[from]
	if !known || from == a.Source {
		return from
	}
	seen := v.source(a.Source)
	seen.at, before.head = before.at, schemas.Chain{}
	if a.Source == v.origin {
		seen.head = v.head
	}
	return from
}

func (v *verifier) find(e *sink.Stored, a *schemas.Attributes, what string) {
	v.add(fmt.Sprintf("%s/%d at %d: event %s %s", e.Topic, e.Partition, e.Offset, readable.Printable(a.ID), what))
}

func (v *verifier) add(finding string) {
	if len(v.Findings) < mostFindings {
		v.Findings = append(v.Findings, finding)
	}
}

// compiled are the schemas that were used, by type.
var compiled sync.Map

func checkSchema(event []byte, of schemas.Type) error {
	schema, known := compiled.Load(of)
	if !known {
		made, err := compile(of)
		if err != nil {
			return err
		}
		schema, _ = compiled.LoadOrStore(of, made)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		return err
	}
	return schema.(*jsonschema.Schema).Validate(value)
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
