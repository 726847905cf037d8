package sink

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// partition is a partition of a topic.
type partition struct {
	topic string
	id    int
}

// record is one Kafka record. headers are the event's attributes; a state record has none.
type record struct {
	key, value []byte
	event      *schemas.Attributes
}

// size is an upper bound of the record's bytes in a batch.
func (r *record) size() int {
	n := len(r.key) + len(r.value) + 64
	if a := r.event; a != nil {
		n += 400 + len(a.ID) + len(a.Source) + 2*len(a.Type) + len(a.Subject) + len(a.Time) + len(a.PartitionKey) + len(a.Sequence)
	}
	return n
}

// records sorts a batch by partition: as Java's default partitioner does, by murmur2 of the key.
func (k *Kafka) records(batch *cdc.Batch) map[partition][]record {
	sorted := make(map[partition][]record)
	balancer := kafka.Murmur2Balancer{}
	put := func(topic string, r record) {
		at := partition{topic, balancer.Balance(kafka.Message{Key: r.key}, k.producer.partitions[topic]...)}
		sorted[at] = append(sorted[at], r)
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		put(k.config.TopicPrefix+schemas.TopicOf(e.Type), record{[]byte(e.PartitionKey), e.Value, &e.Attributes})
	}
	for i := range batch.State {
		put(k.stateTopic(), record{[]byte(k.config.Slot + "/" + batch.State[i].Key), batch.State[i].Value, nil})
	}
	return sorted
}

const (
	batchHeader       = 61 // bytes before the records
	snappy            = 2
	transactional     = 1 << 4
	castagnoliStart   = 21 // the checksum covers everything from the attributes on
	batchLengthBefore = 12 // base offset and the length itself do not count
)

// appendBatch appends a record batch of format v2 (Kafka protocol guide, "Record Batch"), transactional and compressed,
// with the int32 length in front that a produce request has there.
func appendBatch(dst []byte, records []record, id int64, epoch int16, sequence int32) []byte {
	start := len(dst) + 4
	now := timestampOf(&records[0])
	latest := now
	var body []byte
	for i := range records {
		at := timestampOf(&records[i])
		latest = max(latest, at)
		body = appendRecord(body, &records[i], i, at-now)
	}
	dst = append(dst, make([]byte, 4+batchHeader)...)
	dst = append(dst, s2.EncodeSnappy(nil, body)...)
	b := dst[start:]
	binary.BigEndian.PutUint32(dst[start-4:], uint32(len(b)))
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLengthBefore))
	binary.BigEndian.PutUint32(b[12:], 0xFFFFFFFF) // leader epoch: the broker's business
	b[16] = 2                                      // magic
	binary.BigEndian.PutUint16(b[21:], transactional|snappy)
	binary.BigEndian.PutUint32(b[23:], uint32(len(records)-1))
	binary.BigEndian.PutUint64(b[27:], uint64(now))
	binary.BigEndian.PutUint64(b[35:], uint64(latest))
	binary.BigEndian.PutUint64(b[43:], uint64(id))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[57:], uint32(len(records)))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[castagnoliStart:], crc32.MakeTable(crc32.Castagnoli)))
	return dst
}

// timestampOf returns a record's timestamp: the event's commit time, in milliseconds. State has none worth keeping.
func timestampOf(r *record) int64 {
	if r.event == nil {
		return time.Now().UnixMilli()
	}
	at, err := time.Parse(time.RFC3339Nano, r.event.Time)
	if err != nil {
		return 0
	}
	return at.UnixMilli()
}

func appendRecord(dst []byte, r *record, index int, delta int64) []byte {
	body := make([]byte, 0, r.size())
	body = append(body, 0) // attributes
	body = binary.AppendVarint(body, delta)
	body = binary.AppendVarint(body, int64(index))
	body = appendVarBytes(body, r.key)
	body = appendVarBytes(body, r.value)
	body = appendHeaders(body, r.event)
	return append(binary.AppendVarint(dst, int64(len(body))), body...)
}

func appendVarBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// appendHeaders repeats the attributes as headers, so that a consumer can filter without parsing.
func appendHeaders(dst []byte, a *schemas.Attributes) []byte {
	if a == nil {
		return binary.AppendVarint(dst, 0)
	}
	headers := [...][2]string{
		{"content-type", "application/cloudevents+json"}, {"ce_specversion", "1.0"}, {"ce_id", a.ID},
		{"ce_source", a.Source}, {"ce_type", string(a.Type)}, {"ce_subject", a.Subject}, {"ce_time", a.Time},
		{"ce_dataschema", a.Type.DataSchema()}, {"ce_partitionkey", a.PartitionKey},
		{"ce_sequence", a.Sequence}, {"ce_severity", string(a.Severity)},
	}
	dst = binary.AppendVarint(dst, int64(len(headers)))
	for _, h := range headers {
		dst = append(binary.AppendVarint(dst, int64(len(h[0]))), h[0]...)
		dst = append(binary.AppendVarint(dst, int64(len(h[1]))), h[1]...)
	}
	return dst
}
