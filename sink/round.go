package sink

import "context"

// Round is what a consumer that remembers its place found together.
type Round struct {
	Events []Stored // in the order of sequence; none when there was nothing
	// Begun reports whether an earlier consumer of the same place was sending an event when it ended, without word of how
	// that came out.
	Begun func(*Stored) bool
	// Handled remembers that the first n events of this round, and all rounds before, need not come again. With sending
	// it also remembers that the event after them is on its way: to whoever continues after a crash Begun says so.
	Handled func(ctx context.Context, n int, sending bool) error
}
