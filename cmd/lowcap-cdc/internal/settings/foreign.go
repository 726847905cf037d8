package settings

import (
	"io"
	"sync"

	"lowcap-cdc/sink"
)

// mostForeign is how many foreign records are told of, one a line. Someone who writes there by mistake writes many.
const mostForeign = 100

// foreignRecords logs each record in the event topics that is no event, once: some verbs read twice.
type foreignRecords struct {
	mu   sync.Mutex
	told map[sink.Foreign]bool
}

func (r *foreignRecords) tell(s *Settings, w io.Writer, f *sink.Foreign) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told[*f] || len(r.told) > mostForeign {
		return
	}
	r.told[*f] = true
	log := s.Logger(w)
	if len(r.told) > mostForeign {
		log.Warn().Msgf("%v; there may be more, the rest is passed over without a word", f)
		return
	}
	log.Warn().Msg(f.Error() + "; it is passed over")
}
