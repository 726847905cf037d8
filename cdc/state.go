package cdc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// Checkpoint is the place up to which everything is in the sink. LSN only ever holds a commit's end, a snapshot's
// consistent point, or a place that the server had nothing before: the only places to resume from.
type Checkpoint struct {
	Identity
	Slot string
	LSN  decode.LSN    // 0: the slot is claimed, its snapshot is not in the sink yet
	Time decode.Micros // the database's clock there
	Cut  Cut           `json:"Done"` // named as older versions do
	// Events is the last event that is in the sink: the next one follows it.
	Events schemas.Chain

	// Images is of the images that the sink holds with it; nil when an older version wrote it.
	Images *Fingerprint `json:",omitempty"`

	Tables      [decode.Positions + 1]TableState // by Table
	Publication uint32                           // tells it from what it was before it was altered or made anew
	// Reconcile, when not empty, is why a reconcile was begun that is not in the sink yet: the slot is a new one, and
	// nothing may continue from LSN with it.
	Reconcile string
	// Eras are the parts of the history, each of another server; none before the first adoption.
	Eras []Era `json:",omitempty"`
	// Adoption is one that was begun and is not in the sink yet; nil for none.
	Adoption *Adoption `json:",omitempty"`
	// HandedOver says that nobody writes behind this place any more, by the word of whoever handed the server over.
	HandedOver bool `json:",omitempty"`
}

// TableState is what is known of a watched table itself.
type TableState struct {
	ID      decode.TableID  // of the table that the images are of; zero before the first
	Missing bool            // it has left the stream, and table.missing said so
	Since   decode.Progress // of a missing one: the last place at which it was known to be in the stream
}

// Cut says how much of the transaction after the checkpoint is in the sink already. A transaction with more events
// than one batch holds is cut over several; the server sends it again from its start, and this part is passed over.
type Cut struct {
	CommitLSN decode.LSN // the transaction; 0 when none was cut
	Changes   uint32     // its row changes that are done
	Events    uint32     // events done of the change after those; only a TRUNCATE is ever cut inside
}

// CheckpointKey is the key of the state record that holds the Checkpoint.
const CheckpointKey = "checkpoint"

// erasKey is the key of a record that says how many eras the history has. Versions that do not know of adoptions refuse a state
// with it: they would publish sequences that consumers have passed long ago.
const erasKey = "eras"

// CopyKey is the key of a record that stands beside copied events for as long as their state is not there. Its value is the sequence of
// the last one, and behind a blank its NUMBER:CHAIN.
const CopyKey = "replay-done"

// The keys of the images.
const (
	positionPrefix = "position/"
	blockPrefix    = "block/"
)

// State is what a sink remembers for the pipeline: the checkpoint and an image of every row.
type State struct {
	Checkpoint Checkpoint
	committed  bool    // there is a checkpoint
	copied     bool    // the sink holds a copy of events, without their state
	eras       int     // that the sink was told of
	positions  *images // by id
	blocks     *images // by blockKey
	agenda     agenda
	position   positionImage // scratch
	block      blockImage
}

// NewState returns an empty state.
func NewState() *State {
	return &State{positions: newImages(positionPrefix), blocks: newImages(blockPrefix)}
}

// Load adds one state record, as Sink.Resume hands them out. A record that cannot be read is a *StateError: going on without
// it would report old rows as new.
func (s *State) Load(key string, value []byte) error {
	switch {
	case key == CheckpointKey:
		if value == nil {
			s.Checkpoint, s.committed = Checkpoint{}, false
			return nil
		}
		s.committed = true
		if err := s.Checkpoint.decode(value); err != nil {
			return &StateError{Why: fmt.Sprintf("the checkpoint cannot be read: %v", err), Unreadable: true}
		}
		return nil
	case key == CopyKey:
		s.copied = value != nil
		return nil
	case key == erasKey:
		s.eras, _ = strconv.Atoi(string(value)) // only that it is there counts
		return nil
	case strings.HasPrefix(key, positionPrefix):
		return s.loadPosition(key[len(positionPrefix):], value)
	case strings.HasPrefix(key, blockPrefix):
		return s.load(s.blocks, key[len(blockPrefix):], value, s.block.decode)
	}
	return fmt.Errorf("load state: %w", &VersionError{fmt.Sprintf("key %q is of no kind that this version knows", key)})
}

// load stores an image as it is, of whatever version: the fingerprint is of the bytes that the sink holds.
func (s *State) load(to *images, key string, value []byte, read func([]byte) error) error {
	if value == nil {
		to.drop(bytesOf(key))
		return nil
	}
	to.put(bytesOf(key), value)
	err := read(value)
	if newer := new(VersionError); errors.As(err, &newer) {
		return fmt.Errorf("load image of %q: %w", key, err)
	}
	if err != nil {
		return &StateError{Why: fmt.Sprintf("the image of %q: %v", key, err)}
	}
	return nil
}

// Verify returns a *StateError when the images are not those that the checkpoint was committed with, and a *CopyError when the
// sink holds only a copy of events. It comes after the last Load.
func (s *State) Verify() error {
	want, have := s.Checkpoint.Images, s.fingerprint()
	switch {
	case s.copied:
		return &CopyError{}
	case !s.committed && have.Images > 0:
		return &StateError{Why: fmt.Sprintf("it has %d images and no checkpoint", have.Images), Unreadable: true}
	case want == nil: // an older version wrote it
		return nil
	case want.Images != have.Images:
		return &StateError{Why: fmt.Sprintf("it has %d images, and was committed with %d", have.Images, want.Images)}
	case want.Digest != have.Digest:
		return &StateError{Why: fmt.Sprintf("its %d images are not those that were committed", have.Images)}
	}
	return nil
}

// loadPosition takes in the image of a position, and what waits there.
func (s *State) loadPosition(key string, value []byte) error {
	if err := s.load(s.positions, key, value, s.position.decode); err != nil {
		return err
	}
	due := decode.Micros(0)
	if value != nil {
		due = s.position.due()
	}
	s.agenda.set(key, due)
	return nil
}

// record returns the state record of a row; its value is nil when the row is gone. The value is the image itself: a
// sink only reads it.
func (s *State) record(r row) StateRecord {
	prefix := blockPrefix
	if r.table == decode.Positions {
		prefix = positionPrefix
	}
	record := StateRecord{Key: prefix + r.key}
	record.Value, _ = s.images(r.table).get(bytesOf(r.key))
	return record
}

// images returns the images of a table's rows.
func (s *State) images(t decode.Table) *images {
	if t == decode.Blocks {
		return s.blocks
	}
	return s.positions
}

// Images returns how many rows are known and how many bytes of memory they take.
func (s *State) Images() (rows int, bytes int64) {
	return s.positions.rows + s.blocks.rows, s.positions.size() + s.blocks.size()
}

func (s *State) isEmpty() bool { return s.positions.rows+s.blocks.rows == 0 }
