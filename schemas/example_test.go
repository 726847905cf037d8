package schemas_test

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"log"
	"maps"
	"math/big"
	"os"
	"slices"

	"lowcap-cdc/schemas"
)

// recordedEvents stands in for a consumer's loop: it yields the lines of a file sink. With Kafka the values and headers
// come from a client that reads with isolation.level=read_committed.
func recordedEvents() iter.Seq[schemas.Event] {
	return func(yield func(schemas.Event) bool) {
		file, err := os.Open("testdata/events.jsonl")
		if err != nil {
			log.Fatal(err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			event, err := schemas.Parse(nil, lines.Bytes())
			if err != nil {
				log.Fatal(err) // never skip what you could not read
			}
			if !yield(event) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			log.Fatal(err)
		}
	}
}

// Alerting: who is woken, who is told. An exit that a stale write took back and that came back is not a second exit,
// and a type that this program does not know yet still has its severity.
func Example_alerting() {
	seen := schemas.Dedup{} // in production: kept where the alerts are kept
	for event := range recordedEvents() {
		if event.Severity == schemas.Info || !seen.First("", 0, &event.Attributes) {
			continue
		}
		switch data := event.Data.(type) {
		case *schemas.EmergencyExitExecuted:
			fmt.Println(event.Severity, "sold in an emergency:", name(data.Entity), data.Kind, "USD", data.ProceedsUSD)
		case *schemas.EmergencyExitPending:
			fmt.Println(event.Severity, "exit is wanted, and not made:", name(data.Entity), "USD", data.ValueUSD)
		case *schemas.EmergencyExitAbandoned:
			fmt.Println(event.Severity, "closed over its tokens:", name(data.Entity), data.Quantity, "USD", data.ValueUSD)
		case *schemas.ExecutionUnrecorded:
			fmt.Println(event.Severity, "not recorded:", name(data.Entity), data.Direction, data.Tokens, "USD", data.USD)
		case *schemas.EntryBlockOrphaned:
			fmt.Println(event.Severity, "blocked for ever:", name(data.Entity), data.Stage)
		case *schemas.StreamGap:
			fmt.Println(event.Severity, "changes were lost:", data.Why)
		}
	}
	// Output:
	// page sold in an emergency: POPCAT structural USD 45.0
	// page sold in an emergency: POPCAT ema333_break USD 38.9
	// warn blocked for ever: 7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW210/1h s2
	// page sold in an emergency: EXIT ema333_break USD 120.5
	// page sold in an emergency: DIP structural USD 80.25
	// page not recorded: LOST sell 1000 USD 61.5
	// page exit is wanted, and not made: FAILS USD 310.44
	// page exit is wanted, and not made: POPCAT USD 39
	// page closed over its tokens: FAILS 7960 USD 310.44
	// page changes were lost: reconcile was asked for: the slot could not continue the stream
}

// Audit: what a person or a tool did to a position, and what the bot's stale writes took back.
func Example_audit() {
	for event := range recordedEvents() {
		head := event.Data.Head()
		if head.Origin.Actor != nil {
			fmt.Println(event.Type.Name(), "by", *head.Origin.Actor, "because", *head.Origin.Reason)
		}
		if data, ok := event.Data.(*schemas.TrimPoolReverted); ok {
			fmt.Println("pool of", name(head.Entity), "taken back from", usd(data.RevertedFrom))
		}
	}
	// Output:
	// pool of POPCAT taken back from USD 22.455
	// pool of POPCAT taken back from USD 61.355
	// pool of POPCAT taken back from USD 22.455
	// pool of EXIT taken back from USD 120.5
	// execution.amended by anna because fill price corrected
	// trim_pool.opened by anna because fill price corrected
	// entry_block.cleared by anna because manual unblock
}

// Analytics: what sells brought into the pools, what took it out again. Sums are
// exact: a Number has the digits of the database.
func Example_analytics() {
	sums := map[string]*big.Rat{}
	add := func(what string, amount schemas.Number) {
		if usd, ok := amount.Rat(); ok {
			sums[what] = usd.Add(usd, cmp.Or(sums[what], new(big.Rat)))
		}
	}
	for event := range recordedEvents() {
		switch data := event.Data.(type) {
		case *schemas.TrimPoolOpened:
			add("in by "+data.Cause, data.AddedUSD)
		case *schemas.TrimPoolIncreased:
			add("in by "+data.Cause, data.AddedUSD)
		case *schemas.TrimPoolClosed:
			add("out by "+data.Reason, data.ClosedBasis)
		case *schemas.TrimPoolReplaced:
			add("given up", data.OldBasis)
			add("in by "+data.Cause, data.NewBasis)
		case *schemas.TrimPoolReverted:
			add("moved by stale writes", data.DeltaUSD)
		case *schemas.TrimPoolRestored:
			add("moved by stale writes", data.DeltaUSD)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(sums)) {
		fmt.Println(what, sums[what].FloatString(3))
	}
	// Output:
	// given up 60.000
	// in by emergency_exit 284.650
	// in by trim 67.365
	// in by unknown 15.000
	// moved by stale writes -44.910
	// out by dx_ladder_complete 180.500
	// out by s2_dip_buy 83.480
	// out by s2_entry_new_trade 45.000
}

// usd shows how much a pool holds.
func usd(pool schemas.Raw) string {
	var fields struct {
		Basis schemas.Number `json:"usd_basis"`
	}
	if err := json.Unmarshal(pool, &fields); err != nil {
		log.Fatal(err)
	}
	return "USD " + string(fields.Basis)
}

func name(entity schemas.Entity) string {
	switch e := entity.(type) {
	case schemas.Position:
		if e.TokenTicker != nil {
			return *e.TokenTicker
		}
		return e.ID
	case schemas.Block:
		return e.TokenContract + "/" + e.Timeframe
	}
	return ""
}
