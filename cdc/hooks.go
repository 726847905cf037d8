package cdc

// Hooks are told what a Pipeline does while it runs. A nil func means that no one listens.
//
// Run calls them one after the other, from its own goroutine where nothing else is said. It waits for each, so none may
// wait for anything itself. None may keep the bytes that it is given.
type Hooks struct {
	Starting   func()                         // Run begins, and looks whether the slot is free
	Resuming   func()                         // the sink is asked for its state
	Loaded     func(key string, value []byte) // a record of that state was read; a nil value removes the key
	Resumed    func()                         // all of it was read; the source is asked to start
	Started    func(Start)                    // the source has started, with this
	Heard      func()                         // the server, for which Run had to wait, has sent a message
	Committing func(*Batch)                   // a batch is given to the sink
	Durable    func(*Batch)                   // the sink has it; called from the goroutine that commits
	Committed  func(Progress)                 // and it is confirmed to the source
	Notice     func(text string)              // what an operator should know; called by the source, from any goroutine
	Ignored    func()                         // a record of who makes a change was not the server's; called by the source, as Notice
}

// Progress is what a commit made durable.
type Progress struct {
	Checkpoint Checkpoint
	Events     []Event // valid during the call
	Images     int     // rows known
	ImageBytes int64   // what their images take
	Snapshot   bool    // a part of a snapshot: not visible before its last part
	Rows       Rows    // of that snapshot
}

// Tee returns hooks that tell both listeners, the first one first.
func Tee(a, b Hooks) Hooks {
	return Hooks{
		Starting:   both0(a.Starting, b.Starting),
		Resuming:   both0(a.Resuming, b.Resuming),
		Loaded:     both2(a.Loaded, b.Loaded),
		Resumed:    both0(a.Resumed, b.Resumed),
		Started:    both(a.Started, b.Started),
		Heard:      both0(a.Heard, b.Heard),
		Committing: both(a.Committing, b.Committing),
		Durable:    both(a.Durable, b.Durable),
		Committed:  both(a.Committed, b.Committed),
		Notice:     both(a.Notice, b.Notice),
		Ignored:    both0(a.Ignored, b.Ignored),
	}
}

// nobody hears everything and does nothing, so that Run need not ask whether someone listens.
var nobody = Hooks{
	Starting: func() {}, Resuming: func() {}, Loaded: func(string, []byte) {}, Resumed: func() {}, Started: func(Start) {},
	Heard: func() {}, Committing: func(*Batch) {}, Durable: func(*Batch) {}, Committed: func(Progress) {}, Notice: func(string) {}, Ignored: func() {},
}

func both0(a, b func()) func() {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func() { a(); b() }
}

func both[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}

func both2[S, T any](a, b func(S, T)) func(S, T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v S, w T) { a(v, w); b(v, w) }
}
