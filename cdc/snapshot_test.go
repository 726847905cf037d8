package cdc

import (
	"strings"
	"testing"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// short is what the bench has said so far, type and op, and forgets it.
func (b *bench) short() string {
	var said []string
	for _, e := range b.events {
		origin := e["data"].(map[string]any)["origin"].(map[string]any)
		name := strings.TrimSuffix(strings.TrimPrefix(e["type"].(string), "lowcap."), ".v1")
		said = append(said, name+":"+origin["op"].(string))
	}
	b.events = nil
	return strings.Join(said, " ")
}

func (b *bench) says(want string) {
	b.t.Helper()
	if got := b.short(); got != want {
		b.t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// gone is what a watcher writes when it does not find the blocks any more.
func (b *bench) gone() {
	b.begin()
	b.apply(
		&decode.TableGone{
			Table: decode.Blocks,
			ID:    someTables[decode.Blocks],
			Why:   "it was dropped",
			Since: decode.Progress{LSN: 0x10, Time: benchCommitTime},
		},
	)
	b.commit()
}

func (b *bench) only(t decode.Table, id decode.TableID) (tables decode.TableIDs) {
	tables[t] = id
	return tables
}

// TestTableThatWasDroppedAndMadeAnew: its rows are baselines behind table.present, also those whose keys were known.
func TestTableThatWasDroppedAndMadeAnew(t *testing.T) {
	b := newBench(t)
	b.snapshot(someBlock("A", true), someBlock("B", true), somePosition("p", someHistory))
	b.short()
	b.gone()
	b.says("table.missing:reconcile")
	b.gone() // another reader of the same WAL has seen it too
	b.says("")
	b.update(somePosition("p", `{"pm_execution_history": {"prev_state": "S2"}}`))
	b.says("history.prev_state_changed:update")
	b.snapshotOf(b.only(decode.Blocks, decode.TableID{OID: 17000, Member: 3}), someBlock("B", false), someBlock("C", true))
	b.says("table.present:reconcile entry_block.deleted:reconcile entry_block.baseline:baseline entry_block.baseline:baseline")
	b.update(someBlock("B", true))
	b.says("entry_block.set:update")
}

// TestTableThatLeftThePublication: what changed unseen is a gap, and the difference is reported.
func TestTableThatLeftThePublication(t *testing.T) {
	b := newBench(t)
	b.snapshot(someBlock("A", true), someBlock("B", true))
	b.short()
	b.gone()
	b.short()
	b.snapshotOf(b.only(decode.Blocks, decode.TableID{OID: 16400, Member: 5}), someBlock("B", false), someBlock("C", true))
	b.says(
		"table.present:reconcile stream.gap:reconcile entry_block.deleted:reconcile entry_block.cleared:reconcile entry_block.baseline:reconcile",
	)
}

// TestPublicationOfATableThatIsBack: which publication the stream began with stays known when one table is read again. Were the one of
// that snapshot known from then on, and the process killed before the watcher looks, nobody would tell that it was altered.
func TestPublicationOfATableThatIsBack(t *testing.T) {
	b := newBench(t)
	b.snapshot(someBlock("A", true))
	b.gone()
	known := &b.machine.state.Checkpoint.Publication
	*known = 8
	b.snapshotOf(b.only(decode.Blocks, decode.TableID{OID: 16400, Member: 5}), someBlock("A", true))
	if *known != 8 {
		t.Errorf("the publication is %d", *known)
	}
	b.machine.gap = "it was altered"
	if b.snapshot(someBlock("A", true)); *known != 9 {
		t.Errorf("after a reconcile it is %d", *known)
	}
}

// TestTableThatWasMissingFromTheStart is the source before its migration.
func TestTableThatWasMissingFromTheStart(t *testing.T) {
	b := newBench(t)
	b.snapshotOf(b.only(decode.Positions, someTables[decode.Positions]), somePosition("p", someHistory))
	b.says("table.missing:reconcile position.baseline:baseline")
	b.snapshotOf(b.only(decode.Blocks, someTables[decode.Blocks]), someBlock("A", true))
	b.says("table.present:reconcile entry_block.baseline:baseline")
}

// TestTableThatStreamsBeforeItIsRead: a table that was missing from the start is named back, written, and replaced by another one
// before it is read. What was told of a row is what its row is compared with, and a difference is no baseline.
func TestTableThatStreamsBeforeItIsRead(t *testing.T) {
	b := newBench(t)
	b.snapshotOf(decode.TableIDs{})
	b.short()
	b.update(someBlock("A", true))
	b.update(someBlock("B", true))
	b.update(somePosition("p", `{"pm_execution_history": {"prev_state": "S1"}}`))
	b.says("entry_block.set:insert entry_block.set:insert position.baseline:update")
	b.snapshotOf(someTables, someBlock("A", false), someBlock("C", true), somePosition("p", `{"pm_execution_history": {"prev_state": "S2"}}`),
		somePosition("q", `{"pm_execution_history": {"prev_state": "S3"}}`))
	b.says("table.present:reconcile table.present:reconcile entry_block.cleared:reconcile entry_block.deleted:reconcile entry_block.baseline:baseline " +
		"history.prev_state_changed:reconcile position.baseline:baseline")
}

// TestReconcileOfManyGoneRows: the rows that a snapshot does not have come in batches like all others.
func TestReconcileOfManyGoneRows(t *testing.T) {
	b := newBench(t)
	var rows []any
	for _, name := range strings.Split("ABCDEFGHIJ", "") {
		rows = append(rows, someBlock(name, true))
	}
	b.snapshot(rows...)
	b.machine.gap, b.machine.out.limit = "lost", 4
	b.machine.begin(&decode.Begin{CommitLSN: 0x900, CommitTime: benchCommitTime, Snapshot: true, Tables: someTables})
	batches := 1
	for done := false; !done; batches++ {
		var err error
		if done, err = b.machine.finishRows(); err != nil {
			t.Fatal(err)
		}
		if n := len(b.machine.out.ends); n > 4 {
			t.Fatalf("a batch of %d events", n)
		}
		b.drain()
	}
	if b.machine.commit(&decode.Commit{CommitLSN: 0x900, EndLSN: 0x900}); batches < 4 {
		t.Errorf("%d batches", batches)
	}
	if last := b.machine.out.batch.Events; len(last) != 1 || schemas.TopicOf(last[0].Type) != schemas.Control {
		t.Errorf("last batch has %d events", len(last))
	}
}
