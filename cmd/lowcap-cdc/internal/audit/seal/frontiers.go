package seal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// FrontierPath returns where the frontiers of a log's seals stand.
func FrontierPath(path string) string { return path + ".frontier" }

// Frontiers finds the frontiers that stand beside a log. One that is not there, or does not fit its seal, is not found: it
// can be made anew from the events.
type Frontiers struct {
	path  string
	lines map[uint64]int64 // where the line of a size begins; the last one counts
}

// Frontiers reads where the frontiers of the log's seals are.
func (l *Log) Frontiers() (*Frontiers, error) {
	f := &Frontiers{path: FrontierPath(l.path), lines: make(map[uint64]int64)}
	info, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return f, nil
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("read frontiers: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewReaderSize(file, longestLine)
	for at, isLine := int64(0), true; ; {
		line, err := lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return f, nil
		}
		size, _, _ := strings.Cut(string(line), " ")
		if n, wrong := parseSize(size); isLine && err == nil && wrong == nil && len(f.lines) < 2*mostSeals {
			f.lines[n] = at
		}
		at, isLine = at+int64(len(line)), err == nil // behind a part of a line that is too long comes the rest of it
	}
}

// Of returns the frontier of a seal.
func (f *Frontiers) Of(c *Checkpoint) (Frontier, bool) {
	at, known := f.lines[c.Size]
	if !known {
		return Frontier{}, false
	}
	file, err := os.Open(f.path)
	if err != nil {
		return Frontier{}, false
	}
	defer file.Close() //nolint:errcheck // it was only read
	line, err := bufio.NewReaderSize(io.NewSectionReader(file, at, longestLine), longestLine).ReadString('\n')
	if err != nil {
		return Frontier{}, false
	}
	tree, err := ParseFrontier(strings.TrimSuffix(line, "\n"))
	return tree, err == nil && tree.Root() == c.Root
}
