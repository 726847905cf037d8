package kafka

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// The library's own fetch response builds an object for every record and a page buffer for every batch. A state topic
// has very many small batches, and a start waits for all of them, so here an answer keeps its batches as bytes.

// fetchResponse is fetch.Response with the record sets as they came.
type fetchResponse struct {
	ThrottleTimeMs int32        `kafka:"min=v1,max=v11"`
	ErrorCode      int16        `kafka:"min=v7,max=v11"`
	SessionID      int32        `kafka:"min=v7,max=v11"`
	Topics         []fetchTopic `kafka:"min=v0,max=v11"`
}

// ApiKey implements protocol.Message.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

type fetchTopic struct {
	Topic      string           `kafka:"min=v0,max=v11"`
	Partitions []fetchPartition `kafka:"min=v0,max=v11"`
}

type fetchPartition struct {
	Partition            int32                       `kafka:"min=v0,max=v11"`
	ErrorCode            int16                       `kafka:"min=v0,max=v11"`
	HighWatermark        int64                       `kafka:"min=v0,max=v11"`
	LastStableOffset     int64                       `kafka:"min=v4,max=v11"`
	LogStartOffset       int64                       `kafka:"min=v5,max=v11"`
	AbortedTransactions  []fetch.ResponseTransaction `kafka:"min=v4,max=v11"`
	PreferredReadReplica int32                       `kafka:"min=v11,max=v11"`
	RecordSet            recordSet                   `kafka:"min=v0,max=v11"`
}

// recordSet is a run of record batches as the broker sent them; the last one may be cut short.
type recordSet struct{ batches []byte }

// ReadFrom reads a record set and the length in front of it.
func (s *recordSet) ReadFrom(r io.Reader) (int64, error) {
	var length [4]byte
	n, err := io.ReadFull(r, length[:])
	size := int32(binary.BigEndian.Uint32(length[:]))
	if err != nil || size <= 0 {
		return int64(n), err
	}
	if size > maxFetch {
		return int64(n), fmt.Errorf("record set of %d bytes", size)
	}
	s.batches = make([]byte, size)
	m, err := io.ReadFull(r, s.batches)
	return int64(n + m), err
}

// maxFetch bounds what a length word may ask for. A broker answers with one batch however large it is.
const maxFetch = 1 << 30

// registerFetch makes the library read fetch responses this way. It is for the whole process, in which nothing else
// fetches through the library.
var registerFetch = sync.OnceFunc(func() { protocol.Register(&fetch.Request{}, &fetchResponse{}) })
