package settings

import (
	"fmt"
	"io"
	"sync"
)

// damage is what a file sink has found in its files, each told once: some verbs read twice.
type damage struct {
	mu   sync.Mutex
	told map[string]bool
}

func (d *damage) tell(s *Settings, w io.Writer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told[err.Error()] || len(d.told) > mostForeign {
		return
	}
	d.told[err.Error()] = true
	log := s.Logger(w)
	if len(d.told) > mostForeign {
		log.Error().Msgf("%v; there may be more, the rest is passed over without a word", err)
		return
	}
	log.Error().Msg(err.Error() + "; it is passed over")
}

// Damage returns an error when something was read that the file sink found damaged and passed over: what was printed may lack
// something. It was told already.
func (s *Settings) Damage() error {
	if s.damage == nil {
		return nil
	}
	s.damage.mu.Lock()
	defer s.damage.mu.Unlock()
	if len(s.damage.told) == 0 {
		return nil
	}
	return Repair(fmt.Errorf("%s is damaged, as said above; restore it from a backup, and see what is whole with: lowcap-cdc audit verify",
		Redact(s.Sink)))
}
