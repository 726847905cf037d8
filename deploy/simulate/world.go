// Package simulate runs the whole sidecar (supervisor, pipeline, Postgres source, Kafka sink) against a simulated Postgres and a
// cluster of kfake, in one bubble of virtual time. A seed is the schedule: of the load, of every message, of every fault. See README.md.
package simulate

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// world is all that a seed makes.
type world struct {
	seed      uint64
	batch     int // events of a batch; small, so that transactions are cut
	random    *rand.Rand
	trace     *trace
	net       *network
	server    *server
	brokers   *brokers
	load      *load
	rules     *rules
	instances map[string]*instance
	events    int
	losses    int                            // how often changes were lost with the slot
	committed atomic.Pointer[cdc.Checkpoint] // the last one that an instance says is in the sink
	failures  []string

	phase   phase // of a change of servers
	still   bool  // nobody writes meanwhile
	changes int   // of servers

	promoted int  // standbys, while another server was adopted
	handed   bool // the server, by the word of the verb
	handings int  // how often the verb was run
	enough   bool // and is not run again
	isLived  bool // something has become of the tables
	// mayBeWhole: a server may have been handed over, or brought everything, whatever its operator knows. If no gap is told, nothing is
	// missing.
	mayBeWhole bool
	unknown    int // how often the verb has said that there is no history

	adopter     string // the life that ran the verb last
	claimed     bool   // it has come to the slot that it makes, so the adoption is in the sink
	interrupted bool   // it was killed before it had proved what it had told
	isUnseen    bool   // the last change may not have been one to the sidecar

	struck []string        // the writes, misfortunes and faults that have happened, by name
	only   map[string]bool // those that may happen; nil for all
}

// Outcome is what became of a seed.
type Outcome struct {
	Seed       uint64
	Hash       uint64 // of the trace
	Messages   int    // delivered
	Events     int    // read back
	Simulated  time.Duration
	Failures   []string
	Broken     int      // how often the machine may have changed the order of goroutines
	Struck     []string // writes, misfortunes and faults
	Of         int      // how many those were before it was shrunk
	Transcript string   // of a seed that failed
}

// recoverWithin is how long everything may take to be told after the last fault.
const recoverWithin = 15 * time.Minute

// run makes the world of a seed and lets it come to its end. Every line of the trace goes to all, when that is not nil, and of
// misfortunes and faults only those happen that are named, unless only is nil. It is called in a bubble.
func run(seed uint64, only map[string]bool, all io.Writer) Outcome {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	seedGlobal(seed)
	w := &world{seed: seed, only: only, trace: newTrace(all), instances: make(map[string]*instance)}
	w.committed.Store(new(cdc.Checkpoint))
	w.net = newNetwork(seed, w.trace)
	w.random = w.net.draw("world")
	w.batch = []int{0, 5, 20}[w.random.IntN(3)]
	var err error
	if w.brokers, err = newBrokers(w.net, seed%2 == 0); err != nil {
		return Outcome{Seed: seed, Failures: []string{err.Error()}}
	}
	w.server = newServer(w.net, seed)
	w.load = newLoad(w.server, seed)
	w.rules = newRules(w)
	w.brokers.coordinator.slow = w.random.IntN(3) == 0
	w.play()
	w.close()
	return w.outcome()
}

// happens notes that something happens which a seed can do without, and reports whether it may.
func (w *world) happens(name string) bool {
	if w.only != nil && !w.only[name] {
		return false
	}
	w.struck = append(w.struck, name)
	return true
}

// explain says what a person needs to know of a seed that failed.
func (o *Outcome) explain() string {
	shrunk := ""
	if o.Of > 0 {
		shrunk = fmt.Sprintf("of %d writes, misfortunes and faults it takes %d\n", o.Of, len(o.Struck))
	}
	return fmt.Sprintf("%s\n%sseed %d: %s\nagain: go test ./deploy/simulate -run TestSeeds -seeds 1 -first %d", o.Transcript, shrunk, o.Seed,
		strings.Join(o.Failures, "; "), o.Seed)
}

func (w *world) outcome() Outcome {
	o := Outcome{Seed: w.seed, Hash: w.trace.hash, Messages: w.trace.delivered, Events: w.events, Simulated: time.Since(w.trace.begun),
		Failures: w.failures, Struck: w.struck, Broken: w.net.slice.broken}
	if len(w.failures) > 0 {
		o.Transcript = w.transcript()
	}
	return o
}

// play lets the seed happen: load and faults, then calm, until all is told; then everything is read back.
func (w *world) play() {
	names := []string{"a", "b"}[:1+w.random.IntN(2)]
	if w.rules.ambush.isOfTwo() {
		names = []string{"a", "b"}
	}
	apart := []int{2_000_000, 50_000}[w.random.IntN(2)] // in microseconds: some start together
	for _, name := range names {
		i := &instance{world: w, name: name}
		w.instances[name] = i
		w.net.plan(time.Duration(w.random.IntN(apart))*time.Microsecond, name+" starts", func() {
			if i.host == nil { // another server may have been there before, and started it
				i.start()
			}
		})
	}
	length := time.Duration(3+w.random.IntN([]int{15, 15, 15, 60}[w.random.IntN(4)])) * time.Second
	length = max(length, w.rules.ambush.lasts())
	w.planLoad(length)
	if w.planMove(length) {
		w.planLife(length)
	}
	w.rules.schedule(length)
	w.rules.ambush.plan(w, length)
	w.until(time.Now().Add(length), func() bool { return false })
	w.trace.say("calm")
	w.rules.settle()
	w.settleTables(0)
	w.net.plan(3*time.Second, "the last flush", w.server.flushAll)
	quiet := time.Now().Add(4 * time.Second)
	if !w.until(time.Now().Add(recoverWithin), func() bool { return time.Now().After(quiet) && w.net.isStill() && w.isTold() && w.isSettled() }) {
		w.failed("after %v of calm not everything is told: %s", recoverWithin, w.standing())
	}
	if len(w.failures) == 0 {
		w.live()
	}
	w.stop()
	w.verify()
}

// live has changes told in peace: nobody disturbs whoever reads from the slot. By the first one whoever reads may learn that another
// instance has fenced it a while ago, and while it starts again the slot is free, and a standby may try once more.
func (w *world) live() {
	for round := range 3 {
		reads := w.reader()
		w.server.commit(true, w.load.edit(0, w.load.nextStatus)...)
		until := time.Now()
		if len(w.instances) > 1 {
			until = until.Add(2 * time.Second) // in which a standby looks twice
		}
		told := w.until(time.Now().Add(time.Minute), func() bool { return !time.Now().Before(until) && w.isTold() })
		switch isQuiet := w.reader() == reads; {
		case len(w.failures) > 0, told && round > 0 && isQuiet:
			return
		case !told, round == 2:
			w.failed("in peace, whoever reads from the slot is disturbed: %s", w.standing())
			return
		}
	}
}

// reader returns the session that reads from the slot.
func (w *world) reader() *session {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if slot := w.server.slots["slot"]; slot != nil {
		return slot.session
	}
	return nil
}

// isSettled reports whether one session has read from the slot for a while: who has started beside it has fenced it by now, or waits.
func (w *world) isSettled() bool {
	for _, i := range w.instances {
		if i.running > 0 && i.resumes.Load() {
			return false
		}
	}
	reads := w.reader()
	return reads != nil && time.Since(reads.reads) >= 3*time.Second
}

// isHarsh reports whether this seed has clocks that jump, and slots that are lost or read by strangers.
func (w *world) isHarsh() bool { return w.seed%5 == 4 }

// planLoad spreads the writes over a time, most of them close together.
func (w *world) planLoad(length time.Duration) {
	steps := 10 + w.random.IntN(90)
	at := time.Duration(0)
	for n := range steps {
		name := fmt.Sprintf("load %d", n)
		if w.random.IntN(10) == 0 {
			at = time.Duration(w.random.Int64N(int64(length)))
		} else {
			at = min(at+time.Duration(w.random.IntN(50_000_000)), length)
		}
		w.net.plan(at, name, func() { w.write(name) })
	}
	for at := time.Duration(0); at < length; at += time.Duration(50+w.random.IntN(8000)) * time.Millisecond {
		w.net.plan(at, fmt.Sprintf("flush %v", at), w.server.flushAll)
	}
	for at := time.Duration(0); at < length; at += time.Duration(5+w.random.IntN(60)) * time.Second {
		w.net.plan(at, fmt.Sprintf("checkpoint %v", at), w.server.checkpoint)
	}
	for n := range w.random.IntN(3) {
		tokens, name := 3+w.random.IntN(20), fmt.Sprintf("huge %d", n)
		w.net.plan(time.Duration(w.random.Int64N(int64(length))), name, func() {
			if w.server.isUp() && !w.still && w.happens(name) {
				w.load.huge(tokens)
			}
		})
	}
}

// write is a step of the load, when the server runs.
func (w *world) write(name string) {
	if w.server.isUp() && !w.still && w.happens(name) {
		w.load.random = w.net.draw(name)
		w.load.step()
	}
}

// until lets things happen until a condition holds, or a time comes; it reports whether the condition holds.
func (w *world) until(end time.Time, holds func() bool) bool {
	for len(w.failures) == 0 {
		if !w.net.step(end) {
			return holds()
		}
		if failure := w.server.failure + w.brokers.coordinator.failed(); failure != "" {
			w.failed("%s", failure)
		}
		if holds() {
			return true
		}
	}
	return true
}

// isTold reports whether the sidecar streams, and has confirmed all that was committed.
func (w *world) isTold() bool {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	slot := w.server.slots["slot"]
	return slot != nil && slot.session != nil && w.isForRun(slot.session) && w.brokers.coordinator.isDone() && len(w.server.wal)+len(w.server.every) > 0 &&
		slot.confirmed >= w.server.lastChange() && w.areFollowed()
}

// isForRun reports whether a session is of an instance that goes on, and not of the verb that adopts.
func (w *world) isForRun(s *session) bool {
	return (w.phase == running || w.phase == adopting) && s.conn.(*end).link.client != w.adopter
}

// areFollowed reports whether the sidecar has committed that it follows the tables that there are, and no adoption is unfinished; the
// server's lock is held.
func (w *world) areFollowed() bool {
	if w.committed.Load().Adoption != nil {
		return false
	}
	for which, t := range [2]decode.Table{decode.Blocks, decode.Positions} {
		is, known := w.server.named(which), w.committed.Load().Tables[t]
		if is == nil || is.member == 0 || known.Missing || known.ID != (decode.TableID{OID: is.oid, Member: is.member}) {
			return false
		}
	}
	return true
}

func (w *world) standing() string {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if slot := w.server.slots["slot"]; slot != nil {
		return fmt.Sprintf("the slot stands at %v, the last change ends at %v, tables followed: %v", slot.confirmed, w.server.lastChange(), w.areFollowed())
	}
	return "there is no slot"
}

// stop ends the instances in peace and waits for them.
func (w *world) stop() {
	for _, i := range w.instances {
		i.over = true
		if i.cancel != nil {
			i.cancel()
		}
	}
	w.until(time.Now().Add(5*time.Minute), func() bool { return w.lives() == 0 })
}

func (w *world) lives() (n int) {
	for _, i := range w.instances {
		n += i.running
	}
	return n
}

// close ends every goroutine of the bubble.
func (w *world) close() {
	for _, i := range w.instances {
		i.over = true
		if i.host != nil {
			i.host.crash()
			i.cancel()
		}
	}
	w.server.crash()
	w.rules.calm = true
	for end := time.Now().Add(time.Hour); w.lives() > 0 && w.net.step(end); {
	}
	w.brokers.cluster.Close()
	for n := range brokerCount {
		w.net.listen(brokerAt(n), nil)
		w.net.cutAll(brokerAt(n))
	}
	w.net.end()
	synctest.Wait()
}

func (w *world) failed(format string, args ...any) {
	w.failures = append(w.failures, fmt.Sprintf(format, args...))
}

func (w *world) names() []string { return slices.Sorted(maps.Keys(w.instances)) }

// transcript is what a person needs to see of a seed that failed.
func (w *world) transcript() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, Postgres %d, batches of %d, %d messages\n", w.seed, w.server.major, w.batch, w.trace.delivered)
	lines := w.trace.lines
	if len(lines) > 120 {
		lines = append(append(slices.Clone(lines[:30]), entry{at: lines[30].at, text: "…"}), lines[len(lines)-90:]...)
	}
	for _, e := range lines {
		fmt.Fprintf(&b, "%.400s\n", e)
	}
	fmt.Fprintln(&b, "the last messages:")
	for _, e := range w.trace.recent {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}
