package schemas

import "testing"

// BenchmarkAppendEvent makes the JSON of every recorded event and links it to the one before.
func BenchmarkAppendEvent(b *testing.B) {
	var events []Event
	size := 0
	for _, line := range recorded() {
		event, err := Parse(nil, line)
		if err != nil {
			b.Fatal(err)
		}
		events, size = append(events, event), size+len(line)
	}
	var chain Chain
	var room []byte
	b.SetBytes(int64(size / len(events)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := &events[i%len(events)]
		e.Number, e.Chain = chain.Next()
		room = AppendEvent(room[:0], &e.Attributes, e.Data)
		chain.Add(e.Number, room)
	}
}

// BenchmarkParse reads every recorded event.
func BenchmarkParse(b *testing.B) {
	lines := recorded()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := Parse(nil, lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
}
