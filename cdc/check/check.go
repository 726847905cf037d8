// Package check is what the verb check prints: what was found about each precondition, on either side of the stream.
package check

// Severity says what a finding means for a run.
type Severity string

// The severities of a finding. The zero value counts as Fail: what no one has shown to be right is not.
const (
	OK   Severity = "ok"
	Warn Severity = "warn" // a run works; someone should know
	Fail Severity = "fail" // a run does not work, or breaks the promise
)

// Finding is the outcome of checking one precondition.
type Finding struct {
	Name     string   `json:"name"`
	Severity Severity `json:"severity"`
	Detail   string   `json:"detail"` // what was found
	Repair   string   `json:"repair"` // the command, or the setting, that repairs it; empty where nothing is wrong
}
