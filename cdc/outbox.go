package cdc

import (
	"encoding/json"
	"strings"

	"lowcap-cdc/schemas"
)

// The size of a batch. Larger ones gain nothing and delay the first event; smaller ones cost a commit each.
const (
	maxBatchRecords = 10000 // events, and images
	maxBatchBytes   = 4 << 20
)

// outbox collects what the next commit makes durable.
type outbox struct {
	batch Batch
	bytes []byte // the events' values; batch.Events point into it
	ends  []int  // where each event ends in bytes
	dirty []string
	known map[string]bool // the keys in dirty
	size  int
	limit int // events and images of a batch, each
}

func newOutbox() *outbox { return &outbox{known: make(map[string]bool), limit: maxBatchRecords} }

func (o *outbox) add(attributes schemas.Attributes, data schemas.Data) {
	o.bytes = schemas.AppendEvent(o.bytes, &attributes, data)
	o.ends = append(o.ends, len(o.bytes))
	o.batch.Events = append(o.batch.Events, Event{Attributes: attributes})
}

// touch marks a state record as changed; size is that of its new value.
func (o *outbox) touch(key string, size int) {
	o.size += size
	if !o.known[key] {
		o.known[key] = true
		o.dirty = append(o.dirty, key)
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
	for _, key := range o.dirty {
		o.batch.State = append(o.batch.State, StateRecord{Key: key, Value: state.image(key)})
	}
	o.batch.More = more
	if more {
		return &o.batch, nil
	}
	checkpoint, err := json.Marshal(state.Checkpoint)
	if err != nil {
		return nil, err
	}
	o.batch.State = append(o.batch.State, StateRecord{Key: checkpointKey, Value: checkpoint})
	return &o.batch, nil
}

// reset empties the outbox for the next batch and keeps its memory, unless a huge row made it grow.
func (o *outbox) reset() {
	if cap(o.bytes) > 4*maxBatchBytes {
		o.bytes = nil
	}
	o.bytes, o.ends, o.dirty, o.size = o.bytes[:0], o.ends[:0], o.dirty[:0], 0
	clear(o.batch.Events)
	clear(o.batch.State)
	o.batch = Batch{Events: o.batch.Events[:0], State: o.batch.State[:0]}
	clear(o.known)
}

// image returns the value of a state record, nil when the row is gone.
func (s *State) image(key string) []byte {
	images := s.blocks
	id, isPosition := strings.CutPrefix(key, positionPrefix)
	if isPosition {
		images = s.positions
	} else {
		id = strings.TrimPrefix(key, blockPrefix)
	}
	if image, known := images[id]; known {
		return []byte(image)
	}
	return nil
}
