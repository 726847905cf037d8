package sink

// Finding is the outcome of checking one precondition.
type Finding struct {
	Name   string
	OK     bool
	Detail string // what was found
	Repair string // the command that repairs it
}
