package cdc

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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
