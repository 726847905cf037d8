package kafka

import (
	"bytes"
	"encoding/binary"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// peer is a broker that reads one request with another client's code, and gives one answer.
type peer struct {
	t       *testing.T
	request kmsg.Request // filled
	answer  kmsg.Response
	cut     int // how many bytes of the answer are missing, with a length that hides it
	out     bytes.Buffer
}

func (p *peer) Write(frame []byte) (int, error) {
	body := frame[4:]
	if size := binary.BigEndian.Uint32(frame); int(size) != len(body) {
		p.t.Errorf("a length of %d before %d bytes", size, len(body))
	}
	if key, version := int16(binary.BigEndian.Uint16(body)), int16(binary.BigEndian.Uint16(body[2:])); key != p.request.Key() ||
		version != p.request.GetVersion() {
		p.t.Errorf("key %d, version %d", key, version)
	}
	correlation, name := body[4:8], int(binary.BigEndian.Uint16(body[8:]))
	if got := string(body[10 : 10+name]); got != clientID || body[10+name] != noTags {
		p.t.Errorf("client %q", got)
	}
	if err := p.request.ReadFrom(body[10+name+1:]); err != nil {
		p.t.Error(err)
	}
	if again := p.request.AppendTo(nil); !bytes.Equal(again, body[10+name+1:]) {
		p.t.Errorf("another client would write\n%x, not\n%x", again, body[10+name+1:])
	}
	out := bytes.Clone(correlation)
	if p.request.Key() != int16(kmsg.ApiVersions) {
		out = append(out, noTags)
	}
	out = p.answer.AppendTo(out)
	out = out[:len(out)-p.cut]
	binary.Write(&p.out, binary.BigEndian, uint32(len(out))) //nolint:errcheck // into memory
	p.out.Write(out)
	return len(frame), nil
}

func (p *peer) Read(b []byte) (int, error) { return p.out.Read(b) }

// ask returns what becomes of a message of our own when another client's code reads it and answers. The same answer without its
// last bytes must be an error.
func ask(t *testing.T, message protocol.RawExchanger, request kmsg.Request, answer kmsg.Response) protocol.Message {
	t.Helper()
	for cut := len(answer.AppendTo(nil)); cut > 0; cut-- {
		if got, err := message.RawExchange(&peer{t: t, request: request, answer: answer, cut: cut}); err == nil {
			t.Errorf("without its last %d bytes the answer is %+v", cut, got)
		}
	}
	got, err := message.RawExchange(&peer{t: t, request: request, answer: answer})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestProduceRequest(t *testing.T) {
	request, answer := kmsg.NewPtrProduceRequest(), kmsg.NewPtrProduceResponse()
	request.Version, answer.Version = 12, 12
	for _, name := range []string{"a", "b"} {
		topic, blamed := kmsg.NewProduceResponseTopic(), kmsg.NewProduceResponseTopicPartitionErrorRecord()
		topic.Topic, blamed.RelativeOffset, blamed.ErrorMessage = name, 7, kmsg.StringPtr("why")
		for id := range int32(3) {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition, part.ErrorCode, part.BaseOffset, part.LogStartOffset = id, int16(id), 70+int64(id), 5
			part.ErrorRecords, part.ErrorMessage = append(part.ErrorRecords, blamed), kmsg.StringPtr("because")
			part.CurrentLeader.LeaderID, part.CurrentLeader.LeaderEpoch = 3, 4 // a tagged field
			topic.Partitions = append(topic.Partitions, part)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	batches := []partitionBatch{{partition{"a", 0}, []byte("\x00\x00\x00\x03one")}, {partition{"a", 2}, []byte("\x00\x00\x00\x03two")},
		{partition{"b", 1}, append([]byte{0, 0, 1, 0x2c}, make([]byte, 300)...)}}
	got := ask(t, &produceRequest{transaction: "id", timeout: 3 * time.Second, leader: 1, batches: batches}, request, answer)
	if *request.TransactionID != "id" || request.Acks != -1 || request.TimeoutMillis != 3000 || len(request.Topics) != 2 ||
		string(request.Topics[0].Partitions[1].Records) != "two" || len(request.Topics[1].Partitions[0].Records) != 300 {
		t.Errorf("%+v", request)
	}
	want := produce.ResponsePartition{Partition: 2, ErrorCode: 2, BaseOffset: 72, LogAppendTime: -1, LogStartOffset: 5, ErrorMessage: "because"}
	topics := got.(*produce.Response).Topics
	if len(topics) != 2 || topics[1].Topic != "b" || len(topics[1].Partitions) != 3 || !reflect.DeepEqual(topics[1].Partitions[2], want) {
		t.Errorf("%+v", topics)
	}
}

func TestEndRequest(t *testing.T) {
	request, answer := kmsg.NewPtrEndTxnRequest(), kmsg.NewPtrEndTxnResponse()
	request.Version, answer.Version = 5, 5
	answer.ErrorCode, answer.ProducerID, answer.ProducerEpoch = 0, 1<<40, 32000
	got := ask(t, &endRequest{transaction: "id", id: 1 << 33, epoch: 31999, commit: true}, request, answer)
	if want := (&endResponse{id: 1 << 40, epoch: 32000}); !reflect.DeepEqual(got, protocol.Message(want)) {
		t.Errorf("%+v", got)
	}
	if request.TransactionalID != "id" || request.ProducerID != 1<<33 || request.ProducerEpoch != 31999 || !request.Commit {
		t.Errorf("%+v", request)
	}
}

func TestFeaturesRequest(t *testing.T) {
	request, answer := kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrApiVersionsResponse()
	request.Version, answer.Version = 3, 3
	key, supported := kmsg.NewApiVersionsResponseApiKey(), kmsg.NewApiVersionsResponseSupportedFeature()
	key.ApiKey, key.MinVersion, key.MaxVersion = int16(kmsg.Produce), 3, 13
	supported.Name, supported.MaxVersion = "transaction.version", 9
	answer.ApiKeys, answer.SupportedFeatures = append(answer.ApiKeys, key), append(answer.SupportedFeatures, supported)
	answer.FinalizedFeaturesEpoch = 12
	for i, name := range []string{"group.version", "transaction.version", "metadata.version"} {
		finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
		finalized.Name, finalized.MaxVersionLevel, finalized.MinVersionLevel = name, int16(i+1), int16(i+1)
		answer.FinalizedFeatures = append(answer.FinalizedFeatures, finalized)
	}
	got := ask(t, &featuresRequest{}, request, answer).(*featuresResponse)
	if got.transactions != 2 || got.newest[protocol.Produce] != 13 || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// TestOldBrokerHasNoFeatures: a broker before 2.4 answers with an error, in the oldest format.
func TestOldBrokerHasNoFeatures(t *testing.T) {
	request, answer := kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrApiVersionsResponse()
	request.Version, answer.ErrorCode = 3, 35
	got, err := (&featuresRequest{}).RawExchange(&peer{t: t, request: request, answer: answer})
	if err != nil || got.(*featuresResponse).code != 35 || got.(*featuresResponse).transactions != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// canned is a broker that gives one answer, with the number of the request that came before.
type canned struct {
	answer []byte
	at     int
}

func (c *canned) Write(b []byte) (int, error) {
	c.at = 0
	copy(c.answer[4:8], b[8:12])
	return len(b), nil
}

func (c *canned) Read(b []byte) (int, error) {
	n := copy(b, c.answer[c.at:])
	c.at += n
	return n, nil
}

// TestProduceAllocatesNoMore than the library does for the same records in its own version.
func TestProduceAllocatesNoMore(t *testing.T) {
	var batches []partitionBatch
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "events"
	for id := range 6 {
		batches = append(batches, partitionBatch{partition{"events", id}, append([]byte{0, 0, 0x27, 0x10}, make([]byte, 10000)...)})
		part := kmsg.NewProduceResponseTopicPartition()
		part.Partition = int32(id)
		topic.Partitions = append(topic.Partitions, part)
	}
	measure := func(version int16, header []byte, ask func(rw io.ReadWriter) error) float64 {
		answer := kmsg.NewPtrProduceResponse()
		answer.Version, answer.Topics = version, append(answer.Topics, topic)
		body := answer.AppendTo(header)
		rw := &canned{answer: append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)}
		return testing.AllocsPerRun(200, func() {
			if err := ask(rw); err != nil {
				t.Fatal(err)
			}
		})
	}
	library := measure(8, make([]byte, 4), func(rw io.ReadWriter) error {
		request := &rawproduce.Request{TransactionalID: "id", Acks: -1, Topics: []rawproduce.RequestTopic{{Topic: "events"}}}
		for _, b := range batches {
			request.Topics[0].Partitions = append(request.Topics[0].Partitions, rawproduce.RequestPartition{Partition: int32(b.id),
				RecordSet: protocol.RawRecordSet{Reader: bytes.NewReader(b.batch)}})
		}
		_, err := protocol.RoundTrip(rw, 8, 1, clientID, request)
		return err
	})
	ours := measure(12, make([]byte, 5), func(rw io.ReadWriter) error {
		request := &produceRequest{transaction: "id", batches: slices.Clone(batches)}
		_, err := request.RawExchange(rw)
		return err
	})
	if t.Logf("the library allocates %.0f times, we %.0f times", library, ours); ours > library {
		t.Error("that is more")
	}
}

// answers is a broker that says the same to every request.
type answers struct{ io.Reader }

func (answers) Write(b []byte) (int, error) { return len(b), nil }

// FuzzAnswer: no answer of a broker, or of what is mistaken for one, is a panic, or takes memory without a bound.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 0, 0, 0, 1, 0})
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0})
	f.Add(append([]byte{0, 0, 0, 14, 0, 0, 0, 1, 0}, bytes.Repeat([]byte{0xff}, 9)...))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) < 8 {
			return
		}
		for _, message := range []protocol.RawExchanger{&produceRequest{}, &endRequest{}, &featuresRequest{}} {
			binary.BigEndian.PutUint32(data[4:], uint32(correlations.Load()+1))
			message.RawExchange(answers{bytes.NewReader(data)}) //nolint:errcheck // whatever comes of it
		}
	})
}
