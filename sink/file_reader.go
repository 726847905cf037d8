package sink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/tidwall/gjson"
)

// pollEvery is how often a reader that follows looks for a new commit.
const pollEvery = 100 * time.Millisecond

// ReadState implements Reader.
func (f *File) ReadState(ctx context.Context, load func(key string, value []byte) error) error {
	file, end, _, err := f.openCommitted()
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	reader, err := newLogReader(file, end)
	if err != nil {
		return err
	}
	for {
		record, err := reader.next()
		if errors.Is(err, io.EOF) {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s at offset %d: %w", f.path(stateName), reader.offset, err)
		}
		if err := eachEntry(record.entries, load); err != nil {
			return err
		}
	}
}

// openCommitted opens state.log for reading beside the one who writes it, and returns where its last commit ends and
// which events that commit wrote.
func (f *File) openCommitted() (file *os.File, end int64, last extent, err error) {
	file, err = os.Open(f.path(stateName))
	if err != nil {
		return nil, 0, last, fmt.Errorf("read file sink: %w; has anything been written there yet?", err)
	}
	end, last, err = lastCommit(file)
	if err != nil {
		return nil, 0, last, errors.Join(err, file.Close())
	}
	return file, end, last, nil
}

// lastCommit reads the log up to its last whole commit; what lies behind it may be half written.
func lastCommit(file *os.File) (end int64, last extent, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, last, err
	}
	reader, err := newLogReader(file, info.Size())
	if err != nil {
		return 0, last, err
	}
	for {
		record, err := reader.next()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errBroken):
			return end, last, nil
		case err != nil:
			return 0, last, err
		case record.commit:
			end, last = reader.offset, record.events
		}
	}
}

// ReadEvents implements Reader. A file has no topics: all of its events are read, those of other topics left out.
func (f *File) ReadEvents(ctx context.Context, r Range, take func(*Stored) error) error {
	wanted := r.filter(take)
	var at int64
	for {
		next, err := f.readNew(ctx, at, wanted)
		if err != nil {
			return err
		}
		at = next
		if !r.Follow || ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// readNew hands out the committed lines from byte at on, and returns where they end.
func (f *File) readNew(ctx context.Context, at int64, take func(*Stored) error) (int64, error) {
	state, _, last, err := f.openCommitted()
	if err != nil {
		return at, err
	}
	if err := state.Close(); err != nil || last.end <= at {
		return at, err
	}
	file, err := os.Open(f.path(eventsName))
	if err != nil {
		return at, fmt.Errorf("read file sink: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewReader(io.NewSectionReader(file, at, last.end-at))
	for ctx.Err() == nil {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return at, nil
		}
		if err != nil {
			return at, tooShort(f.path(eventsName), at+int64(len(line)), last.end)
		}
		value := line[:len(line)-1]
		key := gjson.GetBytes(value, "partitionkey").String()
		if err := take(&Stored{Topic: eventsName, Offset: at, Key: []byte(key), Value: value}); err != nil {
			return at, err
		}
		at += int64(len(line))
	}
	return at, nil
}

// Kept implements Reader: nothing is ever removed from a file.
func (f *File) Kept(context.Context) ([]Kept, error) { return nil, nil }
