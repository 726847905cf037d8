package simulate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/chaos/oracle"
	"lowcap-cdc/deploy/lab"
)

// topics are those of the events.
var topics = []string{"lowcap.entry-blocks", "lowcap.trim-pools", "lowcap.emergency-exits", "lowcap.executions", "lowcap.positions",
	"lowcap.quarantine", "lowcap.control"}

// verify reads everything back as a consumer does, and lets the oracle judge.
func (w *world) verify() {
	if len(w.failures) > 0 {
		return
	}
	var records []*kgo.Record
	var err error
	done := false
	go func() {
		records, err = w.readBack()
		w.net.plan(0, "read back", func() { done = true })
	}()
	w.until(time.Now().Add(10*time.Minute), func() bool { return done })
	if err != nil || !done {
		w.failed("read back: %v", err)
		return
	}
	w.events = len(records)
	w.judgeOrder(records)
	slices.SortStableFunc(records, func(a, b *kgo.Record) int { return cmp.Compare(header(a, "ce_sequence"), header(b, "ce_sequence")) })
	w.judgeChain(records)
	w.judgeSteps(records)
}

// readBack reads every committed record of the event topics.
func (w *world) readBack() (records []*kgo.Record, err error) {
	h := &host{name: "reader"}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokerAt(0)), kgo.ConsumeTopics(topics...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.Dialer(func(ctx context.Context, _, to string) (net.Conn, error) { return w.net.dial(ctx, h, to, true) }))
	if err != nil {
		return nil, err
	}
	defer h.crash()
	defer client.Close()
	left := make(map[string]int64)
	for _, topic := range topics {
		for _, p := range w.brokers.cluster.PartitionInfos(topic) {
			if p.LastStableOffset != p.HighWatermark {
				return nil, fmt.Errorf("a transaction is open in %s/%d", topic, p.Partition)
			}
			if p.HighWatermark > 0 {
				left[fmt.Sprint(topic, p.Partition)] = p.HighWatermark
			}
		}
	}
	for len(left) > 0 {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if at := fmt.Sprint(r.Topic, r.Partition); r.Offset+1 >= left[at] {
				delete(left, at)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records, nil
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// judgeOrder: within a partition sequences rise.
func (w *world) judgeOrder(records []*kgo.Record) {
	last := make(map[string]string)
	for _, r := range records {
		at, sequence := fmt.Sprint(r.Topic, r.Partition), header(r, "ce_sequence")
		if sequence <= last[at] {
			w.failed("in %s at %d sequence %s follows %s", at, r.Offset, sequence, last[at])
		}
		last[at] = sequence
	}
}

// judgeChain: every event follows the one before it in number and hash.
func (w *world) judgeChain(records []*kgo.Record) {
	var links lab.Links
	for _, r := range records {
		if err := links.Follow(r.Value); err != nil {
			w.failed("chain: %v", err)
			return
		}
	}
}

// judgeSteps: the events tell what the source did, each step once and in order.
func (w *world) judgeSteps(records []*kgo.Record) {
	events, damaged := make([]oracle.Event, len(records)), make(map[string]bool)
	for i, r := range records {
		if err := json.Unmarshal(r.Value, &events[i]); err != nil {
			w.failed("event: %v", err)
			return
		}
		noteDamage(damaged, &events[i])
	}
	if w.server.slots["slot"] == nil {
		w.failed("the slot is gone")
		return
	}
	gaps := w.judgeGaps(events)
	w.judgeAdoption(events)
	if w.losses > 0 && (gaps > 0 || !w.mayBeWhole || wasMissingBefore(events)) {
		w.judgeBelief(toldBy(events, func(*oracle.Event) bool { return true }), damaged)
		return
	}
	atPlaces(events)
	t := w.judgeTables(events)
	if t == nil {
		return
	}
	t.judgeReread(events)
	want, vague := t.steps()
	told := toldBy(events, func(e *oracle.Event) bool { return e.Baseline() == nil && !t.isOpen(tableOf(e), placeOf(e.Sequence)) })
	maps.DeleteFunc(told, func(entity string, _ []string) bool { return vague[entity] })
	maps.DeleteFunc(want, func(entity string, _ []string) bool { return vague[entity] })
	var explained strings.Builder
	if d := oracle.CompareSteps(told, want, &explained); !d.Clean() {
		w.failed("of %d steps %d lost, %d doubled, %d out of order:\n%s", d.Total, d.Lost, d.Doubled, d.Disorder, explained.String())
	}
}

// wasMissingBefore reports whether a table was told to be missing before the server was changed. That goes by places of the server before,
// by which no table is judged.
func wasMissingBefore(events []oracle.Event) bool {
	adopted := slices.IndexFunc(events, func(e oracle.Event) bool { return strings.HasPrefix(e.Type, "lowcap.stream.adopted") })
	return adopted >= 0 && slices.ContainsFunc(events[:adopted], func(e oracle.Event) bool { return strings.HasPrefix(e.Type, "lowcap.table.missing") })
}

// atPlaces gives each event the sequence that begins with its place in the WAL: behind an adoption it begins so much higher.
func atPlaces(events []oracle.Event) {
	base := uint64(0)
	for i := range events {
		e := &events[i]
		if strings.HasPrefix(e.Type, "lowcap.stream.adopted") {
			base = e.Data.SequenceBase
		}
		if at, err := strconv.ParseUint(e.Sequence[:16], 16, 64); err == nil && base != 0 {
			e.Sequence = fmt.Sprintf("%016X", at-base) + e.Sequence[16:]
		}
	}
}

// judgeGaps: there are no more gaps of the stream told than losses. It returns how many.
func (w *world) judgeGaps(events []oracle.Event) (gaps int) {
	for i := range events {
		if e := &events[i]; strings.HasPrefix(e.Type, "lowcap.stream.gap") && !strings.HasPrefix(e.Data.Why, "table ") {
			if gaps++; gaps > w.losses {
				w.failed("a gap is told, and nothing was lost: %s at %s", e.Data.Why, e.Sequence)
			}
		}
	}
	return gaps
}

// judgeAdoption: each change of servers is told once, and each adoption comes to its end.
func (w *world) judgeAdoption(events []oracle.Event) {
	adopted, open := 0, false
	for i := range events {
		switch e := &events[i]; {
		case strings.HasPrefix(e.Type, "lowcap.stream.adopted"):
			adopted, open = adopted+1, true
		case strings.HasPrefix(e.Type, "lowcap.stream.reconciled"):
			open = false
		}
	}
	if adopted > w.changes+w.promoted || adopted < w.changes && !w.isUnseen || open {
		w.failed("adoption: of %d changes of servers %d are told, and the last one is unfinished: %v", w.changes, adopted, open)
	}
}

// toldBy returns what events tell of rows, of those that count.
func toldBy(events []oracle.Event, counts func(*oracle.Event) bool) oracle.Steps {
	told := oracle.NewTold()
	for i := range events {
		if counts(&events[i]) {
			addTo(told, &events[i])
		}
	}
	told.Flush()
	return told.Steps
}

// addTo takes in what an event tells of a row. A baseline tells that nothing counts any more that was known before.
func addTo(told *oracle.Told, e *oracle.Event) {
	switch {
	case e.Baseline() != nil:
		told.Take(e)
	case isOfRow(e) && e.Data.Origin.Op != "baseline":
		told.Add(e)
	}
}

// isOfRow reports whether an event is about a row.
func isOfRow(e *oracle.Event) bool {
	return !strings.HasPrefix(e.Type, "lowcap.stream.") && !strings.HasPrefix(e.Type, "lowcap.table.")
}

// tableOf returns which table an event's row is of.
func tableOf(e *oracle.Event) int {
	if strings.Contains(e.Subject, "/") {
		return blocksOf
	}
	return positionsOf
}

// noteDamage notes which part of a row an event calls malformed.
func noteDamage(damaged map[string]bool, e *oracle.Event) {
	if strings.HasPrefix(e.Type, "lowcap.history.malformed.") {
		part, _, _ := strings.Cut(e.Data.Path, ".")
		damaged[e.Subject+" "+part] = true
	}
}

// judgeBelief: where steps were lost with the slot, whoever has read the events still believes in the end what the tables hold. What
// was damaged once is passed over: its last value that could be read may be among what was lost. What came and went again while it was
// lost need not be told.
func (w *world) judgeBelief(told oracle.Steps, damaged map[string]bool) {
	have, want, streamed := beliefs(told), beliefs(stepsOf(append(w.server.every, w.server.wal...))), beliefs(stepsOf(w.server.streamed()))
	again, known := w.server.entities(blocksOf), make(map[string]bool)
	for of := range have {
		entity, _, _ := strings.Cut(of, " ")
		known[entity] = true
	}
	for of, value := range want {
		if entity, _, _ := strings.Cut(of, " "); value == "row: gone" && (again[entity] || !known[entity]) {
			continue // it came again, without any flag, or nothing was ever told of it
		}
		_, isTold := have[of]
		part := of[strings.LastIndexByte(of, ' ')+1:]
		if _, must := streamed[of]; !isDamaged(of, damaged) && (isTold || must) && !oracle.SameText(part, cmp.Or(have[of], "null"), value) {
			w.failed("steps: of %s %q is believed, and %q is true", of, have[of], value)
		}
	}
}

func isDamaged(of string, damaged map[string]bool) bool {
	entity, _, _ := strings.Cut(of, " ")
	return damaged[of] || damaged[entity+" pm_execution_history"]
}

// beliefs returns what each part of each row came to be, as the last step of it says; of a row that is gone only that.
func beliefs(steps oracle.Steps) map[string]string {
	last := make(map[string]string)
	for entity, all := range steps {
		for _, step := range all {
			part, _, _ := strings.Cut(step, ":")
			_, value, _ := strings.Cut(step, " -> ")
			if part == "row" {
				maps.DeleteFunc(last, func(of, _ string) bool { return strings.HasPrefix(of, entity+" ") })
				value = step
			} else if last[entity+" row"] == "row: gone" || part == "flags" {
				delete(last, entity+" row") // a block that comes again says so by its flags alone
			}
			last[entity+" "+part] = value
		}
	}
	return last
}
