package audit

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// recordedLines returns the recorded events, which are one source's from the first on, and the chain behind the last.
func recordedLines(t *testing.T) (lines [][]byte, head schemas.Chain) {
	t.Helper()
	text, err := os.ReadFile("../../../../schemas/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines = bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for _, line := range lines {
		number, _ := head.Next()
		head.Add(number, line)
	}
	return lines, head
}

// verified returns what verify says of a sink that holds these lines, and whose checkpoint knows head.
func verified(t *testing.T, lines [][]byte, head schemas.Chain) []string {
	t.Helper()
	return verifiedAgainst(t, lines, head, &Anchors{})
}

// verifiedAgainst is verified with what someone has kept.
func verifiedAgainst(t *testing.T, lines [][]byte, head schemas.Chain, anchors *Anchors) []string {
	t.Helper()
	v, err := newVerifier(anchors)
	if err != nil {
		t.Fatal(err)
	}
	v.files = true
	first := sink.Stored{Value: lines[0]}
	v.source(first.Attributes().Source).head = head
	for i, line := range lines {
		e := &sink.Stored{Topic: "events.jsonl", Offset: int64(i), Value: line}
		e.Key = []byte(e.Attributes().PartitionKey)
		v.take(e)
	}
	v.end()
	return v.Findings
}

// TestVerifyFindsEveryChange takes each event away, doubles it, and alters one letter of it in a way that leaves it
// well-formed.
func TestVerifyFindsEveryChange(t *testing.T) {
	lines, head := recordedLines(t)
	if findings := verified(t, lines, head); len(findings) > 0 {
		t.Fatal(findings)
	}
	for i, line := range lines {
		for name, changed := range map[string][][]byte{
			"gone":    append(append([][]byte{}, lines[:i]...), lines[i+1:]...),
			"doubled": append(append(append([][]byte{}, lines[:i+1]...), line), lines[i+1:]...),
			"altered": append(append(append([][]byte{}, lines[:i]...), bytes.Replace(line, []byte(`"xid":`), []byte(`"xid":1`), 1)), lines[i+1:]...),
		} {
			if findings := verified(t, changed, head); len(findings) != 1 {
				t.Errorf("event %d %s: %q", i+1, name, findings)
			}
		}
	}
}

// TestChainCheck tells what is wrong from what is not.
func TestChainCheck(t *testing.T) {
	link := func(numbers ...uint64) (events []schemas.Attributes) {
		var chain schemas.Chain
		for _, n := range numbers {
			if n == 1 {
				chain = schemas.Chain{}
			}
			_, hash := chain.Next()
			events = append(events, schemas.Attributes{Number: n, Chain: hash})
			chain.Add(n, fmt.Append(nil, n))
		}
		return events
	}
	for _, c := range []struct {
		name    string
		events  []schemas.Attributes
		head    uint64
		removed bool
		want    string // what is said, in parts
	}{
		{"whole", link(1, 2, 3), 3, false, "numbers 1 to 3"},
		{"behind the checkpoint that was read", link(1, 2, 3), 2, false, "numbers 1 to 3"},
		{"hole behind the checkpoint that was read", link(1, 2, 4), 2, false, "meanwhile"},
		{"hole", link(1, 4), 4, false, "number 2 to 3, which are missing"},
		{"hole that retention made", link(1, 4), 4, true, "2 removed"},
		{"no beginning", link(3, 4), 4, false, "number 1 to 2, which are missing"},
		{"copy of a part", link(3, 4), 0, false, "numbers 3 to 4"},
		{"no end", link(1, 2), 4, false, "the checkpoint knows 4 events, the last that is there has number 2"},
		{"end that retention took", link(1, 2), 4, true, "2 removed"},
		{"from before the chain", append([]schemas.Attributes{{}}, link(1, 2)...), 2, false, "numbers 1 to 2"},
		{"number taken off", append(link(1, 2), schemas.Attributes{}), 2, false, "has no number, the one before it is 2"},
		{"begun anew", link(1, 2, 1), 1, false, "begun anew 1 times"},
		{"back", append(link(1, 2, 3), link(1, 2)[1]), 3, false, "has number 2, the one before it 3"},
	} {
		check := &chainCheck{}
		if c.head > 0 {
			check.head.Add(c.head, fmt.Append(nil, c.head))
		}
		var said []string
		for _, e := range c.events {
			said = append(said, check.take(&e, fmt.Append(nil, e.Number), c.removed))
		}
		text := strings.Join(append(said, check.end(c.removed), check.String()), "\n")
		if !strings.Contains(text, c.want) || strings.Contains(c.want, "numbers ") && strings.TrimSpace(text) != check.String() {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}
