package supervise

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/monitor"
)

// stateLineEvery is how often reading the state says how far it is.
const stateLineEvery = 2 * time.Second

// statefulSink is a sink whose state is read with an eye on memory, and with a word now and then where that takes long.
type statefulSink struct {
	cdc.Sink
	memory *monitor.Memory
	log    zerolog.Logger
}

func (s *statefulSink) Resume(ctx context.Context, load func(string, []byte) error) error {
	begun, records, bytes := time.Now(), 0, int64(0)
	said := begun
	err := s.Sink.Resume(ctx, func(key string, value []byte) error {
		records, bytes = records+1, bytes+int64(len(key)+len(value))
		if records%1000 == 0 {
			s.memory.Holds(records, bytes)
			if time.Since(said) > stateLineEvery {
				said = time.Now()
				s.line(records, bytes, begun).Msg("reading the state")
			}
		}
		return load(key, value)
	})
	if err == nil {
		s.line(records, bytes, begun).Msg("state read")
	}
	return err
}

func (s *statefulSink) line(records int, bytes int64, begun time.Time) *zerolog.Event {
	return s.log.Info().Int("records", records).Int64("bytes", bytes).Dur("milliseconds", time.Since(begun))
}
