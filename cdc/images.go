package cdc

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// images holds the image of every known row of a table, by the row's key.
//
// There may be a million rows, so none costs an object of its own: key and image of a row are an entry in a slab, and an
// index says where. Nothing in a slab is ever written over, so an image that was read stays as it is for as long as
// a caller holds it. What a change leaves behind is swept up before it takes much room.
type images struct {
	slabs []slab
	empty []uint32 // numbers in slabs that are not in use
	open  uint32   // the slab that is being filled

	index []ref // by hash, the next one where that is taken; a power of two
	used  int   // entries of the index that were filled since it was made, dropped rows included
	rows  int
	bytes int64 // of all slabs
	dead  int64 // of what is no longer known in them

	prefix string // of the rows' keys in the state
	digest multiset

	seed maphash.Seed
	key  []byte // scratch
}

// slab is a run of entries: the key's text, the length of the image, the image.
type slab struct {
	entries []byte
	dead    int // bytes of entries that are no longer known
}

// ref says where an entry is: 24 bits of its key's hash, 22 of the slab's number, 18 of the offset in it.
type ref uint64

const (
	offsetBits = 18
	placeBits  = 40

	noRef   ref = 0
	goneRef ref = 1<<placeBits - 1 // its row was dropped; what was stored behind it must still be found

	slabSize   = 1 << offsetBits
	ownSlab    = slabSize / 8 // an entry from this size on gets a slab of its own
	deadPerRow = 64           // bytes that may be left behind for each row, beside one slab
)

func newImages(prefix string) *images {
	return &images{prefix: prefix, digest: newMultiset(), slabs: make([]slab, 1), index: make([]ref, 8), seed: maphash.MakeSeed()}
}

// refOf makes a ref. Slab numbers begin at 1, so none that is in use is noRef.
func refOf(hash uint64, number uint32, offset int) ref {
	return ref(hash>>placeBits<<placeBits | uint64(number)<<offsetBits | uint64(offset))
}

func (s ref) number() uint32 { return uint32(s & (1<<placeBits - 1) >> offsetBits) }

// entry returns the bytes from an entry on.
func (im *images) entry(s ref) []byte {
	return im.slabs[s.number()].entries[s&(slabSize-1):]
}

// find returns where in the index a key is, or belongs. The key is packed.
func (im *images) find(key []byte, hash uint64) (at int, known bool) {
	mask := len(im.index) - 1
	for at = int(hash) & mask; ; at = (at + 1) & mask {
		s := im.index[at]
		if s == noRef {
			return at, false
		}
		if s != goneRef && uint64(s)>>placeBits == hash>>placeBits && bytes.HasPrefix(im.entry(s), key) {
			return at, true
		}
	}
}

// look packs a key and finds it.
func (im *images) look(key []byte) (at int, hash uint64, known bool) {
	im.key = appendText(im.key[:0], key)
	hash = maphash.Bytes(im.seed, im.key)
	at, known = im.find(im.key, hash)
	return at, hash, known
}

// get returns the image of a row. Nobody may write to it. It allocates nothing.
func (im *images) get(key []byte) (image []byte, known bool) {
	at, _, known := im.look(key)
	if !known {
		return nil, false
	}
	return im.imageAt(at), true
}

// imageAt returns the image at a place in the index, whose key was looked up last.
func (im *images) imageAt(at int) []byte {
	rest := im.entry(im.index[at])[len(im.key):]
	size, n := binary.Uvarint(rest)
	end := n + int(size)
	return rest[n:end:end]
}

// put sets the image of a row; it keeps neither slice.
func (im *images) put(key, image []byte) {
	if 4*(im.used+1) > 3*len(im.index) {
		im.reindex()
	}
	at, hash, known := im.look(key)
	if known {
		im.digest.remove(im.prefix, key, im.imageAt(at))
		im.bury(im.index[at])
	} else {
		im.rows++
		im.used++
	}
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(len(image)))
	im.index[at] = im.store(hash, im.key, length[:n], image)
	im.digest.add(im.prefix, key, image)
	im.sweep()
}

func (im *images) drop(key []byte) {
	at, _, known := im.look(key)
	if !known {
		return
	}
	im.digest.remove(im.prefix, key, im.imageAt(at))
	im.bury(im.index[at])
	im.index[at] = goneRef
	im.rows--
	im.sweep()
}

// store appends an entry to the open slab, or to one of its own.
func (im *images) store(hash uint64, parts ...[]byte) ref {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	number := im.open
	switch {
	case size >= ownSlab:
		number = im.add(size)
	case size > cap(im.slabs[number].entries)-len(im.slabs[number].entries):
		number = im.add(slabSize)
		im.open = number
	}
	entries := im.slabs[number].entries
	s := refOf(hash, number, len(entries))
	for _, part := range parts {
		entries = append(entries, part...)
	}
	im.slabs[number].entries = entries
	return s
}

// add makes a slab and returns its number.
func (im *images) add(size int) (number uint32) {
	s := slab{entries: make([]byte, 0, size)}
	im.bytes += int64(size)
	if last := len(im.empty) - 1; last >= 0 {
		number, im.empty = im.empty[last], im.empty[:last]
		im.slabs[number] = s
		return number
	}
	im.slabs = append(im.slabs, s)
	return uint32(len(im.slabs) - 1)
}

// bury counts an entry as no longer known. A slab in which there is nothing else is given up.
func (im *images) bury(s ref) {
	number, size := s.number(), len(cutEntry(im.entry(s)))
	of := &im.slabs[number]
	of.dead += size
	im.dead += int64(size)
	if of.dead == len(of.entries) && number != im.open {
		im.remove(number)
	}
}

func (im *images) remove(number uint32) {
	of := &im.slabs[number]
	im.bytes -= int64(cap(of.entries))
	im.dead -= int64(of.dead)
	*of = slab{}
	im.empty = append(im.empty, number)
}

// cutEntry returns the entry that some bytes begin with.
func cutEntry(entries []byte) []byte {
	r := reader{data: entries[len(packedKey(entries)):]}
	r.next(r.uvarint())
	return entries[:len(entries)-len(r.data)]
}

// sweep gives up slabs with much in them that is no longer known, after moving the rest, until little of that is left.
func (im *images) sweep() {
	for im.dead > int64(im.rows)*deadPerRow+slabSize {
		worst := uint32(0)
		for number := range im.slabs {
			if n := uint32(number); n != im.open && im.slabs[n].dead > im.slabs[worst].dead {
				worst = n
			}
		}
		im.move(worst)
		im.remove(worst)
	}
}

// move stores what is known of a slab anew.
func (im *images) move(number uint32) {
	entries := im.slabs[number].entries
	for offset := 0; offset < len(entries); {
		entry := cutEntry(entries[offset:])
		key := packedKey(entry)
		hash := maphash.Bytes(im.seed, key)
		at, known := im.find(key, hash)
		if known && im.index[at] == refOf(hash, number, offset) {
			im.index[at] = im.store(hash, entry)
		}
		offset += len(entry)
	}
}

// packedKey returns the packed key that an entry begins with.
func packedKey(entry []byte) []byte {
	r := reader{data: entry}
	var room [uuidLength]byte
	r.text(room[:0])
	return entry[:len(entry)-len(r.data)]
}

// reindex makes the index anew, with room for more rows.
func (im *images) reindex() {
	size := 8
	for 5*size < 8*(im.rows+1) {
		size *= 2
	}
	old := im.index
	im.index, im.used = make([]ref, size), im.rows
	for _, s := range old {
		if s == noRef || s == goneRef {
			continue
		}
		key := packedKey(im.entry(s))
		at, _ := im.find(key, maphash.Bytes(im.seed, key))
		im.index[at] = s
	}
}

// size returns the bytes of memory that all images take.
func (im *images) size() int64 { return im.bytes + int64(len(im.index))*8 }
