package simulate

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinator closes gaps of kfake, which checks epochs loosely (see epochs) and ends transactions at once. A real one takes
// its time: an end is answered before the markers are written, and until then, and while it aborts what an older writer left, it
// answers CONCURRENT_TRANSACTIONS to everything else. There is one transactional id in this world.
type coordinator struct {
	brokers *brokers
	slow    bool // it takes its time

	mu sync.Mutex
	epochs
	draws   int       // how often it has drawn how long
	busy    time.Time // until when
	marking bool      // an end was answered, and its markers are not written yet
	open    time.Time // since when a transaction is; zero for none
	then    func()    // what an answer leaves to be done
	failure string    // of the simulation itself
}

// mostOpen is less than a transaction may last: kfake has not ended one that is younger.
const mostOpen = 20 * time.Second

func newCoordinator(b *brokers) *coordinator {
	c := &coordinator{brokers: b, epochs: epochs{of: make(map[int64]epoch)}}
	for key, control := range map[kmsg.Key]func(kmsg.Request) kmsg.Response{kmsg.InitProducerID: c.init, kmsg.EndTxn: c.end,
		kmsg.AddPartitionsToTxn: c.add, kmsg.Produce: c.produce} {
		b.cluster.ControlKey(int16(key), func(request kmsg.Request) (kmsg.Response, error, bool) {
			b.cluster.KeepControl()
			response, then := c.ask(control, request)
			if then != nil {
				then()
			}
			return response, nil, response != nil
		})
	}
	return c
}

// ask has a request answered in place of the cluster, or by it where the response is nil. What is to be done then takes no lock.
func (c *coordinator) ask(control func(kmsg.Request) kmsg.Response, request kmsg.Request) (response kmsg.Response, then func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	response = control(request)
	then, c.then = c.then, nil
	return response, then
}

func (c *coordinator) isBusy() bool { return c.marking || time.Now().Before(c.busy) }

// takes draws for how long it is busy; mostly it is not.
func (c *coordinator) takes() time.Duration {
	if c.draws++; !c.slow {
		return 0
	}
	r := c.brokers.net.draw(fmt.Sprint("coordinator ", c.draws))
	if r.IntN(2) == 0 {
		return 0
	}
	return time.Duration(1+r.IntN(4<<r.IntN(10))) * time.Millisecond
}

// init answers InitProducerID in place of the cluster; nil where the cluster is to answer.
func (c *coordinator) init(request kmsg.Request) kmsg.Response {
	if refused, _, handled := c.control(request); handled {
		return refused
	}
	if !c.isBusy() && !c.open.IsZero() {
		c.busy = time.Now().Add(c.takes()) // it aborts what is open
	}
	if !c.isBusy() {
		return nil
	}
	response := request.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ProducerID, response.ProducerEpoch, response.ErrorCode = -1, -1, kerr.ConcurrentTransactions.Code
	return response
}

func (c *coordinator) end(request kmsg.Request) kmsg.Response {
	r := request.(*kmsg.EndTxnRequest)
	if r.Version == ownVersion || r.ProducerEpoch != c.of[r.ProducerID].now {
		return nil
	}
	response := request.ResponseKind().(*kmsg.EndTxnResponse)
	if c.isBusy() {
		response.ErrorCode = kerr.ConcurrentTransactions.Code
		return response
	}
	takes := c.takes()
	c.busy = time.Now().Add(takes)
	if takes == 0 || r.Version >= 5 || c.open.IsZero() || time.Since(c.open) > mostOpen {
		return nil
	}
	c.marking = true
	name := fmt.Sprint("markers ", c.draws)
	c.then = func() { c.brokers.net.plan(takes, name, func() { go c.mark(*r) }) }
	return response
}

// ownVersion of EndTxn is what the coordinator alone uses: then the markers are written.
const ownVersion = 0

// ownPath is how a broker is reached whatever befalls its clients.
func ownPath(at string) string { return "own path to " + at }

// mark ends a transaction that was answered before.
func (c *coordinator) mark(r kmsg.EndTxnRequest) {
	code, err := kerr.NotCoordinator.Code, error(nil)
	for err == nil && code == kerr.NotCoordinator.Code { // it may have moved just now
		code, err = c.endAt(ownPath(brokerAt(int(c.brokers.cluster.CoordinatorFor(r.TransactionalID)))), r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marking = false; err != nil || code != 0 {
		c.failure = fmt.Sprintf("the markers of a transaction are not written: %v, code %d", err, code)
	}
}

// isDone reports whether it has written the markers of every end that it has answered.
func (c *coordinator) isDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.marking
}

// failed returns what the simulation itself could not do.
func (c *coordinator) failed() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

func (c *coordinator) endAt(at string, r kmsg.EndTxnRequest) (code int16, err error) {
	conn, err := c.brokers.net.dial(context.Background(), &host{name: "coordinator"}, at, true)
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // nothing was left undone on it
	r.Version = ownVersion
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("coordinator")).AppendRequest(nil, &r, 1)); err != nil {
		return 0, err
	}
	answer := make([]byte, 14) // size, correlation, throttle, code
	if _, err := io.ReadFull(conn, answer); err != nil {
		return 0, err
	}
	return int16(answer[12])<<8 | int16(answer[13]), nil
}

func (c *coordinator) add(request kmsg.Request) kmsg.Response {
	r := request.(*kmsg.AddPartitionsToTxnRequest)
	if !c.isBusy() || r.ProducerEpoch != c.of[r.ProducerID].now {
		return nil
	}
	response := request.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	for _, t := range r.Topics {
		refused := kmsg.AddPartitionsToTxnResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			refused.Partitions = append(refused.Partitions,
				kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p, ErrorCode: kerr.ConcurrentTransactions.Code})
		}
		response.Topics = append(response.Topics, refused)
	}
	return response
}

// produce answers a request that is to add its partitions itself.
func (c *coordinator) produce(request kmsg.Request) kmsg.Response {
	r := request.(*kmsg.ProduceRequest)
	if !c.isBusy() || r.Version < 12 || r.TransactionID == nil {
		return nil
	}
	response := request.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.Topics {
		refused := kmsg.ProduceResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			refused.Partitions = append(refused.Partitions,
				kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.ConcurrentTransactions.Code, BaseOffset: -1})
		}
		response.Topics = append(response.Topics, refused)
	}
	return response
}

// tap follows the answers of the brokers.
func (c *coordinator) tap(a asked, answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r := c.read(a, answer).(type) {
	case *kmsg.InitProducerIDResponse:
		if c.answered(r); r.ErrorCode == 0 {
			c.open = time.Time{}
		}
	case *kmsg.EndTxnResponse:
		if r.ErrorCode == 0 {
			c.open = time.Time{}
		}
		if r.ErrorCode == 0 && r.Version >= 5 {
			c.of[r.ProducerID] = epoch{r.ProducerEpoch, -1}
		}
	case *kmsg.AddPartitionsToTxnResponse:
		if c.open.IsZero() && len(r.Topics) > 0 && len(r.Topics[0].Partitions) > 0 && r.Topics[0].Partitions[0].ErrorCode == 0 {
			c.open = time.Now()
		}
	}
}
