package cdc

import (
	"strconv"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// The size of a batch. Larger ones gain nothing and delay the first event; smaller ones cost a commit each.
const (
	maxBatchRecords = 10000 // events, and images
	maxBatchBytes   = 4 << 20
)

// row names a row of a watched table by its key in the state.
type row struct {
	table decode.Table
	key   string
}

// outbox collects what the next commit makes durable.
type outbox struct {
	chain *schemas.Chain // continues with every event
	batch Batch
	bytes []byte // the events' values; batch.Events point into it
	ends  []int  // where each event ends in bytes
	dirty []row
	known map[row]bool // what is in dirty
	size  int
	limit int // events and images of a batch, each
	grown bool
	small int // batches in a row since it grew
}

// smallBatches in a row, and the memory of a large one is given back: some seconds of a usual load, and nothing where large
// ones come often.
const smallBatches = 256

func newOutbox(chain *schemas.Chain, limit int) *outbox {
	return &outbox{chain: chain, known: make(map[row]bool), limit: limit}
}

func (o *outbox) add(attributes schemas.Attributes, data schemas.Data) {
	attributes.Number, attributes.Chain = o.chain.Next()
	start := len(o.bytes)
	o.bytes = schemas.AppendEvent(o.bytes, &attributes, data)
	if head := data.Head(); len(o.bytes)-start > maxEvent {
		head.Before, head.After = truncated(head.Before), truncated(head.After)
		head.Flags = append(head.Flags, schemas.RawTruncated)
		o.bytes = schemas.AppendEvent(o.bytes[:start], &attributes, data)
	}
	o.chain.Add(attributes.Number, o.bytes[start:])
	o.ends = append(o.ends, len(o.bytes))
	o.batch.Events = append(o.batch.Events, Event{Attributes: attributes})
}

// touch marks a row's image as changed; size is that of the new one.
func (o *outbox) touch(table decode.Table, key string, size int) {
	o.size += size
	r := row{table, key}
	before := len(o.known)
	if o.known[r] = true; len(o.known) > before {
		o.dirty = append(o.dirty, r)
	}
}

func (o *outbox) isFull() bool {
	return len(o.ends) >= o.limit || len(o.dirty) >= o.limit || len(o.bytes)+o.size >= maxBatchBytes
}

func (o *outbox) isEmpty() bool { return len(o.ends) == 0 && len(o.dirty) == 0 }

// seal completes the batch with the state records that its changes made. A part of a snapshot leaves the checkpoint
// out: it comes with the last part.
func (o *outbox) seal(state *State, more bool) (*Batch, error) {
	start := 0
	for i, end := range o.ends {
		o.batch.Events[i].Value = o.bytes[start:end:end]
		start = end
	}
	for _, r := range o.dirty {
		o.batch.State = append(o.batch.State, state.record(r))
	}
	o.batch.More = more
	if more {
		return &o.batch, nil
	}
	state.Checkpoint.Images = state.fingerprint()
	checkpoint, err := state.Checkpoint.encode()
	if err != nil {
		return nil, err
	}
	if eras := len(state.Checkpoint.Eras); eras != state.eras {
		o.batch.State = append(o.batch.State, StateRecord{Key: erasKey, Value: strconv.AppendInt(nil, int64(eras), 10)})
		state.eras = eras
	}
	o.batch.State = append(o.batch.State, StateRecord{Key: CheckpointKey, Value: checkpoint})
	return &o.batch, nil
}

// reset empties the outbox for the next batch. It keeps the memory while large batches come, unless a huge row made it grow.
func (o *outbox) reset() {
	if o.small++; !o.isSmall() {
		o.grown, o.small = true, 0
	}
	if o.grown && o.small >= smallBatches || cap(o.bytes) > 4*maxBatchBytes {
		*o = *newOutbox(o.chain, o.limit)
		return
	}
	o.bytes, o.ends, o.dirty, o.size = o.bytes[:0], o.ends[:0], o.dirty[:0], 0
	clear(o.batch.Events)
	clear(o.batch.State)
	o.batch = Batch{Events: o.batch.Events[:0], State: o.batch.State[:0]}
	clear(o.known)
}

// isSmall reports whether the batch has less than a sixteenth of what one may have.
func (o *outbox) isSmall() bool {
	return len(o.ends) < maxBatchRecords/16 && len(o.dirty) < maxBatchRecords/16 && len(o.bytes) < maxBatchBytes/16
}
