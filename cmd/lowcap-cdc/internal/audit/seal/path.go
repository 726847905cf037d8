package seal

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Path collects the hashes that lead from one leaf to the root of a tree, while the tree's leaves go by: its audit path
// (RFC 6962, section 2.1.1). It takes memory for as many hashes as the tree is high.
type Path struct {
	number, size uint64
	parts        []part // from the root down
	leaf         tlog.Hash
}

// part is a subtree beside the way from the root to the leaf: the leaves with numbers above low, up to high.
type part struct {
	low, high uint64
	tree      Frontier
}

// NewPath returns the path of the event with a number, from 1 on, in the tree of the first size events.
func NewPath(number, size uint64) (*Path, error) {
	if number == 0 || number > size || size > largestTree {
		return nil, fmt.Errorf("prove event %d: it is not among the %d that are sealed", number, size)
	}
	p := &Path{number: number, size: size}
	low, high := uint64(0), size
	for high-low > 1 {
		middle := low + 1<<(bits.Len64(high-low-1)-1)
		if number <= middle {
			p.parts = append(p.parts, part{low: middle, high: high})
			high = middle
		} else {
			p.parts = append(p.parts, part{low: low, high: middle})
			low = middle
		}
	}
	return p, nil
}

// Begin takes in the tree of the events that are not there any more. They must all come before the path's own.
func (p *Path) Begin(f *Frontier) {
	low := uint64(0)
	for _, root := range f.roots {
		leaves := uint64(1) << (bits.Len64(f.size-low) - 1)
		if at := p.find(low + 1); at != nil {
			at.tree.join(root, leaves)
		}
		low += leaves
	}
}

// Add takes in the event with the next number.
func (p *Path) Add(number uint64, event []byte) {
	if number == p.number {
		p.leaf = tlog.RecordHash(event)
	} else if at := p.find(number); at != nil {
		at.tree.Add(event)
	}
}

func (p *Path) find(number uint64) *part {
	at := slices.IndexFunc(p.parts, func(s part) bool { return number > s.low && number <= s.high })
	if at < 0 {
		return nil
	}
	return &p.parts[at]
}

// Hashes returns the path, from the leaf up, when it leads to the root.
func (p *Path) Hashes(root tlog.Hash) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, s := range slices.Backward(p.parts) {
		if s.tree.Size() != s.high-s.low {
			return nil, fmt.Errorf("prove event %d: of the events %d to %d only %d are there", p.number, s.low+1, s.high, s.tree.Size())
		}
		hashes = append(hashes, s.tree.Root())
	}
	if err := tlog.CheckRecord(hashes, int64(p.size), root, int64(p.number-1), p.leaf); err != nil {
		return nil, errors.New(
			"prove event: the events that are there are not those that were sealed; run: lowcap-cdc audit verify --seals FILE --pub FILE.pub",
		)
	}
	return hashes, nil
}
