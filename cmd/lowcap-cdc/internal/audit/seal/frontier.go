package seal

import (
	"crypto/sha256"
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// largestTree is the most leaves that a tree may have: tlog counts them in an int64.
const largestTree = 1 << 62

// Frontier is a Merkle tree (RFC 6962, section 2.1) as far as one has to know it in order to add leaves: the roots of its
// complete subtrees, the largest first. The zero value is the empty tree.
type Frontier struct {
	size  uint64
	roots []tlog.Hash
}

// Absent returns the tree of events that were removed before the first seal was made: each is a leaf without a byte, as no event is.
func Absent(size uint64) Frontier {
	f, root := Frontier{size: size}, tlog.RecordHash(nil)
	for n := size; n > 0; n >>= 1 {
		if n&1 == 1 {
			f.roots = append(f.roots, root)
		}
		root = tlog.NodeHash(root, root)
	}
	slices.Reverse(f.roots)
	return f
}

// Size returns the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Add adds an event's bytes as a leaf.
func (f *Frontier) Add(event []byte) {
	f.join(tlog.RecordHash(event), 1)
	for n := f.size; n&1 == 0; n >>= 1 {
		last := len(f.roots) - 1
		f.roots[last-1] = tlog.NodeHash(f.roots[last-1], f.roots[last])
		f.roots = f.roots[:last]
	}
}

// join puts a complete subtree behind the others.
func (f *Frontier) join(root tlog.Hash, leaves uint64) {
	f.roots, f.size = append(f.roots, root), f.size+leaves
}

// Root returns the hash of the whole tree.
func (f *Frontier) Root() tlog.Hash {
	if len(f.roots) == 0 {
		return sha256.Sum256(nil)
	}
	last := len(f.roots) - 1
	root := f.roots[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(f.roots[i], root)
	}
	return root
}

// Clone returns a frontier that can grow by itself.
func (f *Frontier) Clone() Frontier {
	return Frontier{f.size, append([]tlog.Hash(nil), f.roots...)}
}

// String prints the frontier as a line of the frontier file: the number of leaves, then the roots in base64.
func (f *Frontier) String() string {
	var b strings.Builder
	b.WriteString(strconv.FormatUint(f.size, 10))
	for _, root := range f.roots {
		b.WriteString(" " + root.String())
	}
	return b.String()
}

var errFrontier = errors.New("not a frontier: a number of leaves, and a hash in base64 for each of its binary ones")

// ParseFrontier reads what String prints. It does not know whether the hashes are right: only a seal's root tells.
func ParseFrontier(line string) (Frontier, error) {
	fields := strings.Split(line, " ")
	size, err := parseSize(fields[0])
	if err != nil || len(fields)-1 != bits.OnesCount64(size) {
		return Frontier{}, errFrontier
	}
	f := Frontier{size: size}
	for _, field := range fields[1:] {
		root, err := parseHash(field)
		if err != nil {
			return Frontier{}, errFrontier
		}
		f.roots = append(f.roots, root)
	}
	return f, nil
}

// parseSize reads a number of leaves as it is printed, and in no other way.
func parseSize(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > largestTree || strconv.FormatUint(n, 10) != text {
		return 0, errors.New("not a number of events")
	}
	return n, nil
}

// parseHash reads a hash as it is printed, and in no other way: base64 has unused bits at its end.
func parseHash(text string) (tlog.Hash, error) {
	h, err := tlog.ParseHash(text)
	if err != nil || h.String() != text {
		return tlog.Hash{}, errors.New("not a hash in base64")
	}
	return h, nil
}
