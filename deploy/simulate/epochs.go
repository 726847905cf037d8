package simulate

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// asked is a request that waits for its answer.
type asked struct {
	key, version int16
}

// epochs closes a gap of kfake: it lets any older epoch of a producer id raise the epoch, where a broker refuses all but the
// present one, and the one before it when that was raised by its holder (TransactionMetadata.prepareIncrementProducerEpoch).
// Without it a zombie would fence the instance that has replaced it.
type epochs struct {
	of     map[int64]epoch
	raises bool // the request under way names the epoch that it raises
}

type epoch struct{ now, before int16 }

// answered takes down which epoch a broker has given out.
func (e *epochs) answered(r *kmsg.InitProducerIDResponse) {
	if r.ErrorCode != 0 {
		return
	}
	before := int16(-1)
	if known, ok := e.of[r.ProducerID]; ok && e.raises {
		before = known.now
	}
	e.of[r.ProducerID] = epoch{r.ProducerEpoch, before}
}

// control answers in place of the cluster.
func (e *epochs) control(request kmsg.Request) (kmsg.Response, error, bool) {
	r := request.(*kmsg.InitProducerIDRequest)
	known, ok := e.of[r.ProducerID]
	e.raises = ok && r.ProducerID >= 0
	if !e.raises || r.ProducerEpoch == known.now || (known.before >= 0 && r.ProducerEpoch == known.before) {
		return nil, nil, false
	}
	response := r.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ProducerID, response.ProducerEpoch, response.ErrorCode = -1, -1, kerr.ProducerFenced.Code
	if r.Version < 4 {
		response.ErrorCode = kerr.InvalidProducerEpoch.Code
	}
	return response, nil, true
}

// read parses an answer to a request of transactions; nil for another one, or one that cannot be read.
func (e *epochs) read(a asked, answer []byte) kmsg.Response {
	switch kmsg.Key(a.key) {
	case kmsg.InitProducerID, kmsg.EndTxn, kmsg.AddPartitionsToTxn:
	default:
		return nil
	}
	response := kmsg.ResponseForKey(a.key)
	response.SetVersion(a.version)
	body := answer[8:]
	if response.IsFlexible() {
		reader := kbin.Reader{Src: body}
		kmsg.SkipTags(&reader)
		body = reader.Src
	}
	if response.ReadFrom(body) != nil {
		return nil
	}
	return response
}
