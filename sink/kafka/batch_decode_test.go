package kafka

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"lowcap-cdc/sink"
)

// batchOf returns a batch of state records at an offset, as the encoder makes it and a broker hands it out.
func batchOf(base int64, producer int64, keys ...string) []byte {
	var records []record
	for _, key := range keys {
		records = append(records, record{key: key, value: []byte("value of " + key)})
	}
	batch := (&encoder{}).batch(records, producer, 0, 0)[4:]
	binary.BigEndian.PutUint64(batch, uint64(base))
	return batch
}

// recode puts other bytes and attributes into a batch of one record.
func recode(batch []byte, attributes uint16, records []byte) []byte {
	b := append(bytes.Clone(batch[:batchHeader]), records...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-batchLengthBefore))
	binary.BigEndian.PutUint16(b[21:], attributes)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[castagnoliStart:], castagnoli))
	return b
}

func readBatches(batches []byte, from int64, aborted ...fetch.ResponseTransaction) (said string, next int64, err error) {
	part := &fetchPartition{RecordSet: recordSet{batches}, AbortedTransactions: aborted}
	next, err = committed(partition{"t", 0}, part, from, visitor{limit: 1 << 20,
		record: func(s sink.Stored) error {
			said += fmt.Sprintf("%d:%s ", s.Offset, s.Key)
			return nil
		},
		broken: func(_ partition, offset int64, _ int, err error) error {
			said += fmt.Sprintf("%d!%v ", offset, err)
			return nil
		}})
	return said, next, err
}

// TestCommittedReading: what was aborted is left out until its control batch, a fetch begins before its offset, and a
// batch that is cut off is left to the next answer.
func TestCommittedReading(t *testing.T) {
	control := recode(batchOf(5, 7, "x"), transactional|controlBatch, nil)
	whole := bytes.Join([][]byte{batchOf(0, 7, "a", "b"), batchOf(2, 7, "dead", "dead too"), batchOf(4, 9, "c"), control,
		batchOf(6, 7, "d")}, nil)
	aborted := fetch.ResponseTransaction{ProducerID: 7, FirstOffset: 2}
	for name, c := range map[string]struct {
		batches []byte
		from    int64
		want    string
		next    int64
	}{
		"from the beginning":         {whole, 0, "0:a 1:b 4:c 6:d ", 7},
		"from the middle of a batch": {whole, 1, "1:b 4:c 6:d ", 7},
		"cut in the last batch":      {whole[:len(whole)-1], 0, "0:a 1:b 4:c ", 6},
		"cut in the first length":    {whole[:5], 0, "", 0},
		"nothing":                    {nil, 3, "", 3},
	} {
		said, next, err := readBatches(c.batches, c.from, aborted)
		if said != c.want || next != c.next || err != nil {
			t.Errorf("%s: %q up to %d (%v), want %q up to %d", name, said, next, err, c.want, c.next)
		}
	}
}

// TestEveryCompression: a topic may have a compression.type of its own.
func TestEveryCompression(t *testing.T) {
	batch := batchOf(3, 7, "key")
	plain, err := s2.Decode(nil, batch[batchHeader:])
	if err != nil {
		t.Fatal(err)
	}
	framed := append(append([]byte{}, xerial...), 0, 0, 0, 1, 0, 0, 0, 1)
	framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(batch)-batchHeader)), batch[batchHeader:]...)
	variants := map[string][]byte{"none": recode(batch, 0, plain), "snappy": batch,
		"snappy as Java frames it": recode(batch, snappy, framed)}
	for _, c := range []kafka.Compression{kafka.Gzip, kafka.Lz4, kafka.Zstd} {
		var packed bytes.Buffer
		w := c.Codec().NewWriter(&packed)
		if _, err := w.Write(plain); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		variants[c.String()] = recode(batch, uint16(c), packed.Bytes())
	}
	for name, b := range variants {
		if said, _, err := readBatches(b, 0); said != "3:key " || err != nil {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}

// TestDamagedBatch: no changed byte behind the checksum passes.
func TestDamagedBatch(t *testing.T) {
	whole := batchOf(0, 7, "a", "b")
	for i := castagnoliStart; i < len(whole); i++ {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		if said, _, err := readBatches(damaged, 0); err == nil {
			t.Errorf("byte %d changed: %q is read", i, said)
		}
	}
}

// TestBrokenRecords: a batch whose checksum is right may hold anything, also very much of it in few bytes. It is told once,
// and what stands behind it is read.
func TestBrokenRecords(t *testing.T) {
	whole, behind := batchOf(3, 7, "a", "b"), batchOf(5, 7, "behind")
	plain, err := s2.Decode(nil, whole[batchHeader:])
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 2<<20)
	var packed bytes.Buffer
	w := kafka.Zstd.Codec().NewWriter(&packed)
	if _, err := w.Write(zeros); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		codec   uint16
		records []byte
		want    string
	}{
		"a record cut short": {0, plain[:len(plain)-3], "3:a 4!"},
		"garbage":            {0, []byte{0xff, 0xff, 0xff}, "3!"},
		"no snappy":          {snappy, []byte{0x05, 0xff, 0xff}, "3!"},
		"no gzip":            {uint16(kafka.Gzip), []byte("plain"), "3!"},
		"an unknown codec":   {7, plain, "3!"},
		"a snappy bomb":      {snappy, s2.EncodeSnappy(nil, zeros), "3!"},
		"snappy that lies":   {snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, "3!"},
		"a snappy bomb, Java's": {snappy, append(append([]byte{}, xerial...), append([]byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0x81, 0x8a},
			s2.EncodeSnappy(nil, zeros)...)...), "3!"},
		"a zstd bomb": {uint16(kafka.Zstd), packed.Bytes(), "3!"},
	} {
		set := append(recode(whole, transactional|c.codec, c.records), behind...)
		said, next, err := readBatches(set, 0)
		if err != nil || next != 6 || !strings.HasPrefix(said, c.want) || !strings.HasSuffix(said, " 5:behind ") {
			t.Errorf("%s: %q up to %d, %v", name, said, next, err)
		}
	}
}

// FuzzRecordSet: whatever a broker sends, nothing panics.
func FuzzRecordSet(f *testing.F) {
	f.Add(batchOf(0, 7, "a", "b"), true)
	f.Add(recode(batchOf(5, 7, "x"), snappy, append(append([]byte{}, xerial...), 0, 0, 0, 1)), true)
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		if sum && len(data) >= batchHeader {
			data = recode(data, binary.BigEndian.Uint16(data[21:]), data[batchHeader:])
		}
		readBatches(data, 0) //nolint:errcheck // it must only not panic
	})
}

// BenchmarkReadState reads small batches, of which a state topic is made: two records of 200 bytes each.
func BenchmarkReadState(b *testing.B) {
	var set []byte
	for i := range 1000 {
		set = append(set, (&encoder{}).batch([]record{{key: "s/position/x", value: noise(i)},
			{key: "s/checkpoint", value: noise(-i)}}, 7, 0, 0)[4:]...)
	}
	part, read := &fetchPartition{RecordSet: recordSet{set}}, 0
	b.SetBytes(int64(len(set)))
	for b.Loop() {
		visit := visitor{limit: stateBatch, record: func(s sink.Stored) error { read += len(s.Value); return nil }}
		if _, err := committed(partition{"t", 0}, part, 0, visit); err != nil {
			b.Fatal(err)
		}
	}
}

// noise returns 200 bytes that do not compress.
func noise(seed int) []byte {
	b := make([]byte, 200)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(b) //nolint:errcheck // it never fails
	return b
}
