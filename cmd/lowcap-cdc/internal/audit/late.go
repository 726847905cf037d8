package audit

import (
	"context"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/sink"
)

// behindAbsent returns the basis of a tree that begins with an event's number. What stood before it is a leaf without a byte each.
func behindAbsent(begins uint64) *basis {
	if begins < 2 {
		return &basis{}
	}
	return &basis{base: seal.Checkpoint{Size: begins - 1}, tree: seal.Absent(begins - 1), begins: begins}
}

// beginning returns the basis of a new log: what is there without a hole that retention has made, or from where a copy begins. Whoever begins so says that he does
// not vouch for what was before.
func (s *Sealer) beginning(ctx context.Context) (*basis, error) {
	kept, err := s.Reader.Kept(ctx)
	if err != nil {
		return nil, err
	}
	_, head, err := readHead(ctx, s.Reader)
	if err != nil {
		return nil, err
	}
	trimmed, compacted := trimmedLanes(kept)
	begins, last := uint64(1), uint64(0)
	err = s.Reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		a := e.Attributes()
		switch {
		case a.Number == 1:
			begins = 1
		case a.Number > last+1 && (compacted || len(trimmed) > 0 || last == 0 && head.Number == 0): // what no retention explains ends the sealing, later
			begins = a.Number
		}
		if a.Number > 0 {
			last = a.Number
		}
		delete(trimmed, lane{e.Topic, e.Partition})
		return ctx.Err()
	})
	return behindAbsent(begins), err
}

// trimmedLanes returns the places whose beginning was removed, and whether any is compacted.
func trimmedLanes(kept []sink.Kept) (trimmed map[lane]bool, compacted bool) {
	trimmed = make(map[lane]bool)
	for _, k := range kept {
		compacted = compacted || k.Compacted
		if k.First > 0 || k.Late {
			trimmed[lane{k.Topic, k.Partition}] = true
		}
	}
	return trimmed, compacted
}
