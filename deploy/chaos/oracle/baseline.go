package oracle

import "encoding/json"

// Skip takes a row change down of which nobody is told: what comes behind it is told as of a row that has had it.
func (l *Log) Skip(isPosition bool, entity, op string, was, is []byte) {
	told := l.Steps
	l.Steps = make(Steps)
	l.Add(isPosition, entity, op, was, is)
	l.Steps = told
}

// Baseline takes down that a row is as it is, and that nothing was known of it before.
func (l *Log) Baseline(isPosition bool, entity string, is []byte) {
	l.Skip(isPosition, entity, baselineOp, nil, is)
}

// IsReadable reports whether every value of a history, and every field of each, can be read: then nothing of what was before counts.
func IsReadable(history json.RawMessage) bool {
	values, isObject := parse(history).(map[string]any)
	for key, v := range values {
		if v != nil && !isWellFormed(key, v) {
			return false
		}
		fields, _ := v.(map[string]any)
		for name, field := range fields {
			if isKind := kinds[name]; isKind != nil && field != nil && !isKind(field) {
				return false
			}
		}
	}
	return isObject || string(history) == "null" || len(history) == 0
}

// Baseline returns what a reader takes a row to be by a baseline, as steps from nothing; nil for any other event.
func (e *Event) Baseline() []string {
	switch e.Type {
	case "lowcap.position.baseline.v1":
		return []string{"row: new"}
	case "lowcap.entry_block.baseline.v1":
		return []string{"row: new", step("flags", flags{}, flagsOf(e.Data.After))}
	}
	return nil
}

// Take adds the steps of a baseline.
func (t *Told) Take(e *Event) {
	t.Flush()
	t.Steps[e.Subject] = append(t.Steps[e.Subject], e.Baseline()...)
}
