// Package oracle says what the events of a source must tell, and what they do tell. It shares no code with the sidecar: it knows
// nothing of WAL, images or verdicts. From what was written down of each row change it says which structure of which row
// changed from what to what, and in which order for each row. What kind of event that is, is not its business.
package oracle

import (
	"encoding/json"
	"maps"
	"slices"
)

// Steps are what happened to each row, in order: "trim_pool: null -> {...}".
type Steps map[string][]string

// row is what the oracle remembers of a position: the last readable value of each key of its history.
type row map[string]any

// Log takes down each row change, in the order of the commits, and says which steps the events must tell.
type Log struct {
	Steps Steps
	known map[string]row
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{Steps: make(Steps), known: make(map[string]row)} }

// Add takes down an INSERT, UPDATE or DELETE of a row. What the row was and is comes as JSON: of a block {"s1", "s2"}, of a
// position {"status", "trade", "history"}, nothing where there was or is no row. A block's flags are then both false.
func (l *Log) Add(isPosition bool, entity, op string, was, is []byte) {
	if isPosition {
		l.Steps.add(entity, positionSteps(l.known, entity, op, was, is))
	} else {
		l.Steps.add(entity, blockSteps(op, was, is))
	}
}

func (s Steps) add(entity string, more []string) {
	slices.Sort(more) // the order within one change is the contract's, and not looked at here
	s[entity] = append(s[entity], more...)
}

// step says what changed. An empty pool and no pool are one.
func step(key string, before, after any) string {
	said := func(v any) string {
		if key == "trim_pool" && isEmptyPool(v) {
			v = nil
		}
		return canonical(v)
	}
	return key + ": " + said(before) + " -> " + said(after)
}

func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "unreadable"
	}
	return string(text)
}

// baselineOp is written down of a row that a server has again which was restored to an earlier point: it is as it is, and that is
// no step.
const baselineOp = "BASELINE"

// flags are a block's, with NULL as false.
type flags struct{ S1, S2 bool }

func blockSteps(op string, was, is []byte) []string {
	var before, after flags
	if op == baselineOp {
		return nil
	}
	if json.Unmarshal(was, &before) != nil || json.Unmarshal(is, &after) != nil {
		return []string{"unreadable log"}
	}
	if op == "DELETE" {
		return []string{"row: gone"}
	}
	return flagSteps(before, after)
}

func flagSteps(before, after flags) []string {
	if before == after {
		return nil
	}
	return []string{step("flags", before, after)}
}

// position is what the triggers write down of a position.
type position struct {
	Status  *string         `json:"status"`
	Trade   *string         `json:"trade"`
	History json.RawMessage `json:"history"`
}

func positionSteps(known map[string]row, entity, op string, was, is []byte) []string {
	var before, after position
	if was != nil && json.Unmarshal(was, &before) != nil || is != nil && json.Unmarshal(is, &after) != nil {
		return []string{"unreadable log"}
	}
	switch op {
	case "DELETE":
		delete(known, entity)
		return []string{"row: gone"}
	case "INSERT":
		known[entity] = readable(after.History, nil)
		return []string{"row: new"}
	case baselineOp:
		known[entity] = readable(after.History, nil)
		return nil
	}
	if known[entity] == nil {
		known[entity] = readable(before.History, nil)
	}
	var more []string
	if canonical(before.Status) != canonical(after.Status) {
		more = append(more, step("status", before.Status, after.Status))
	}
	if canonical(before.Trade) != canonical(after.Trade) {
		more = append(more, step("trade", before.Trade, after.Trade))
	}
	return append(more, historySteps(known, entity, after.History)...)
}

func historySteps(known map[string]row, entity string, history json.RawMessage) []string {
	old := known[entity]
	now := readable(history, old)
	known[entity] = now
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	var more []string
	for key := range keys {
		if key != exitGuard && !sameValue(key, old[key], now[key]) {
			more = append(more, step(key, old[key], now[key]))
		}
	}
	return more
}

// readable returns the values of a history. What cannot be read, a value or a field of it, is remembered as it was before.
func readable(history json.RawMessage, before row) row {
	now := make(row)
	values, _ := parse(history).(map[string]any)
	for key, v := range values {
		if v != nil && isWellFormed(key, v) {
			now[key] = effective(key, v, before[key])
		} else if v != nil && before[key] != nil {
			now[key] = before[key]
		}
	}
	return now
}
