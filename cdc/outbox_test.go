package cdc

import (
	"fmt"
	"testing"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// TestOutboxGivesBack: what a large batch needed is kept while large ones come, and given back when they do not.
func TestOutboxGivesBack(t *testing.T) {
	o := newOutbox(new(schemas.Chain), maxBatchRecords)
	batch := func(rows int) {
		for i := range rows {
			o.bytes = append(o.bytes, make([]byte, 400)...)
			o.ends = append(o.ends, len(o.bytes))
			o.batch.Events = append(o.batch.Events, Event{})
			o.touch(decode.Blocks, fmt.Sprint(i), 100)
		}
		o.reset()
	}
	for range 3 {
		batch(maxBatchRecords)
		for range smallBatches - 1 {
			batch(1)
		}
	}
	if cap(o.bytes) < 400*maxBatchRecords || cap(o.batch.Events) < maxBatchRecords {
		t.Errorf("%d bytes and %d events are kept while large batches come", cap(o.bytes), cap(o.batch.Events))
	}
	batch(1)
	if cap(o.bytes) != 0 || cap(o.batch.Events) != 0 || cap(o.dirty) != 0 {
		t.Errorf("%d bytes, %d events and %d rows are kept for nobody", cap(o.bytes), cap(o.batch.Events), cap(o.dirty))
	}
	o.touch(decode.Blocks, "a", 1)
	if o.limit != maxBatchRecords || o.chain == nil || len(o.dirty) != 1 {
		t.Error("the outbox is no longer one")
	}
	for range 2 * smallBatches {
		batch(1)
	}
	if cap(o.bytes) == 0 {
		t.Error("the memory of small batches is given back too")
	}
}
