package simulate

import (
	"fmt"
	"time"
)

// Before some changes of the server the operator runs the verb handover, until it says that everything is handed over, or until he has
// had enough. The server is changed in either case.

// mostHandings bounds how often the verb is run.
const mostHandings = 10

// flushWithin is how long a commit may take to be flushed that nobody waits for: three times wal_writer_delay.
const flushWithin = 600 * time.Millisecond

// handOver begins to hand the server over. Nobody writes any more.
func (w *world) handOver() {
	w.phase = handing
	if random := w.net.draw("handing"); !w.rules.calm && random.IntN(2) == 0 && w.happens("handing is killed") {
		w.rules.crashes["a"] = random.IntN(startMessages)
	}
	w.net.plan(flushWithin, "what was written before the handover is flushed", w.server.flushAll)
	w.instances["a"].again()
}

// mayHandOver reports whether the verb is run once more.
func (w *world) mayHandOver() bool {
	if w.handed || w.enough {
		return false
	}
	w.handings++
	if w.enough = w.handings > mostHandings || w.handings > 1 && w.net.draw(fmt.Sprint("handing ", w.handings)).IntN(4) == 0; w.enough {
		w.trace.say("the operator has had enough of handing over")
	}
	return !w.enough
}

// mayStart reports whether an instance may begin a life in this phase.
func (i *instance) mayStart() bool {
	switch i.world.phase {
	case stopping:
		return false
	case handing:
		return i.name == "a" && i.world.mayHandOver()
	}
	return true
}
