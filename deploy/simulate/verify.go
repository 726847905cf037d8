package simulate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
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
	told, gaps, damaged := oracle.NewTold(), 0, make(map[string]bool)
	for _, r := range records {
		var e oracle.Event
		if err := json.Unmarshal(r.Value, &e); err != nil {
			w.failed("event: %v", err)
			return
		}
		if strings.HasPrefix(e.Type, "lowcap.stream.gap") {
			if gaps++; gaps > w.losses {
				w.failed("a gap is told, and nothing was lost: %s", r.Value)
			}
		}
		if strings.HasPrefix(e.Type, "lowcap.history.malformed.") {
			damaged[e.Subject+" "+malformedPart(r.Value)] = true
		}
		if strings.HasPrefix(e.Type, "lowcap.position.baseline.") && w.losses > 0 {
			told.Flush()
			told.Steps[e.Subject] = append(told.Steps[e.Subject], "row: new") // whatever was known of it
		}
		isOfRow := !strings.HasPrefix(e.Type, "lowcap.stream.") && !strings.HasPrefix(e.Type, "lowcap.table.")
		if isOfRow && !bytes.Contains(r.Value, []byte(`"op":"baseline"`)) {
			told.Add(&e)
		}
	}
	told.Flush()
	if w.server.slots["slot"] == nil {
		w.failed("the slot is gone")
		return
	}
	if w.losses > 0 {
		w.judgeBelief(told.Steps, damaged)
		return
	}
	var explained strings.Builder
	if d := oracle.CompareSteps(told.Steps, w.server.steps(w.server.slots["slot"].point), &explained); !d.Clean() {
		w.failed("of %d steps %d lost, %d doubled, %d out of order:\n%s", d.Total, d.Lost, d.Doubled, d.Disorder, explained.String())
	}
}

// malformedPart names the part of a history that an event calls malformed.
func malformedPart(event []byte) string {
	var e struct{ Data struct{ Path string } }
	if err := json.Unmarshal(event, &e); err != nil {
		return ""
	}
	part, _, _ := strings.Cut(e.Data.Path, ".")
	return part
}

// judgeBelief: where steps were lost with the slot, whoever has read the events still believes in the end what the tables hold. What
// was damaged once is passed over: its last value that could be read may be among what was lost.
func (w *world) judgeBelief(told oracle.Steps, damaged map[string]bool) {
	have, want, streamed := beliefs(told), beliefs(w.server.steps(0)), beliefs(w.server.steps(w.server.slots["slot"].point))
	for of, value := range want {
		_, isTold := have[of]
		part := of[strings.LastIndexByte(of, ' ')+1:]
		if _, must := streamed[of]; !isDamaged(of, damaged) && (isTold || must) && !oracle.SameText(part, have[of], value) {
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
			}
			last[entity+" "+part] = value
		}
	}
	return last
}
