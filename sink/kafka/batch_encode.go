package kafka

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/klauspost/compress/s2"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// partition is a partition of a topic.
type partition struct {
	topic string
	id    int
}

// record is one Kafka record. event holds the attributes that become headers; a state record has none.
type record struct {
	key   string
	value []byte
	event *schemas.Attributes
}

// name says which record it is.
func (r *record) name() string {
	if r.event == nil {
		return fmt.Sprintf("the image of %.200q", r.key)
	}
	return fmt.Sprintf("event %.200q", r.event.ID)
}

// size is an upper bound of the record's bytes in a batch.
func (r *record) size() int {
	n := len(r.key) + len(r.value) + 64
	if a := r.event; a != nil {
		n += 520 + len(a.ID) + len(a.Source) + 2*len(a.Type) + len(a.Subject) + len(a.Time) + len(a.PartitionKey) + len(a.Sequence)
	}
	return n
}

// sorter sorts batches by partition and keeps its memory from one to the next.
type sorter struct {
	records map[partition][]record
	topics  map[schemas.Type]string // full names
}

func newSorter() *sorter {
	return &sorter{records: make(map[partition][]record), topics: make(map[schemas.Type]string)}
}

// records sorts a batch by partition: as Java's default partitioner does, by murmur2 of the key. What it returns is valid
// until the next call.
func (k *Sink) records(batch *cdc.Batch) (map[partition][]record, error) {
	s := k.sorter
	for at, old := range s.records {
		clear(old)
		s.records[at] = old[:0]
	}
	if k.framer != nil {
		k.framer.buffer = k.framer.buffer[:0]
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		value := e.Value
		if k.framer != nil {
			var err error
			if value, err = k.framer.value(e); err != nil {
				return nil, err
			}
		}
		k.put(s.topic(k.config.TopicPrefix, e.Type), record{e.PartitionKey, value, &e.Attributes})
	}
	topic, prefix := k.stateTopic(), k.config.Slot+"/"
	for i := range batch.State {
		k.put(topic, record{prefix + batch.State[i].Key, batch.State[i].Value, nil})
	}
	if k.memo != nil {
		k.put(topic, *k.memo)
	}
	for _, r := range k.move.records(k.config.Slot) {
		k.put(topic, r)
	}
	maps.DeleteFunc(s.records, func(_ partition, of []record) bool { return len(of) == 0 })
	return s.records, nil
}

func (k *Sink) put(topic string, r record) {
	key := unsafe.Slice(unsafe.StringData(r.key), len(r.key))
	at := partition{topic, partitionOf(key, k.producer.partitions[topic])}
	k.sorter.records[at] = append(k.sorter.records[at], r)
}

func (s *sorter) topic(prefix string, t schemas.Type) string {
	name, known := s.topics[t]
	if !known {
		name = prefix + schemas.TopicOf(t)
		s.topics[t] = name
	}
	return name
}

const (
	batchHeader       = 61 // bytes before the records
	snappy            = 2
	transactional     = 1 << 4
	castagnoliStart   = 21 // the checksum covers everything from the attributes on
	batchLengthBefore = 12 // base offset and the length itself do not count
)

// castagnoli is the table of the checksum that record batches have.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder makes record batches and keeps its memory from one to the next.
type encoder struct {
	contentType      string // of events
	body, compressed []byte
	lengthSize       int    // bytes that the length of the last record took
	time             string // the last time attribute that was read
	at               int64  // and what it is in milliseconds
	now              int64  // on the brokers' clock, in milliseconds
	earliest, latest int64  // timestamps that the topic takes, in milliseconds
}

// allow bounds the timestamps of the batches that follow.
func (e *encoder) allow(w window, now time.Time) {
	e.now = now.UnixMilli()
	e.earliest, e.latest = e.now-w.before.Milliseconds(), e.now+w.after.Milliseconds()
}

// batch returns a record batch of format v2 (Kafka protocol guide, "Record Batch"), transactional and compressed, with
// the int32 length in front that a produce request has there. Its memory is not used again: a connection may still read
// from it when its request has failed.
func (e *encoder) batch(records []record, id int64, epoch int16, sequence int32) []byte {
	first := e.timestampOf(&records[0])
	latest := first
	e.body = e.body[:0]
	for i := range records {
		at := e.timestampOf(&records[i])
		latest = max(latest, at)
		e.body = e.record(e.body, &records[i], i, at-first)
	}
	e.compressed = s2.EncodeSnappy(e.compressed[:cap(e.compressed)], e.body)
	whole := append(make([]byte, 4+batchHeader, 4+batchHeader+len(e.compressed)), e.compressed...)
	b := whole[4:]
	binary.BigEndian.PutUint32(whole, uint32(len(b)))
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLengthBefore))
	binary.BigEndian.PutUint32(b[12:], 0xFFFFFFFF) // leader epoch: the broker's business
	b[16] = 2                                      // magic
	binary.BigEndian.PutUint16(b[21:], transactional|snappy)
	binary.BigEndian.PutUint32(b[23:], uint32(len(records)-1))
	binary.BigEndian.PutUint64(b[27:], uint64(first))
	binary.BigEndian.PutUint64(b[35:], uint64(latest))
	binary.BigEndian.PutUint64(b[43:], uint64(id))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[57:], uint32(len(records)))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[castagnoliStart:], castagnoli))
	return whole
}

// earlier returns a batch, as batch returned it, whose records are stamped earlier.
func earlier(whole []byte, by time.Duration) []byte {
	whole = slices.Clone(whole) // a connection may still read from the old one
	b := whole[4:]
	for _, field := range []int{27, 35} { // base and latest timestamp; the records hold differences
		binary.BigEndian.PutUint64(b[field:], binary.BigEndian.Uint64(b[field:])-uint64(by.Milliseconds()))
	}
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[castagnoliStart:], castagnoli))
	return whole
}

// timestampOf returns a record's timestamp, in milliseconds: the event's commit time, or what comes nearest of what the
// topic takes. State has none worth keeping and gets the present.
func (e *encoder) timestampOf(r *record) int64 {
	if r.event == nil {
		return e.now
	}
	if r.event.Time != e.time {
		at, err := time.Parse(time.RFC3339Nano, r.event.Time)
		if err != nil {
			return e.now
		}
		e.time, e.at = r.event.Time, at.UnixMilli()
	}
	return min(max(e.at, e.earliest), e.latest)
}

// record appends one record. Its length stands in front and is known only behind it: it is given as many bytes as the
// record before it needed, and only where that was wrong the record is moved.
func (e *encoder) record(dst []byte, r *record, index int, delta int64) []byte {
	start := len(dst) + e.lengthSize
	dst = append(dst, make([]byte, e.lengthSize)...)
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, int64(index))
	dst = appendVarString(dst, r.key)
	dst = appendVarBytes(dst, r.value)
	dst = appendHeaders(dst, r.event, e.contentType)
	var room [binary.MaxVarintLen32]byte
	length := binary.AppendVarint(room[:0], int64(len(dst)-start))
	if len(length) != e.lengthSize {
		dst = slices.Replace(dst, start-e.lengthSize, start, length...)
		e.lengthSize = len(length)
		return dst
	}
	copy(dst[start-e.lengthSize:], length)
	return dst
}

func appendVarString(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

func appendVarBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// The headers of an event, and those of one that an earlier version wrote, which had neither number nor chain.
const (
	headers           = 13
	headersUnnumbered = 11
)

const contentTypeHeader = "content-type"

// appendHeaders repeats the attributes as headers, so that a consumer can filter without parsing.
func appendHeaders(dst []byte, a *schemas.Attributes, contentType string) []byte {
	if a == nil {
		return binary.AppendVarint(dst, 0)
	}
	var room [128]byte
	schema := a.Type.AppendDataSchema(room[:0])
	dst = binary.AppendVarint(dst, int64(countHeaders(a)))
	dst = appendHeader(dst, contentTypeHeader, contentType)
	dst = appendHeader(dst, "ce_specversion", "1.0")
	dst = appendHeader(dst, "ce_id", a.ID)
	dst = appendHeader(dst, "ce_source", a.Source)
	dst = appendHeader(dst, "ce_type", string(a.Type))
	dst = appendHeader(dst, "ce_subject", a.Subject)
	dst = appendHeader(dst, "ce_time", a.Time)
	dst = appendVarBytes(appendVarString(dst, "ce_dataschema"), schema)
	dst = appendHeader(dst, "ce_partitionkey", a.PartitionKey)
	dst = appendHeader(dst, "ce_sequence", a.Sequence)
	dst = appendHeader(dst, "ce_severity", string(a.Severity))
	if a.Number == 0 {
		return dst
	}
	dst = appendVarBytes(appendVarString(dst, "ce_number"), strconv.AppendUint(room[:0], a.Number, 10))
	return appendHeader(dst, "ce_chain", a.Chain)
}

func countHeaders(a *schemas.Attributes) int {
	if a.Number == 0 {
		return headersUnnumbered
	}
	return headers
}

func appendHeader(dst []byte, name, value string) []byte {
	return appendVarString(appendVarString(dst, name), value)
}
