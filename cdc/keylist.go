package cdc

import (
	"bytes"
	"sort"
)

// keyList is a list of rows by key, sorted as text. It holds packed keys of its own, so images may come and go.
type keyList struct {
	packed []byte
	order  []int // where in packed each key that is left begins
}

// keys returns the keys of all rows.
func (im *images) keys() keyList {
	list := keyList{order: make([]int, 0, im.rows)}
	for _, s := range im.index {
		if s != noRef && s != goneRef {
			list.order = append(list.order, len(list.packed))
			list.packed = append(list.packed, packedKey(im.entry(s))...)
		}
	}
	sort.Sort(&list)
	return list
}

// Len, Less and Swap are for sorting.
func (l *keyList) Len() int      { return len(l.order) }
func (l *keyList) Swap(i, j int) { l.order[i], l.order[j] = l.order[j], l.order[i] }

func (l *keyList) Less(i, j int) bool {
	var rooms [2][uuidLength]byte
	return bytes.Compare(l.text(i, rooms[0][:0]), l.text(j, rooms[1][:0])) < 0
}

// text prints a key into room, or returns it where it stands.
func (l *keyList) text(i int, room []byte) []byte {
	r := reader{data: l.packed[l.order[i]:]}
	text, _ := r.text(room)
	return text
}

// first returns the first key. There must be one.
func (l *keyList) first() string { return string(l.text(0, nil)) }

// pop takes the first key off the list.
func (l *keyList) pop() { l.order = l.order[1:] }
