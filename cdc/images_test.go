package cdc

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawKey draws one of few keys, so that rows change and go and come.
func drawKey(t *rapid.T) string {
	n := rapid.IntRange(0, 40).Draw(t, "row")
	return rapid.SampledFrom([]string{fmt.Sprintf("0f2b3c4d-0000-4000-8000-%012x", n), fmt.Sprintf("contract%d\x00solana\x001h\x00social", n), fmt.Sprint("p", n)}).
		Draw(t, "key")
}

// drawImage draws one of any size: in the midst of others, one of the largest there, and one with a slab of its own.
func drawImage(t *rapid.T) []byte {
	size := rapid.SampledFrom([]int{0, 1, 200, 3000, ownSlab - 50, ownSlab, slabSize + 1}).Draw(t, "size")
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, "filling")}, size)
}

// TestImagesAreAMap: whatever is put, dropped and moved, images hold what a map would; and an image that was read stays
// as it was.
func TestImagesAreAMap(t *testing.T) {
	swept := 0
	rapid.Check(t, func(t *rapid.T) {
		im, want := newImages(""), make(map[string][]byte)
		var held, copied [][]byte
		for range rapid.IntRange(0, 400).Draw(t, "changes") {
			key := drawKey(t)
			before := im.dead
			if rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
				im.drop([]byte(key))
				delete(want, key)
			} else {
				image := drawImage(t)
				im.put([]byte(key), image)
				want[key] = image
				got, _ := im.get([]byte(key))
				held, copied = append(held, got), append(copied, image)
			}
			if im.dead < before {
				swept++
			}
		}
		checkImages(t, im, want)
		for i := range held {
			if !bytes.Equal(held[i], copied[i]) {
				t.Fatal("an image that was read has changed")
			}
		}
	})
	if swept == 0 {
		t.Error("nothing was ever swept")
	}
}

func checkImages(t *rapid.T, im *images, want map[string][]byte) {
	if im.rows != len(want) || im.dead > int64(im.rows)*deadPerRow+slabSize {
		t.Fatalf("%d rows with %d dead bytes, want %d", im.rows, im.dead, len(want))
	}
	for key, image := range want {
		if got, known := im.get([]byte(key)); !known || !bytes.Equal(got, image) {
			t.Fatalf("%q is %d bytes, %v; want %d", key, len(got), known, len(image))
		}
	}
	total := int64(0)
	for _, s := range im.slabs {
		total += int64(cap(s.entries))
	}
	if total != im.bytes {
		t.Fatalf("%d bytes in slabs, counted as %d", total, im.bytes)
	}
	list := im.keys()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if list.Len() == 0 || list.first() != key {
			t.Fatalf("key %q is not in its place", key)
		}
		list.pop()
	}
	if list.Len() != 0 {
		t.Fatalf("key %q is left", list.first())
	}
}

// TestImagesThatChange: memory stays bounded however often rows change, come and go.
func TestImagesThatChange(t *testing.T) {
	const rows, size = 20000, 250
	im := newImages("")
	for n := range 20 * rows {
		key := fmt.Appendf(nil, "0f2b3c4d-0000-4000-8000-%012x", n*7919%rows)
		if n%11 == 0 {
			im.drop(key)
			continue
		}
		im.put(key, bytes.Repeat([]byte{byte(n)}, size-n%3))
	}
	bound := int64(rows)*(size+2+17+32+deadPerRow) + 3*slabSize
	if im.size() > bound || im.rows < rows/2 {
		t.Errorf("%d rows take %d bytes, want at most %d", im.rows, im.size(), bound)
	}
	for n := range rows {
		im.drop(fmt.Appendf(nil, "0f2b3c4d-0000-4000-8000-%012x", n))
	}
	if im.rows != 0 || im.bytes > 2*slabSize {
		t.Errorf("%d rows take %d bytes in slabs after all are dropped", im.rows, im.bytes)
	}
}

func BenchmarkChangingImages(b *testing.B) {
	for _, rows := range []int{1000, 100000} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			im, keys := newImages(""), make([][]byte, rows)
			image := []byte(strings.Repeat("x", 1000))
			for n := range rows {
				keys[n] = fmt.Appendf(nil, "0f2b3c4d-0000-4000-8000-%012x", n)
				im.put(keys[n], image)
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				im.put(keys[n*7919%rows], image[:900+n%100])
			}
		})
	}
}
