package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/deploy/chaos/oracle"
)

// verdict is the outcome of a run.
type verdict struct {
	options  options
	begun    time.Time
	took     time.Duration
	server   string // version of Postgres
	broker   string // version of Kafka
	faults   int
	kills    int
	tallies  map[string]*tally
	writes   int64 // transactions of the load
	stall    time.Duration
	exits    map[int]int
	readback *readback
	seals    *seals            // nil where nothing was sealed
	told     []told            // a program, a person; empty where nobody is told
	broken   int               // events that do not fit the one before them in number and hash
	events   oracle.Difference // against the undisturbed run, byte for byte
	steps    oracle.Difference // against the triggers' log
}

// tally counts one kind of fault.
type tally struct {
	n    int
	took []time.Duration // from the fault's end to the next event, where that was waited for
}

func newVerdict(o options) *verdict {
	return &verdict{options: o, begun: time.Now(), broker: kafkaVersion(), tallies: make(map[string]*tally)}
}

// begin notes a fault and prints it, so that the run can be followed.
func (v *verdict) begin(f fault, calm time.Duration, overlap bool) {
	v.faults++
	if f.kill {
		v.kills++
	}
	if v.tallies[f.name] == nil {
		v.tallies[f.name] = &tally{}
	}
	v.tallies[f.name].n++
	then := ""
	if overlap {
		then = ", and the next fault at once"
	}
	fmt.Fprintf(v.options.out, "%7.1fs  fault %d: %s after %v%s\n", time.Since(v.begun).Seconds(), v.faults, f.name,
		calm.Round(time.Millisecond), then)
}

func (v *verdict) recovered(f fault, took time.Duration) {
	v.tallies[f.name].took = append(v.tallies[f.name].took, took)
}

// count reads everything back and compares.
func (v *verdict) count(ctx context.Context, w *world) (err error) {
	v.took, v.exits = time.Since(v.begun), w.exits()
	if v.readback, err = readBack(ctx, w); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if w.pages != nil {
		if v.told, err = w.pages.verify(ctx, v.readback.exits); err != nil {
			return err
		}
	}
	if w.sealer != nil {
		if v.seals, err = w.verifySeals(); err != nil {
			return err
		}
	}
	v.readback.events.sort()
	v.broken = v.readback.events.broken()
	reference, err := newJournal(w.dir)
	if err != nil {
		return err
	}
	reference.reconciled = w.reconciled
	if err := reference.readFile(w.referenceFile()); err != nil {
		return fmt.Errorf("read the reference: %w", err)
	}
	v.events = v.readback.events.compare(reference)
	if err := v.readback.events.explain(v.options.out, reference); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, w.postgres.DSN(w.database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing was left undone on it
	if err := conn.QueryRow(ctx, "show server_version").Scan(&v.server); err != nil {
		return err
	}
	return v.countSteps(ctx, conn)
}

func (v *verdict) countSteps(ctx context.Context, conn *pgx.Conn) error {
	want, err := expected(ctx, conn)
	if err != nil {
		return fmt.Errorf("read the triggers' log: %w", err)
	}
	t := oracle.NewTold()
	for _, entry := range v.readback.events.entries {
		value, err := v.readback.events.value(entry)
		if err != nil {
			return err
		}
		var e oracle.Event
		if err := json.Unmarshal(value, &e); err != nil {
			return err
		}
		t.Add(&e)
	}
	t.Flush()
	v.steps = oracle.CompareSteps(t.Steps, want, v.options.out)
	return nil
}

// clean reports 0/0/0, and that no instance asked for an operator (exit codes 2 and 3): nothing had to be repaired.
func (v *verdict) clean() bool {
	r := v.readback
	if v.exits[2]+v.exits[3] > 0 || (v.seals != nil && !v.seals.clean(len(r.events.links))) || (r.foreign > 0 && r.tail != len(r.events.links)) {
		return false
	}
	if r.events.differences > 0 && !r.events.reconciled {
		return false
	}
	for i := range v.told {
		if !v.told[i].clean() {
			return false
		}
	}
	return v.events.Clean() && v.steps.Clean() && v.events.Total > 0 && v.steps.Total > 0 && r.disorder+r.abortedSeen+r.java+v.broken == 0
}

// print writes the outcome as two tables.
func (v *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "\nseed %d, Kafka %s (brokers: %d), Postgres %s, %s, %d cores; %d faults, %d of them kills, in %v\n\n",
		v.options.seed, v.broker, v.options.brokers, v.server, runtime.Version(), runtime.NumCPU(), v.faults, v.kills, v.took.Round(time.Second))
	fmt.Fprintf(out, "| | of | lost | doubled | out of order |\n|---|---|---|---|---|\n")
	fmt.Fprintf(out, "| events, against the undisturbed run, byte for byte | %d | %d | %d | %d |\n", v.events.Total,
		v.events.Lost, v.events.Doubled, v.events.Disorder+v.readback.disorder)
	fmt.Fprintf(out, "| steps of each row, against the triggers' log | %d | %d | %d | %d |\n\n", v.steps.Total,
		v.steps.Lost, v.steps.Doubled, v.steps.Disorder)
	fmt.Fprintf(out, "%d events numbered and chained, %d of them not to the one before\n", len(v.readback.events.links), v.broken)
	if n := v.readback.events.differences; n > 0 {
		fmt.Fprintf(out, "%d differences found by reconciles\n", n)
	}
	fmt.Fprintf(out, "%d transactions of the load; %d records of aborted Kafka transactions, %d of them seen by a committed reader, "+
		"%d records that only one of the two clients (franz-go, Java) read; longest stall %v\n",
		v.writes, v.readback.aborted, v.readback.abortedSeen, v.readback.java, v.stall.Round(10*time.Millisecond))
	if v.readback.foreign > 0 {
		fmt.Fprintf(out, "%d foreign records between the events; lowcap-cdc tail reads %d of %d events\n",
			v.readback.foreign, v.readback.tail, len(v.readback.events.links))
	}
	if s := v.seals; s != nil {
		fmt.Fprintf(out, "%d seals over %d events, %d of them hold; findings of audit verify: %q\n", s.Sealed.Seals, s.Sealed.Last, s.Sealed.Held, s.Findings)
	}
	for _, t := range v.told {
		fmt.Fprintf(out, "%d exits to tell %s: %d missed, %d out of order, %d of no exit; %d repeats", t.Pages, t.whom, t.Missed, t.Disorder,
			t.Strange, t.Repeats)
		if t.isPerson {
			fmt.Fprintf(out, ", %d of them do not say so", t.Unmarked)
		}
		fmt.Fprintln(out)
	}
	for _, code := range slices.Sorted(maps.Keys(v.exits)) {
		fmt.Fprintf(out, "the sidecar ended by itself with exit code %d: %d times\n", code, v.exits[code])
	}
	fmt.Fprintf(out, "\n| fault | times | recovered after p50 | p99 |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(v.tallies)) {
		t := v.tallies[name]
		fmt.Fprintf(out, "| %s | %d | %s | %s |\n", name, t.n, quantile(t.took, 50), quantile(t.took, 99))
	}
}

func quantile(took []time.Duration, percent int) string {
	if len(took) == 0 {
		return "–"
	}
	slices.Sort(took)
	return took[(len(took)-1)*percent/100].Round(10 * time.Millisecond).String()
}
