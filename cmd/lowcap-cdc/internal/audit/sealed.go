package audit

import (
	"cmp"
	"fmt"
	"slices"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/schemas"
)

// Anchors are what someone kept of a trail, out of reach of those who write it.
type Anchors struct {
	Log             *seal.Log      // nil when there are no seals
	Expect          *schemas.Chain // an event's number and the SHA-256 of its bytes; nil when nothing is expected
	RequireComplete bool           // what is gone, or under no seal, is a finding too
}

// isSet reports whether there is anything to hold the events against.
func (a *Anchors) isSet() bool { return a.Log != nil || a.Expect != nil || a.RequireComplete }

// Sealed is what the anchors say of the events that are there.
type Sealed struct {
	Source    string `json:"source"`
	Seals     int    `json:"seals"`              // in the log
	Held      int    `json:"seals_held"`         // of those whose last event, or the one behind it, is there
	Begins    uint64 `json:"begins"`             // the number of the first event in the seals' tree
	First     uint64 `json:"first_number"`       // of the oldest event that a seal vouches for
	Last      uint64 `json:"last_sealed_number"` // of the newest one
	Unsealed  uint64 `json:"unsealed"`           // events behind the last seal
	Gone      []Span `json:"gone"`               // numbers that are not there
	Unvouched []Span `json:"unvouched"`          // numbers that are there, and of which no seal says anything: what follows is gone
	Others    int    `json:"other_starts"`       // numberings that no seal is of
	Nameless  int    `json:"without_number"`     // events without a number, which no seal can be of
	Expected  bool   `json:"expected_held"`      // --expect was given, and is right
}

// Span is a range of numbers.
type Span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

func (s Span) String() string {
	if s.From == s.To {
		return fmt.Sprint(s.From)
	}
	return fmt.Sprintf("%d to %d", s.From, s.To)
}

const mostSpans = 1000 // of numbers that are gone, kept one by one; more are joined

// anchorCheck holds events against anchors, each start of a numbering by itself.
type anchorCheck struct {
	Anchors
	frontiers *seal.Frontiers
	starts    []*anchored
	current   map[string]*anchored // by CloudEvents source
	nameless  int                  // events without a number
}

// anchored is what is known of one start.
type anchored struct {
	Sealed
	number   int // among the starts
	at       schemas.Chain
	tree     seal.Frontier
	whole    bool   // tree holds everything up to at
	run      uint64 // the first number since the last gap
	next     int    // the first seal that has not come yet
	findings []string
	later    bool // the numbering began anew behind it
	expected bool // it came past the expected number
}

func newAnchorCheck(a *Anchors) (*anchorCheck, error) {
	c := &anchorCheck{Anchors: *a, current: make(map[string]*anchored)}
	var err error
	if a.Log != nil {
		c.frontiers, err = a.Log.Frontiers()
	}
	return c, err
}

func (c *anchorCheck) seals() []seal.Seal {
	if c.Log == nil {
		return nil
	}
	return c.Log.Seals
}

// begins returns the number of the first event in the seals' tree.
func (c *anchorCheck) begins() uint64 {
	if c.Log == nil {
		return 1
	}
	return c.Log.Begins()
}

// take moves on to an event. from, when not empty, is the source whose history continues with it.
func (c *anchorCheck) take(a *schemas.Attributes, event []byte, from string) {
	if a.Number == 0 {
		c.nameless++
		return
	}
	s := c.current[a.Source]
	if s == nil && from != "" {
		s = c.current[from] // the history of another database continues here
	}
	if s == nil || a.Number == 1 && s.at.Number > 0 {
		if s != nil {
			s.later = true
		}
		s = &anchored{Sealed: Sealed{Source: a.Source, Seals: len(c.seals()), Begins: c.begins()}, number: len(c.starts), whole: true, run: 1, tree: seal.Absent(c.begins() - 1)}
		c.starts = append(c.starts, s)
	}
	if s.Source != a.Source && s.Source != from {
		s.find("event %s is of another source than event %d before it, and none says that the history goes on there", a.ID, s.at.Number)
	}
	c.current[a.Source], s.Source = s, a.Source
	if a.Number <= s.at.Number {
		return // the chain's check says so
	}
	if a.Number > s.at.Number+1 {
		c.skip(s, a)
	}
	if s.whole && a.Number >= c.begins() {
		s.tree.Add(event)
	}
	s.at.Add(a.Number, event)
	c.hold(s)
}

// skip notes that the numbers up to an event are gone. A seal over just those still says what the event must hold.
func (c *anchorCheck) skip(s *anchored, a *schemas.Attributes) {
	gone := Span{s.at.Number + 1, a.Number - 1}
	s.note(gone)
	s.whole, s.run = a.Number <= c.begins(), a.Number
	for ; s.next < len(c.seals()) && c.seals()[s.next].Size < a.Number; s.next++ {
		last := &c.seals()[s.next]
		if last.Size != gone.To {
			continue
		}
		if last.Chain != a.Chain {
			s.find("event %s does not go on from the sealed event %d", a.ID, last.Size)
			continue
		}
		s.Held++
		s.Last = last.Size
		s.tree, s.whole = c.frontiers.Of(&last.Checkpoint)
	}
	if c.Expect != nil && c.Expect.Number == gone.To {
		s.expected, s.Expected = true, c.Expect.Hash == a.Chain
	}
}

// note keeps a range of numbers that are gone, and what was there before them since the last one: no seal vouches for it.
func (s *anchored) note(gone Span) {
	if s.at.Number >= s.run && s.at.Number > s.Last {
		s.Unvouched = keep(s.Unvouched, Span{max(s.run, s.Last+1), s.at.Number})
	}
	s.Gone = keep(s.Gone, gone)
}

func keep(list []Span, s Span) []Span {
	if n := len(list); n == mostSpans {
		list[n-1].To = s.To
		return list
	}
	return append(list, s)
}

func (s *anchored) find(format string, args ...any) {
	if len(s.findings) < mostFindings {
		s.findings = append(s.findings, fmt.Sprintf(format, args...))
	}
}

// hold holds the last event against the anchors at its number. By the chain, a seal vouches for everything since the last
// gap, and by its root, for everything.
func (c *anchorCheck) hold(s *anchored) {
	if c.Expect != nil && c.Expect.Number == s.at.Number {
		s.expected, s.Expected = true, c.Expect.Hash == s.at.Hash
	}
	if s.next == len(c.seals()) || c.seals()[s.next].Size != s.at.Number {
		return
	}
	at := &c.seals()[s.next]
	s.next++
	if at.Chain != s.at.Hash || (s.whole && at.Root != s.tree.Root()) {
		s.find("the events %s are not those that were sealed", Span{s.run, at.Size})
		return
	}
	if s.First == 0 {
		s.First = s.run
	}
	s.Held, s.Last = s.Held+1, at.Size
}

// end returns the start that the anchors are of, and what is wrong. removed says that the sink removes events, head what the
// checkpoint knows of the source.
func (c *anchorCheck) end(removed bool, head map[string]schemas.Chain) (*Sealed, []string) {
	s := c.chosen()
	for _, other := range c.starts {
		if other != s {
			s.Others++
		}
	}
	s.Nameless = c.nameless
	if s.at.Number > s.Last {
		s.Unsealed = s.at.Number - max(s.Last, s.run-1)
	}
	findings := s.findings
	add := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	if rest := c.seals()[s.next:]; len(rest) > 0 {
		last := rest[len(rest)-1].Size
		if removed && head[s.Source].Number >= last {
			s.Gone = keep(s.Gone, Span{s.at.Number + 1, head[s.Source].Number})
		} else {
			add("the last event is number %d, the last seal is over %d: the end was cut off, or rolled back", s.at.Number, last)
		}
	}
	if len(c.seals()) > 0 && s.Held == 0 {
		add("none of the %d seals is over what is there: they cannot be held against it", len(c.seals()))
	}
	if s.later {
		add("the numbering began anew after event %d: what comes then is of another start, which no seal is of", s.at.Number)
	}
	findings = append(findings, c.expectation(s)...)
	if c.RequireComplete {
		findings = append(findings, s.incomplete()...)
	}
	return &s.Sealed, findings
}

// chosen returns the start that most seals are of; of several the last one.
func (c *anchorCheck) chosen() *anchored {
	if len(c.starts) == 0 {
		return &anchored{Sealed: Sealed{Seals: len(c.seals()), Begins: c.begins()}, run: 1}
	}
	return slices.MaxFunc(c.starts, func(a, b *anchored) int {
		return cmp.Or(cmp.Compare(a.Held, b.Held), cmp.Compare(asInt(a.Expected), asInt(b.Expected)), cmp.Compare(a.number, b.number))
	})
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (c *anchorCheck) expectation(s *anchored) []string {
	switch {
	case c.Expect == nil || s.Expected:
		return nil
	case s.expected:
		return []string{fmt.Sprintf("event %d is not the one that is expected", c.Expect.Number)}
	}
	return []string{fmt.Sprintf("event %d, which is expected, is not there", c.Expect.Number)}
}

// incomplete returns what --require-complete does not allow.
func (s *anchored) incomplete() (findings []string) {
	for _, gone := range s.Gone {
		findings = append(findings, fmt.Sprintf("incomplete: the numbers %s are not there", gone))
	}
	for _, span := range s.Unvouched {
		findings = append(findings, fmt.Sprintf("incomplete: no seal vouches for the numbers %s, because what follows is gone", span))
	}
	if s.Unsealed > 0 && s.Seals > 0 {
		findings = append(findings, fmt.Sprintf("incomplete: %d events came after the last seal; seal them and verify again", s.Unsealed))
	}
	if s.Nameless > 0 {
		findings = append(findings, fmt.Sprintf("incomplete: %d events have no number, so no seal can be of them", s.Nameless))
	}
	if s.Others > 0 && !s.later {
		findings = append(findings, fmt.Sprintf("incomplete: %d other starts are there, which no seal is of", s.Others))
	}
	return findings
}
