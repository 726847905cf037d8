package sink

import (
	"context"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
)

// Stored is one committed event, read back from a sink.
type Stored struct {
	Topic     string // with its prefix; the name of the file for a file sink
	Partition int
	Offset    int64 // of Kafka, or the byte at which the line begins
	Key       []byte
	Value     []byte // the event in structured JSON, the same bytes as were published, whatever format the sink stores it in
	Headers   []byte // of Kafka, as they stand in the record (kafka.CheckHeaders reads them); nil for a file sink
}

// Attributes returns the event's attributes; a missing one is empty.
func (s *Stored) Attributes() schemas.Attributes {
	v := gjson.GetManyBytes(s.Value, "id", "source", "type", "subject", "time", "partitionkey", "sequence", "severity",
		"number", "chain")
	return schemas.Attributes{ID: v[0].String(), Source: v[1].String(), Type: schemas.Type(v[2].String()), Subject: v[3].String(),
		Time: v[4].String(), PartitionKey: v[5].String(), Sequence: v[6].String(), Severity: schemas.Severity(v[7].String()),
		Number: v[8].Uint(), Chain: v[9].String()}
}

// Sequence returns the attribute that events are ordered by.
func (s *Stored) Sequence() string { return gjson.GetBytes(s.Value, "sequence").String() }

// Range says which committed events are read.
type Range struct {
	Topics []string  // without prefix; none means all
	Since  time.Time // leave out events that Postgres committed before this; the zero time leaves out nothing
	Follow bool      // keep reading what is committed later, until the context ends

	// Foreign, when not nil, gets each record that is no event, in place of the sink's own handler. Reading continues
	// behind that record unless Foreign returns an error.
	Foreign func(*Foreign) error

	// Damaged, when not nil, gets the damage that a file sink finds in the bytes of its commits; the reader then hands out what
	// is there all the same, for who looks at each event itself. Without it damage ends the reading. An error from it does too.
	Damaged func(error) error
}

// Reader reads back what a sink has committed, without disturbing the writer. Both durable sinks are readers.
type Reader interface {
	// ReadState hands every committed state record to load, as Resume does.
	ReadState(ctx context.Context, load func(key string, value []byte) error) error
	// ReadEvents hands the committed events of a range to visit, in the order of their sequence. Events
	// that are committed later come in this order as far as one read found them together. With Follow it returns when ctx ends, without
	// an error. visit may keep what it is given; an error from it ends the reading.
	ReadEvents(ctx context.Context, r Range, visit func(*Stored) error) error
	// Kept says which events retention or compaction has removed. It does not see what was removed by hand.
	Kept(ctx context.Context) ([]Kept, error)
}

// Kept says where the remaining events of a partition begin.
type Kept struct {
	Topic     string
	Partition int
	First     int64 // retention removed the records before this offset; with Segments: how many events were removed
	Segments  int   // of a file sink: how many segments before the file that Topic names were removed
	Compacted bool  // earlier records with the same key may be gone
	Late      bool  // the topics were copied from another cluster, and earlier records may not have come along
}

// Filter leaves out events outside the range, for a sink that cannot do so while it reads.
func (r *Range) Filter(visit func(*Stored) error) func(*Stored) error {
	return func(s *Stored) error {
		a := s.Attributes()
		if len(r.Topics) > 0 && !slices.Contains(r.Topics, schemas.TopicOf(a.Type)) {
			return nil
		}
		if at, err := time.Parse(time.RFC3339Nano, a.Time); err == nil && at.Before(r.Since) {
			return nil
		}
		return visit(s)
	}
}
