package kafka

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/sink"
)

// placement is where records stand: those of the state, and, by what a state record of the sink's own remembers, those of the
// events. The partition of a key follows from how many there are, so that a topic which gets more puts new records of a key
// beside the old ones instead of behind them.
type placement struct {
	spread bool           // some of the state stands outside of partition 0
	moved  bool           // some of it stands where its key does not belong
	counts map[string]int // of partitions, by topic, when this slot wrote last; nil when that is not known
}

// countsKey is the key of the record that remembers counts. It does not begin as the state that the pipeline knows.
const countsKey = "#partitions"

// take looks at a record of the state topic, which has so many partitions.
func (p *placement) take(r *sink.Stored, slot string, partitions []int) error {
	switch {
	case string(r.Key) == slot+countsKey && r.Value != nil:
		if err := json.Unmarshal(r.Value, &p.counts); err != nil {
			return brokenState(partition{r.Topic, r.Partition}, r.Offset, len(r.Value), err)
		}
	case strings.HasPrefix(string(r.Key), slot+"/"):
		p.spread = p.spread || r.Partition != 0
		p.moved = p.moved || r.Partition != partitionOf(r.Key, partitions)
	}
	return nil
}

// partitionOf returns the partition of a key, as Java's default partitioner has it.
func partitionOf(key []byte, partitions []int) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, partitions...)
}

// settle returns the partitions that state is written to. State that all stands in partition 0 stays there, whatever the
// topic has got since. State that is spread, by hand, cannot be told from what came before the topic grew.
func (p *placement) settle(topic string, partitions []int) ([]int, error) {
	switch {
	case !p.spread:
		return []int{0}, nil
	case p.moved:
		return nil, fmt.Errorf("%w: topic %q got more partitions, so that old state may be read behind the new; restore it with the "+
			"partitions that it had, or start again with another --topic-prefix", sink.ErrCorrupt, topic)
	}
	return partitions, nil
}

// grown says of each topic that has another number of partitions than when events were written last. partitions are those that
// there are now, by topic.
func (p *placement) grown(topics []string, partitions map[string]int) (all []check.Finding) {
	for _, topic := range topics {
		before, known := p.counts[topic]
		if now := partitions[topic]; known && now != before {
			all = append(all, check.Finding{Name: "topic " + topic, Severity: check.Warn,
				Detail: fmt.Sprintf("has %d partitions, and had %d when it was written last: of one row the newer events may stand in another "+
					"partition than the older, and a consumer may see them first", now, before),
				Repair: "lowcap-cdc run, when every consumer has read what is there"})
		}
	}
	return all
}

// remember returns the record that holds the counts, and nil where it is there already.
func (p *placement) remember(slot string, topics []string, partitions map[string]int) *record {
	same := len(p.counts) == len(topics)
	counts := make(map[string]int)
	for _, topic := range topics {
		counts[topic] = partitions[topic]
		same = same && p.counts[topic] == counts[topic]
	}
	if same {
		return nil
	}
	value, _ := json.Marshal(counts) // numbers cannot fail
	return &record{key: slot + countsKey, value: value}
}

// countsOf counts partitions.
func countsOf(partitions map[string][]int) map[string]int {
	counts := make(map[string]int)
	for topic, ids := range partitions {
		counts[topic] = len(ids)
	}
	return counts
}
