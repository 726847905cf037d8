package cdc

import (
	"slices"
	"strconv"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// unknownKey is a key that nothing is known of, and what it held before and after a change; nil where it was not there.
type unknownKey struct {
	name          []byte
	before, after []byte
}

// unknownKeys are those that changed. A row may have any number of them.
type unknownKeys struct {
	told []unknownKey // the first by name
	more int          // the others
}

// add counts a key that changed.
func (u *unknownKeys) add(k unknownKey) {
	at, _ := slices.BinarySearchFunc(u.told, k.name, func(told unknownKey, name []byte) int {
		return strings.Compare(string(told.name), string(name))
	})
	if len(u.told) == toldParts {
		u.more++
		if at == toldParts {
			return
		}
		u.told = u.told[:toldParts-1]
	}
	u.told = slices.Insert(u.told, at, k)
}

// compareUnknown compares the unknown keys of two documents. It holds neither in memory: both are read side by side.
func compareUnknown(was, is []byte) (changed unknownKeys) {
	from, to := unknownIn(was), unknownIn(is)
	old, hasOld := from.next()
	now, hasNow := to.next()
	for hasOld || hasNow {
		switch {
		case !hasNow || (hasOld && jsonb.IsBefore(old.Name, now.Name)):
			changed.add(unknownKey{old.Name, old.Value, nil})
			old, hasOld = from.next()
		case !hasOld || jsonb.IsBefore(now.Name, old.Name):
			changed.add(unknownKey{now.Name, nil, now.Value})
			now, hasNow = to.next()
		default:
			if !sameUnknown(old.Value, now.Value) {
				changed.add(unknownKey{now.Name, old.Value, now.Value})
			}
			old, hasOld = from.next()
			now, hasNow = to.next()
		}
	}
	return changed
}

// sameUnknown compares two values of a key that nothing is known of, but for what all keys have: a timestamp is an instant.
func sameUnknown(a, b []byte) bool { return jsonb.Same(a, b, jsonb.Timed) || jsonb.SameInstant(a, b) }

// unknownMembers passes over the members of a document whose keys are unknown and whose values are not null, in jsonb's
// order.
type unknownMembers struct {
	walk   decode.Members // of a document that is in that order
	sorted []jsonb.Member // of any other, which was double-encoded
}

func unknownIn(document []byte) unknownMembers {
	if document == nil || isInOrder(document) {
		return unknownMembers{walk: decode.MembersOf(document)}
	}
	members := jsonb.AppendMembers(nil, document)
	slices.SortFunc(members, func(a, b jsonb.Member) int {
		if jsonb.IsBefore(a.Name, b.Name) {
			return -1
		}
		return 1 // no two have one name
	})
	return unknownMembers{sorted: members}
}

// isInOrder reports whether the members of a document are in jsonb's order, and thus none is there twice.
func isInOrder(document []byte) bool {
	var last []byte
	for m := decode.MembersOf(document); m.Next(); m.Value() {
		name := jsonb.Text(m.Name).Unquoted()
		if last != nil && !jsonb.IsBefore(last, name) {
			return false
		}
		last = name
	}
	return true
}

func (u *unknownMembers) next() (jsonb.Member, bool) {
	for len(u.sorted) > 0 {
		m := u.sorted[0]
		u.sorted = u.sorted[1:]
		if isUnknown(m) {
			return m, true
		}
	}
	for u.walk.Next() {
		m := jsonb.Member{Name: jsonb.Text(u.walk.Name).Unquoted(), Value: u.walk.Value()}
		if isUnknown(m) {
			return m, true
		}
	}
	return jsonb.Member{}, false
}

func isUnknown(m jsonb.Member) bool {
	_, known := keyOf(m.Name)
	return !known && !m.Value.IsNull()
}

// reportUnknown tells the first unknown keys by name, and how many others changed.
func (h *history) reportUnknown() {
	for _, u := range h.unknown.told {
		h.emit(&schemas.HistoryUnknownKey{Key: string(h.short(u.name)), Raw: h.bound(u.after)}, u.before, u.after, atCommit)
	}
	if h.unknown.more > 0 {
		h.emit(&schemas.HistoryUnknownKey{More: schemas.Number(strconv.Itoa(h.unknown.more))}, nil, nil, atCommit)
	}
}
