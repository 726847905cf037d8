package decode

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkDecode decodes one update of a block, as the WAL of many of them is made of.
func BenchmarkDecode(b *testing.B) {
	d := NewDecoder("public")
	if _, err := d.Decode(blocksRelation()); err != nil {
		b.Fatal(err)
	}
	update := blockTuple(message('U').u32(7), strings.Repeat("0", 40)+"pump", "solana", "1h", "onchain_crypto", "t", "f",
		"2026-01-18 11:06:52.514883+00", "NULL", "NULL")
	b.SetBytes(int64(len(update)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(update); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFeatures finds the history in a document, in one pass over it.
func BenchmarkFeatures(b *testing.B) {
	for _, size := range []int{7 << 10, 40 << 10} {
		var text strings.Builder
		text.WriteByte('{')
		for n := 0; text.Len() < size; n++ {
			fmt.Fprintf(&text, `"ta_block_%04d": {"adx": 47.1%d, "label": "S3 zone", "slope": [0.00123, -0.0042], "confirmed": true}, `, n, n)
		}
		text.WriteString(`"pm_execution_history": {"prev_state": "S3"}}`)
		document := []byte(text.String())
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(len(document)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFeatures(document); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
