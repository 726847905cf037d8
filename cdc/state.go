package cdc

import (
	"encoding/json"
	"fmt"
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
	Done Done
	// Events is the last event that is in the sink: the next one goes on from it.
	Events schemas.Chain

	Tables      [decode.Positions + 1]TableState // by Table
	Publication uint32                           // its OID
	// Reconcile, when not empty, is why a reconcile was begun that is not in the sink yet: the slot is a new one, and
	// nothing may go on from LSN with it.
	Reconcile string
}

// TableState is what is known of a watched table itself.
type TableState struct {
	ID      decode.TableID  // of the table that the images are of; zero before the first
	Missing bool            // it has left the stream, and table.missing said so
	Since   decode.Progress // of a missing one: the last place at which it was known to be in the stream
}

// Done says how much of the transaction after the checkpoint is in the sink already. A transaction with more events
// than one batch holds is cut over several; the server sends it again from its start, and this part is passed over.
type Done struct {
	CommitLSN decode.LSN // the transaction; 0 when none was cut
	Changes   uint32     // its row changes that are done
	Events    uint32     // events done of the change after those; only a TRUNCATE is ever cut inside
}

// CheckpointKey is the key of the state record that holds the Checkpoint.
const CheckpointKey = "checkpoint"

// The keys of the images.
const (
	positionPrefix = "position/"
	blockPrefix    = "block/"
)

// State is what a sink remembers for the pipeline: the checkpoint and an image of every row.
type State struct {
	Checkpoint Checkpoint
	positions  map[string]string // by id
	blocks     map[string]string // by blockKey
	bytes      int64             // of the images
}

// NewState returns an empty state.
func NewState() *State {
	return &State{positions: make(map[string]string), blocks: make(map[string]string)}
}

// Load takes in one state record, as Sink.Resume hands it out. A record that cannot be read is an error: going on
// without it would report old rows as new.
func (s *State) Load(key string, value []byte) error {
	switch {
	case key == CheckpointKey:
		if value == nil {
			s.Checkpoint = Checkpoint{}
			return nil
		}
		if err := json.Unmarshal(value, &s.Checkpoint); err != nil {
			return fmt.Errorf("load checkpoint: %w", err)
		}
		return nil
	case strings.HasPrefix(key, positionPrefix):
		return s.load(s.positions, key[len(positionPrefix):], value, new(positionImage).decode)
	case strings.HasPrefix(key, blockPrefix):
		return s.load(s.blocks, key[len(blockPrefix):], value, new(blockImage).decode)
	}
	return fmt.Errorf("load state: key %q is unknown; was it written by a newer version?", key)
}

func (s *State) load(images map[string]string, key string, value []byte, check func(string) error) error {
	if value == nil {
		s.drop(images, key)
		return nil
	}
	image := string(value)
	if err := check(image); err != nil {
		return fmt.Errorf("load image of %q: %w", key, err)
	}
	s.put(images, key, image)
	return nil
}

// put sets an image in one of the two maps, and drop removes one.
func (s *State) put(images map[string]string, key, image string) {
	s.bytes += int64(len(image) - len(images[key]))
	images[key] = image
}

func (s *State) drop(images map[string]string, key string) {
	s.bytes -= int64(len(images[key]))
	delete(images, key)
}

// Images returns how many rows are known and how many bytes their images take.
func (s *State) Images() (rows int, bytes int64) { return len(s.positions) + len(s.blocks), s.bytes }

func (s *State) isEmpty() bool { return len(s.positions)+len(s.blocks) == 0 }
