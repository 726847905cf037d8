package kafka

import (
	"encoding/binary"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
)

// raw makes a message a protocol.RawExchanger on every connection.
type raw struct{}

// Required implements protocol.RawExchanger.
func (raw) Required(map[protocol.ApiKey]int16) bool { return true }

// produceRequest is Produce 12, which puts the partitions that it writes into the transaction. The answer is a produce.Response.
type produceRequest struct {
	raw
	transaction string // transactional id
	timeout     time.Duration
	leader      int
	batches     []partitionBatch // ordered by topic
}

// partitionBatch is a record batch as encoder.batch returns it, and where it goes.
type partitionBatch struct {
	partition
	batch []byte
}

// ApiKey implements protocol.Message.
func (*produceRequest) ApiKey() protocol.ApiKey { return protocol.Produce }

// Broker implements protocol.BrokerMessage.
func (r *produceRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, r.leader)
}

// brokerOf returns a broker, or an error that passes when the cluster's brokers are read anew.
func brokerOf(cluster protocol.Cluster, id int) (protocol.Broker, error) {
	broker, known := cluster.Brokers[int32(id)]
	if !known {
		return broker, kafka.BrokerNotAvailable
	}
	return broker, nil
}

// RawExchange implements protocol.RawExchanger.
func (r *produceRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	a, err := exchange(rw, protocol.Produce, 12, r.appendBody)
	if err != nil {
		return nil, err
	}
	response := &produce.Response{}
	a.each(func() {
		t := produce.ResponseTopic{Topic: a.text()}
		a.each(func() { t.Partitions = append(t.Partitions, readProduced(a)) })
		a.tags()
		response.Topics = append(response.Topics, t)
	})
	a.int32() // throttled by so many milliseconds
	a.tags()
	return response, a.err
}

func (r *produceRequest) appendBody(b []byte) []byte {
	b = appendCompact(b, r.transaction)
	b = binary.BigEndian.AppendUint16(b, 0xFFFF) // acks=all
	b = binary.BigEndian.AppendUint32(b, uint32(r.timeout.Milliseconds()))
	b = binary.AppendUvarint(b, uint64(countTopics(r.batches))+1)
	for left := r.batches; len(left) > 0; {
		n := 1
		for n < len(left) && left[n].topic == left[0].topic {
			n++
		}
		b = appendCompact(b, left[0].topic)
		b = binary.AppendUvarint(b, uint64(n)+1)
		for _, p := range left[:n] {
			records := p.batch[4:] // without the length in front
			b = binary.BigEndian.AppendUint32(b, uint32(p.id))
			b = append(binary.AppendUvarint(b, uint64(len(records))+1), records...)
			b = append(b, noTags)
		}
		b = append(b, noTags)
		left = left[n:]
	}
	return append(b, noTags)
}

func countTopics(batches []partitionBatch) (n int) {
	for i := range batches {
		if i == 0 || batches[i].topic != batches[i-1].topic {
			n++
		}
	}
	return n
}

// readProduced reads what became of one partition's batch.
func readProduced(a *answer) produce.ResponsePartition {
	p := produce.ResponsePartition{Partition: a.int32(), ErrorCode: a.int16(), BaseOffset: a.int64(), LogAppendTime: a.int64(),
		LogStartOffset: a.int64()}
	a.each(func() { // which records are to blame
		a.int32()
		a.text()
		a.tags()
	})
	p.ErrorMessage = a.text()
	a.tags()
	return p
}

// coordinated is a request to the coordinator of transactions, which is known. The library would first ask for it each time.
type coordinated struct {
	protocol.Message
	coordinator int
	version     int16 // of a message of the library, on the connection that takes it
}

// Broker implements protocol.BrokerMessage.
func (r *coordinated) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerOf(cluster, r.coordinator)
}

// Required implements protocol.RawExchanger. It is told which versions the connection has before the exchange on it.
func (r *coordinated) Required(versions map[protocol.ApiKey]int16) bool {
	r.version = versions[r.ApiKey()]
	return true
}

// RawExchange implements protocol.RawExchanger.
func (r *coordinated) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if ours, is := r.Message.(protocol.RawExchanger); is {
		return ours.RawExchange(rw)
	}
	return protocol.RoundTrip(rw, r.version, correlations.Add(1), clientID, r.Message)
}

// endRequest is EndTxn 5, which raises the epoch.
type endRequest struct {
	raw
	transaction string // transactional id
	id          int64
	epoch       int16
	commit      bool
}

// ApiKey implements protocol.Message.
func (*endRequest) ApiKey() protocol.ApiKey { return protocol.EndTxn }

// RawExchange implements protocol.RawExchanger.
func (r *endRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	a, err := exchange(rw, protocol.EndTxn, 5, func(b []byte) []byte {
		b = appendCompact(b, r.transaction)
		b = binary.BigEndian.AppendUint64(b, uint64(r.id))
		b = binary.BigEndian.AppendUint16(b, uint16(r.epoch))
		if r.commit {
			return append(b, 1, noTags)
		}
		return append(b, 0, noTags)
	})
	if err != nil {
		return nil, err
	}
	a.int32() // throttled by so many milliseconds
	response := &endResponse{code: a.int16(), id: a.int64(), epoch: a.int16()}
	a.tags()
	return response, a.err
}

// endResponse is the answer to an endRequest: what the next transaction is written with.
type endResponse struct {
	code  int16
	id    int64 // another one when the epochs of the old one are used up
	epoch int16
}

// ApiKey implements protocol.Message.
func (*endResponse) ApiKey() protocol.ApiKey { return protocol.EndTxn }

// featuresRequest is ApiVersions 3.
type featuresRequest struct{ raw }

// ApiKey implements protocol.Message.
func (*featuresRequest) ApiKey() protocol.ApiKey { return protocol.ApiVersions }

// RawExchange implements protocol.RawExchanger.
func (r *featuresRequest) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	a, err := exchange(rw, protocol.ApiVersions, 3, func(b []byte) []byte {
		return append(appendCompact(appendCompact(b, clientID), "1"), noTags)
	})
	if err != nil {
		return nil, err
	}
	response := &featuresResponse{code: a.int16(), newest: make(map[protocol.ApiKey]int16)}
	if response.code != 0 {
		return response, a.err // a broker before 2.4 answers in another format
	}
	a.each(func() {
		key := protocol.ApiKey(a.int16())
		a.int16() // the oldest version
		response.newest[key] = a.int16()
		a.tags()
	})
	a.int32() // throttled by so many milliseconds
	a.eachTag(func(tag uint64, field *answer) {
		if tag == finalizedFeatures {
			response.readFinalized(field)
		}
	})
	return response, a.err
}

// finalizedFeatures is the tag of that list in an answer to ApiVersions.
const finalizedFeatures = 2

// featuresResponse is what a broker can do, and what its cluster has switched on.
type featuresResponse struct {
	code         int16
	newest       map[protocol.ApiKey]int16 // version of each request
	transactions int16                     // transaction.version, 0 where that is not known
}

// ApiKey implements protocol.Message.
func (*featuresResponse) ApiKey() protocol.ApiKey { return protocol.ApiVersions }

func (r *featuresResponse) readFinalized(a *answer) {
	a.each(func() {
		name, level := a.text(), a.int16()
		a.int16() // the lowest level, which is the same
		a.tags()
		if name == "transaction.version" {
			r.transactions = level
		}
	})
}
