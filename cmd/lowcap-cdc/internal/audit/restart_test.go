package audit

import (
	"context"
	"strings"
	"testing"

	"lowcap-cdc/sink"
)

// TestLongStartBeforeAShortOne: the state was lost when there were more events than there are of the new numbering. The event of the old
// one that has the number of the last one is no altered one, and neither is a hole of the old one something that is still being written.
func TestLongStartBeforeAShortOne(t *testing.T) {
	all, _ := recordedLines(t)
	anew := rechained(all[20:30])
	with := func(parts ...[][]byte) (lines [][]byte) {
		for _, p := range parts {
			lines = append(lines, p...)
		}
		return lines
	}
	for name, c := range map[string]struct {
		lines [][]byte
		known [][]byte // what the checkpoint knows
		says  string   // empty where nothing is wrong
	}{
		"whole":                   {with(all[:20], anew), anew, ""},
		"just as long":            {with(all[:10], anew), anew, ""},
		"the last one altered":    {with(all[:20], anew[:9], [][]byte{edited(anew[9])}), anew, "it was altered"},
		"the end cut off":         {with(all[:20], anew[:7]), anew, "the checkpoint knows 10 events, the last that is there has number 7"},
		"a beginning put behind":  {with(all[:20], rechained(all[20:21])), all[:20], "the checkpoint knows 20 events, the last that is there has number 1"},
		"a hole in the old one":   {with(all[:12], all[13:20], anew), anew, "number 13 to 13, which are missing"},
		"the old one was altered": {with(all[:15], [][]byte{edited(all[15])}, all[16:20], anew), anew, "does not hold the hash of event 16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, c.lines)
			h.writeBehind(c.known, c.lines)
			s := h.sink()
			defer s.Close() //nolint:errcheck // it was only read
			report, err := Verify(context.Background(), s, &Anchors{})
			if err != nil {
				t.Fatal(err)
			}
			if findings := strings.Join(report.Findings, "\n"); (findings == "") != (c.says == "") || !strings.Contains(findings, c.says) {
				t.Errorf("verify finds %q", findings)
			}
			if err := followed(t, s); (err == nil) != (c.says == "") {
				t.Errorf("a copy ends with %v", err)
			}
		})
	}
}

// followed reads a sink as replay does, and returns what ends that.
func followed(t *testing.T, reader sink.Reader) error {
	t.Helper()
	var links *Links
	return Reread(t.Context(), func() error {
		var err error
		if links, err = NewLinks(t.Context(), reader, false, links); err != nil {
			return err
		}
		err = reader.ReadEvents(t.Context(), sink.Range{}, func(e *sink.Stored) error {
			a := e.Attributes()
			_, err := links.Follow(&a, e.Value)
			return err
		})
		if err != nil {
			return err
		}
		return links.End()
	})
}

// TestMomentOfAnEarlierStart: numbers begin anew when the state is lost, and then a number alone does not say what is meant.
func TestMomentOfAnEarlierStart(t *testing.T) {
	all, _ := recordedLines(t)
	anew := rechained(all[20:30])
	h := newHouse(t, append(append([][]byte{}, all[:20]...), anew...))
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	at, err := At(t.Context(), s, Moment{Number: 7}, "")
	if err != nil || at.At.ID != idOf(anew[6]) {
		t.Errorf("%+v, %v", at, err)
	}
	if at, err = At(t.Context(), s, Moment{Number: 15}, ""); err == nil || !strings.Contains(err.Error(), "the numbers began anew") {
		t.Errorf("%+v, %v", at, err)
	}
}

func idOf(line []byte) string {
	a := (&sink.Stored{Value: line}).Attributes()
	return a.ID
}
