package settings

import (
	"context"
	"errors"

	"lowcap-cdc/sink"
)

// Reader returns the sink as one that can be read back.
func (s *Settings) Reader() (sink.Reader, func(), error) {
	if s.Sink == "" {
		return nil, nil, Usage(errors.New("no sink given; set --sink or LOWCAP_CDC_SINK to kafka://HOST:PORT or file:DIR"))
	}
	if s.Postgres != "" {
		if err := s.checkDatabase(); err != nil {
			return nil, nil, err
		}
	}
	opened, err := s.OpenSink(nil)
	if err != nil {
		return nil, nil, err
	}
	r, ok := opened.(sink.Reader)
	if !ok {
		return nil, nil, Usage(errors.New("--sink stdout: keeps nothing that could be read"))
	}
	return r, func() { opened.Close() }, nil //nolint:errcheck // it was only read
}

// ReadUntilSignal is Reader for a verb that reads until it is done or told to stop: ctx ends then.
func (s *Settings) ReadUntilSignal(std *Streams) (ctx context.Context, r sink.Reader, done func(), err error) {
	r, closeReader, err := s.Reader()
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, stop := UntilSignal(std.Err)
	return ctx, r, func() { stop(); closeReader() }, nil
}
