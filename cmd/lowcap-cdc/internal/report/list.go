package report

import "encoding/json"

const mostListed = 1000 // lines of one list that are kept

// List keeps the newest lines and counts all, so that a report of any stretch of time fits into memory.
type List[T any] struct {
	kept  []T
	total int
}

func (l *List[T]) add(line T) {
	l.total++
	if len(l.kept) < mostListed {
		l.kept = append(l.kept, line)
		return
	}
	l.kept[(l.total-1)%mostListed] = line
}

// Lines returns what was kept, in the order in which it came.
func (l *List[T]) Lines() []T {
	if l.total <= mostListed {
		return l.kept
	}
	at := l.total % mostListed
	return append(append([]T{}, l.kept[at:]...), l.kept[:at]...)
}

// Total returns how many lines there were.
func (l *List[T]) Total() int { return l.total }

// MarshalJSON returns the number of all lines, and those that were kept.
func (l List[T]) MarshalJSON() ([]byte, error) {
	lines := l.Lines()
	if lines == nil {
		lines = []T{}
	}
	return json.Marshal(struct {
		Total int `json:"total"`
		Lines []T `json:"lines"`
	}{l.total, lines})
}
