package schemas

import (
	"slices"
	"strings"
)

//go:generate go run ./internal/generate
//go:generate go test -count=1 -run ^TestDocumentsMatchTypes$ -update .

// The topics that events go to; a sink puts its prefix before them. Their order is that of the reference.
const (
	EntryBlocks    = "entry-blocks"
	TrimPools      = "trim-pools"
	EmergencyExits = "emergency-exits"
	Executions     = "executions"
	Positions      = "positions"
	Quarantine     = "quarantine"
	Control        = "control"
)

// Kind is one event type of the contract: where it goes, how urgent it is, and what its data looks like. The directive in
// the comment of its struct says all of this.
type Kind struct {
	Type       Type
	Topic      string
	Severity   Severity    // of most of its events
	Severities []Severity  // that its events may have, by their data; Severity is the first
	Due        bool        // told when time has passed: origin.op may be time
	New        func() Data // a zero value to read into
}

// kindOf finds a type of this contract.
var kindOf = func() map[Type]*Kind {
	byType := make(map[Type]*Kind, len(kinds))
	for i := range kinds {
		byType[kinds[i].Type] = &kinds[i]
	}
	return byType
}()

// Kinds returns every event type of the contract, in the order of the reference.
func Kinds() []Kind { return slices.Clone(kinds) }

// TopicOf returns the topic of an event type. A type that this version does not know goes where its family goes (the name
// up to the dot), and control is where a family goes that it does not know either.
func TopicOf(t Type) string {
	if kind := kindOf[t]; kind != nil {
		return kind.Topic
	}
	family, _, _ := strings.Cut(t.Name(), ".")
	for _, kind := range slices.Backward(kinds) { // the last topic of a family is the one for what is new
		if strings.HasPrefix(kind.Type.Name(), family+".") {
			return kind.Topic
		}
	}
	return Control
}

// SeverityOf returns the severity that most events of a type have, info for a type that is not of this contract. An event
// has its own in Attributes: it depends on the data too.
func SeverityOf(t Type) Severity {
	if kind := kindOf[t]; kind != nil {
		return kind.Severity
	}
	return Info
}
