package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/sink"
)

// Print prints the report for a person, or as JSON.
func (v *Report) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		return readable.PrintJSON(out, v)
	}
	fmt.Fprintf(out, "events    %d, from sequence %s to %s\n", v.Events, v.First, v.Last)
	for _, name := range slices.Sorted(maps.Keys(v.Sources)) {
		seen := v.Sources[name]
		fmt.Fprintf(out, "source    %s: %d events, %s\n", readable.Printable(name), seen.Events, &seen.chainCheck)
		if seen.LastChain != "" {
			fmt.Fprintf(out, "last      %d:%s\n", seen.Last, seen.LastChain)
		}
	}
	for _, k := range v.Kept {
		printKept(out, k)
	}
	if v.Uncommitted > 0 {
		fmt.Fprintf(out, "tail      %d bytes behind the last commit of events.jsonl are no events: being written, left by a crash, or put there\n",
			v.Uncommitted)
	}
	if v.Sealed != nil {
		v.Sealed.print(out)
	}
	for _, finding := range v.Findings {
		fmt.Fprintln(out, "FAIL     ", finding)
	}
	switch {
	case len(v.Findings) > 0:
	case v.Sealed == nil || v.Sealed.Last == 0 && !v.Sealed.Expected:
		fmt.Fprintln(out, "ok        every event once, in order, well-formed, each with the hash of the one before it")
		fmt.Fprintln(
			out,
			"          who can write the sink can make all of that anew; what shows it is a seal kept elsewhere: --seals FILE --pub FILE.pub",
		)
	default:
		fmt.Fprintln(
			out,
			"ok        every event once, in order, well-formed, and, as far as it is sealed or expected, the one that was published",
		)
	}
	return nil
}

func printKept(out io.Writer, k sink.Kept) {
	switch {
	case k.Segments > 0:
		fmt.Fprintf(out, "retention %s is the oldest file; %d segments with %d events before it were removed\n", k.Topic, k.Segments, k.First)
	case k.First > 0:
		fmt.Fprintf(out, "retention %s/%d: everything before offset %d was removed by the broker\n", k.Topic, k.Partition, k.First)
	}
	if k.Late {
		fmt.Fprintf(out, "copied    %s/%d: the copy begins here; what stood before it was not copied to this cluster\n", k.Topic, k.Partition)
	}
	if k.Compacted {
		fmt.Fprintf(out, "compacted %s/%d: of several events with one key only the last are kept\n", k.Topic, k.Partition)
	}
}

// fewSpans is how many ranges of numbers are printed; JSON has them all.
const fewSpans = 5

func (s *Sealed) print(out io.Writer) {
	if s.Seals > 0 {
		fmt.Fprintf(out, "seals     %d of %d are over what is there and hold, the last one up to number %d\n", s.Held, s.Seals, s.Last)
	}
	if s.Begins > 1 {
		fmt.Fprintf(out, "begins    the seals begin with number %d: what stood before it was gone when the first one was made\n", s.Begins)
	}
	if s.Expected {
		fmt.Fprintln(out, "expected  the event is there, and it and all that stand before it without a gap are the ones that were published")
	}
	if s.Unsealed > 0 && s.Seals > 0 {
		fmt.Fprintf(out, "unsealed  %d events behind the last seal: nobody vouches for them yet\n", s.Unsealed)
	}
	printSpans(out, "gone     ", s.Gone, "are not there: retention took them, or this is a copy that begins later")
	printSpans(out, "unvouched", s.Unvouched, "are there, and no seal vouches for them, because what follows them is gone")
	if s.Others > 0 {
		fmt.Fprintf(out, "others    %d other starts of the numbering are there; no seal is of them\n", s.Others)
	}
	if s.Nameless > 0 {
		fmt.Fprintf(out, "no number %d events are of contract v1.0, or were put in since: no seal can be of them\n", s.Nameless)
	}
}

func printSpans(out io.Writer, label string, spans []Span, what string) {
	for i, span := range spans {
		if i == fewSpans {
			fmt.Fprintf(out, "%s … and %d more ranges of numbers; --json has them\n", label, len(spans)-i)
			return
		}
		fmt.Fprintf(out, "%s numbers %s %s\n", label, span, what)
	}
}
