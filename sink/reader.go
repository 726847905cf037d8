package sink

import (
	"context"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
)

// Stored is one committed event as it lies in a sink.
type Stored struct {
	Topic     string // with its prefix; the name of the file for a file sink
	Partition int
	Offset    int64 // of Kafka, or the byte at which the line begins
	Key       []byte
	Value     []byte // the event in structured JSON, byte for byte what it was made as, whatever the format it lies in
}

// Attributes returns the event's attributes; those that are not there are empty.
func (s *Stored) Attributes() schemas.Attributes {
	v := gjson.GetManyBytes(s.Value, "id", "source", "type", "subject", "time", "partitionkey", "sequence", "severity",
		"number", "chain")
	return schemas.Attributes{ID: v[0].String(), Source: v[1].String(), Type: schemas.Type(v[2].String()), Subject: v[3].String(),
		Time: v[4].String(), PartitionKey: v[5].String(), Sequence: v[6].String(), Severity: schemas.Severity(v[7].String()),
		Number: v[8].Uint(), Chain: v[9].String()}
}

// Sequence returns what the event is ordered by.
func (s *Stored) Sequence() string { return gjson.GetBytes(s.Value, "sequence").String() }

// Range says which committed events are read.
type Range struct {
	Topics []string  // without prefix; none means all
	Since  time.Time // leave out what was committed to Postgres before; the zero time leaves out nothing
	Follow bool      // go on with what is committed later, until the context ends

	// Foreign is told of each record that is no event, instead of whom the sink tells otherwise. The reading goes on
	// behind it unless it returns an error.
	Foreign func(*Foreign) error
}

// Reader reads back what a sink has committed, without disturbing who writes to it. Both durable sinks are readers.
type Reader interface {
	// ReadState hands every committed state record to load, as Resume does.
	ReadState(ctx context.Context, load func(key string, value []byte) error) error
	// ReadEvents hands the committed events of a range to visit, in the order of their sequence. What is committed later
	// comes in the order of sequence too as far as it was found together. With Follow it returns when ctx ends, without
	// an error. visit may keep what it is given; an error from it ends the reading.
	ReadEvents(ctx context.Context, r Range, visit func(*Stored) error) error
	// Kept says what of the events has been removed since they were committed, other than by hand.
	Kept(ctx context.Context) ([]Kept, error)
}

// Kept says from where on a partition's events are there.
type Kept struct {
	Topic     string
	Partition int
	First     int64 // records before this offset were removed by retention; with Segments: so many events
	Segments  int   // of a file sink: how many segments before the file that Topic names were removed
	Compacted bool  // of records with one key earlier ones may be gone
}

// Filter leaves out what the range does not ask for, where a sink cannot do that by itself.
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
