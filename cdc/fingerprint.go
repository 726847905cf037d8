package cdc

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
)

// Fingerprint tells whether the images that a sink holds are those that a checkpoint was made with.
type Fingerprint struct {
	Images uint64 // how many there are
	Digest string // of all of them, in whatever order they are read; 32 hexadecimal digits
}

// multiset is the digest of a set of images: the sum of the digests of each, so that one can be added and removed without
// reading the others.
type multiset struct {
	high, low uint64
	hash      hash.Hash
	room      [sha256.Size]byte
}

// newMultiset returns the digest of no images, of a table whose keys have a prefix in the state.
func newMultiset() multiset { return multiset{hash: sha256.New()} }

// digestOf returns the digest of one image, under its key in the state. It allocates nothing.
func (s *multiset) digestOf(prefix string, key, image []byte) (high, low uint64) {
	s.hash.Reset()
	s.hash.Write(bytesOf(prefix))
	s.hash.Write(binary.AppendUvarint(s.room[:0], uint64(len(key))))
	s.hash.Write(key)
	s.hash.Write(image)
	sum := s.hash.Sum(s.room[:0])
	return binary.BigEndian.Uint64(sum), binary.BigEndian.Uint64(sum[8:])
}

func (s *multiset) add(prefix string, key, image []byte) {
	high, low := s.digestOf(prefix, key, image)
	s.high, s.low = s.high+high, s.low+low
}

func (s *multiset) remove(prefix string, key, image []byte) {
	high, low := s.digestOf(prefix, key, image)
	s.high, s.low = s.high-high, s.low-low
}

// fingerprint returns the fingerprint of all images.
func (s *State) fingerprint() *Fingerprint {
	var sum [16]byte
	binary.BigEndian.PutUint64(sum[:], s.positions.digest.high+s.blocks.digest.high)
	binary.BigEndian.PutUint64(sum[8:], s.positions.digest.low+s.blocks.digest.low)
	return &Fingerprint{Images: uint64(s.positions.rows + s.blocks.rows), Digest: hex.EncodeToString(sum[:])}
}

const (
	sealBegin = `,"Seal":"`
	sealEnd   = `"}`
)

// encode returns the checkpoint as a state record holds it: JSON whose last member is the digest of what comes before it.
func (c *Checkpoint) encode() ([]byte, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	text = text[:len(text)-1]
	return append(append(append(text, sealBegin...), sealOf(text)...), sealEnd...), nil
}

// decode reads a checkpoint. One without a seal was written by an older version.
func (c *Checkpoint) decode(text []byte) error {
	*c = Checkpoint{}
	if err := json.Unmarshal(text, c); err != nil {
		return err
	}
	at := bytes.LastIndex(text, []byte(sealBegin))
	if at < 0 || string(text[at+len(sealBegin):]) == sealOf(text[:at])+sealEnd {
		return nil
	}
	return errors.New("it is not as it was committed")
}

func sealOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
