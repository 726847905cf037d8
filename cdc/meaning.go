package cdc

import (
	"fmt"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
)

// Meaning is what a value of a history says, without how it is written: two values that no event tells apart have the same
// one. The zero Meaning is that of an absent key. It is comparable with ==.
type Meaning struct {
	digest jsonb.Digest
	unread bool // it, or a field of it, cannot be read
}

// IsEmpty reports whether a value says nothing: it is absent, null, {} or, for the pool, zeroed.
func (m Meaning) IsEmpty() bool { return m == Meaning{} }

// IsUnread reports whether a value, or a field of it, cannot be read. Then it is in quarantine, and no event says more.
func (m Meaning) IsUnread() bool { return m.unread }

// Meanings are those of the known keys of a history, in the order of HistoryKeys.
type Meanings [keyCount]Meaning

// HistoryKeys names the known keys of a history.
func HistoryKeys() [keyCount]string { return keyNames }

// Set takes in the value of one key as an event has it; nil and null mean absent. It reports false for an unknown key.
func (m *Meanings) Set(name string, raw []byte) bool {
	k, known := keyOf([]byte(name))
	if known {
		m[k] = meaningOf(k, raw)
	}
	return known
}

// SetUnread notes that the value of a key was too long to be told, or could not be read.
func (m *Meanings) SetUnread(name string) {
	if k, known := keyOf([]byte(name)); known {
		m[k] = Meaning{unread: true}
	}
}

// Get returns the meaning of one key.
func (m *Meanings) Get(name string) Meaning {
	if k, known := keyOf([]byte(name)); known {
		return m[k]
	}
	return Meaning{}
}

// ReadHistory returns what a history says, as an event or a row has it; nil and null mean that there is none.
func ReadHistory(history []byte) (m Meanings, err error) {
	if jsonb.Text(history).IsNull() {
		return m, nil
	}
	if !jsonb.Text(history).IsObject() {
		return m, fmt.Errorf("read history: it is not an object")
	}
	known := knownKeys(history)
	for k := range keyCount {
		m[k] = meaningOf(k, known[k])
	}
	return m, nil
}

// HistoryOf returns the history in a features document, nil when there is none.
func HistoryOf(features []byte) ([]byte, error) {
	if features == nil {
		return nil, nil
	}
	parsed, err := decode.ParseFeatures(features)
	return parsed.History, err
}

func meaningOf(k key, raw []byte) Meaning {
	v, bad := new(valueParser).read(k, raw)
	if bad != nil || len(v.parts) > 0 {
		return Meaning{unread: true}
	}
	return Meaning{digest: v.sum()}
}

// PoolIsEmpty reports whether a pool, as an event or a row has it, holds nothing by what can be read of it. held says that it
// held something before: one whose basis cannot be read still does.
func PoolIsEmpty(pool []byte, held bool) bool {
	v, bad := new(valueParser).read(trimPool, pool)
	return bad != nil || v.empty && (!held || !v.isUnread("usd_basis"))
}

// InstantOf returns a timestamp column as events have it, given as Postgres prints it in UTC.
func InstantOf(column []byte) string { return string(instantColumn(column)) }

// TextOf returns a text column as events have it: of one that no event carries whole, its beginning and its digest.
func TextOf(column []byte) string { return string(shorten(column, maxText)) }

// ValueOf returns the value of a key as a history has it, empty when it has none.
func ValueOf(history []byte, name string) string {
	k, known := keyOf([]byte(name))
	if !known || !jsonb.Text(history).IsObject() {
		return ""
	}
	values := knownKeys(history)
	return string(values[k])
}
