package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	below    = decode.LSN(0x1900000) // how much smaller the places of an adopted server are
	baseStep = decode.LSN(1 << 32)
)

var (
	idField       = regexp.MustCompile(`"id":"[^"]*"`)
	sourceField   = regexp.MustCompile(`"source":"[^"]*"`)
	sequenceField = regexp.MustCompile(`"sequence":"[^"]*"`)
	lsnField      = regexp.MustCompile(`"commit_lsn":"[^"]*"`)
)

// adoptedTrail is the recorded trail whose events come from other servers from two places on: a dump of the first one, whose
// places are far below, and then an older state of that. Each adoption is told.
func adoptedTrail(t *testing.T) (lines [][]byte, eras []cdc.Era) {
	t.Helper()
	all, _ := recordedLines(t)
	first := (&sink.Stored{Value: all[0]}).Attributes()
	system := strings.Split(first.Source, "/")[2]
	eras = []cdc.Era{{System: system}}
	lines = append(lines, all[:30]...)
	for i, from := range []int{30, 60} {
		base := below + baseStep*decode.LSN(i+1)
		prefix := []string{"7555", "7555.2"}[i]
		before, next := (&sink.Stored{Value: lines[len(lines)-1]}).Attributes(), (&sink.Stored{Value: all[from]}).Attributes()
		at, _ := placeOf(&next)
		at -= 1 // ahead of its first event
		eras = append(eras, cdc.Era{Begins: at - below + base, Base: base, System: prefix})
		lines = append(lines, moved(adoptionOf(before.Source, at), prefix, at, base))
		for _, line := range all[from : from+30] {
			a := (&sink.Stored{Value: line}).Attributes()
			at, _ := placeOf(&a)
			lines = append(lines, moved(line, prefix, at, base))
		}
	}
	return rechained(lines), eras
}

// adoptionOf is the event of an adoption, at a place of the recorded trail.
func adoptionOf(from string, at decode.LSN) []byte {
	a := schemas.Attributes{ID: "x/0/0/b0/0", Source: from, Subject: "lowcap_cdc", Time: "2026-11-28T03:32:29.574155Z", PartitionKey: "lowcap_cdc",
		Sequence: fmt.Sprintf("%016X%016X", uint64(at), 0), Severity: schemas.Warn, Number: 1, Chain: strings.Repeat("0", 64)}
	data := &schemas.StreamAdopted{FromSource: from, ToSource: "/postgres/7555/trading", FromLSN: "0/1", ToLSN: "0/1",
		FromTime: "2026-11-28T03:32:29.574155Z", ToTime: "2026-11-28T03:32:29.574155Z"}
	a.Type = data.Type()
	data.Entity = schemas.Stream{Slot: "lowcap_cdc"}
	data.Flags, data.OccurredAt, data.OccurredAtQuality = []schemas.Flag{}, "2026-11-28T03:32:29.574155Z", schemas.CommitTime
	data.Origin = schemas.Origin{CommitLSN: "0/1", CommitTime: "2026-11-28T03:32:29.574155Z", Op: schemas.OpReconcile}
	return schemas.AppendEvent(nil, &a, data)
}

// moved makes an event one of the adopted server.
func moved(line []byte, prefix string, at, base decode.LSN) []byte {
	a := (&sink.Stored{Value: line}).Attributes()
	lsn := at - below
	rest := a.ID[strings.LastIndexByte(a.ID[:strings.LastIndexByte(a.ID, '/')], '/'):]
	line = replaceFirst(idField, line, fmt.Sprintf(`"id":"%s/%x/%X%s"`, prefix, uint64(lsn)>>32, uint32(lsn), rest))
	line = replaceFirst(sourceField, line, `"source":"/postgres/7555/trading"`)
	line = replaceFirst(sequenceField, line, fmt.Sprintf(`"sequence":"%016X%s"`, uint64(lsn+base), a.Sequence[16:]))
	line = replaceFirst(lsnField, line, fmt.Sprintf(`"commit_lsn":"%s"`, lsn))
	return []byte(strings.Replace(string(line), `"sequence_base":0`, fmt.Sprintf(`"sequence_base":%d`, uint64(base)), 1))
}

// eras makes the sink's checkpoint know of eras.
func (h *house) eras(eras []cdc.Era) {
	h.t.Helper()
	s := h.sink()
	defer s.Close() //nolint:errcheck // the test says what is there
	known := cdc.Checkpoint{}
	load := func(key string, value []byte) error { return json.Unmarshal(value, &known) }
	if err := s.Resume(context.Background(), load); err != nil {
		h.t.Fatal(err)
	}
	known.Eras = eras
	value, err := json.Marshal(known)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.Commit(context.Background(), &cdc.Batch{State: []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: value}}}); err != nil {
		h.t.Fatal(err)
	}
}

func headOf(lines [][]byte) (head schemas.Chain) {
	for _, line := range lines {
		number, _ := head.Next()
		head.Add(number, line)
	}
	return head
}

// TestVerifyFollowsAdoptions: one chain from number 1 over all servers, and every change of it is found as before. Only of a
// part that begins behind the adoptions a sequence_base must be taken on trust.
func TestVerifyFollowsAdoptions(t *testing.T) {
	lines, eras := adoptedTrail(t)
	for _, known := range [][]cdc.Era{nil, eras} {
		v := verifyAdopted(t, lines, known)
		if len(v.Findings) > 0 {
			t.Fatalf("with eras %+v: %q", known, v.Findings)
		}
		if len(v.Sources) != 2 || v.Sources["/postgres/7555/trading"].Last != uint64(len(lines)) {
			t.Errorf("sources %+v", v.Sources)
		}
	}
	if v := verifyAdopted(t, lines[70:], eras); len(v.Findings) > 0 && !strings.Contains(v.Findings[0], "missing") {
		t.Errorf("a part: %q", v.Findings)
	}
	for i := 0; i < len(lines); i += 10 {
		line := lines[i]
		for name, changed := range map[string][][]byte{
			"gone":    without(lines, i),
			"doubled": append(append(append([][]byte{}, lines[:i+1]...), line), lines[i+1:]...),
			"altered": append(append(append([][]byte{}, lines[:i]...), edited(line)), lines[i+1:]...),
		} {
			if v := verifyAdopted(t, changed, eras); len(v.Findings) == 0 {
				t.Errorf("event %d %s: nothing is found", i+1, name)
			}
		}
	}
	shifted := append([][]byte{}, lines...)
	shifted[50] = []byte(strings.Replace(string(lines[50]), `"sequence":"00000001`, `"sequence":"00000009`, 1))
	if v := verifyAdopted(t, rechained(shifted), eras); len(v.Findings) == 0 {
		t.Error("a sequence that does not fit its era: nothing is found")
	}
}

func verifyAdopted(t *testing.T, lines [][]byte, eras []cdc.Era) *verifier {
	t.Helper()
	v, err := newVerifier(&Anchors{})
	if err != nil {
		t.Fatal(err)
	}
	all, _ := adoptedTrail(t)
	v.files, v.ids.eras = true, eras
	v.head, v.origin = headOf(all), "/postgres/7555/trading"
	v.source(v.origin).head = v.head
	for i, line := range lines {
		e := &sink.Stored{Topic: "events.jsonl", Offset: int64(i), Value: line}
		e.Key = []byte(e.Attributes().PartitionKey)
		v.take(e)
	}
	v.end()
	return v
}

// TestSealsFollowAdoptions: a seal from before an adoption is extended behind it, and holds.
func TestSealsFollowAdoptions(t *testing.T) {
	lines, _ := adoptedTrail(t)
	h := newHouse(t, lines[:20])
	h.mustSeal()
	h.write(lines[:45])
	h.mustSeal()
	h.write(lines)
	h.mustSeal()
	report := h.verify(true)
	if len(report.Findings) > 0 || report.Sealed.Held != 3 || report.Sealed.Source != "/postgres/7555/trading" {
		t.Errorf("%+v: %q", report.Sealed, report.Findings)
	}
	h.write(rechained(append(append(append([][]byte{}, lines[:10]...), edited(lines[10])), lines[11:]...)))
	if report := h.verify(false); len(report.Findings) == 0 {
		t.Error("an event before the adoptions was altered: nothing is found")
	}
}

// TestMomentOverAdoptions: an LSN is one of the server of now, and a number or a time may be of any.
func TestMomentOverAdoptions(t *testing.T) {
	lines, eras := adoptedTrail(t)
	h := newHouse(t, lines)
	h.eras(eras)
	at := func(m Moment) *Standing {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		standing, err := At(context.Background(), s, m, "")
		if err != nil {
			t.Fatal(err)
		}
		return standing
	}
	if got := at(Moment{Number: 10}); got.At.Number != 10 {
		t.Errorf("by number: %+v", got.At)
	}
	a := (&sink.Stored{Value: lines[80]}).Attributes()
	place, _ := placeOf(&a)
	got := at(Moment{LSN: place - eras[2].Base + 1, isLSN: true})
	if got.At.Number < 81 || got.At.Number > uint64(len(lines)) || got.At.LSN != (place-eras[2].Base).String() {
		t.Errorf("by an LSN of now: %+v", got.At)
	}
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	if got, err := At(t.Context(), s, Moment{LSN: 0x10, isLSN: true}, ""); err == nil || !strings.Contains(err.Error(), "no place of the server") {
		t.Errorf("before everything of the server of now, where it may be an LSN of another one: %+v, %v", got, err)
	}
	h.copy(lines)
	c := h.sink()
	defer c.Close() //nolint:errcheck // it was only read
	if got, err := At(t.Context(), c, Moment{LSN: 0x10, isLSN: true}, ""); err == nil || !strings.Contains(err.Error(), "several servers") {
		t.Errorf("in a copy of the history of several servers: %+v, %v", got, err)
	}
}
