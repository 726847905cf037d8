package main

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestSearch: the rate that is found is borne, and an eighth more is not.
func TestSearch(t *testing.T) {
	for _, most := range []int{0, 300, 500, 700, 1000, 7999, 8000, 8001, 15000, 23456, 64000, 100000} {
		tried := 0
		found, err := search(8000, 64000, func(rate int) (bool, error) {
			tried++
			return rate <= most, nil
		})
		switch {
		case err != nil || tried > 9:
			t.Errorf("%d: %d were tried, %v", most, tried, err)
		case most < leastProbe && found == 0, most >= 64000 && found == 64000:
		case found > most || found+found/8+1 < most:
			t.Errorf("%d: found %d", most, found)
		}
	}
}

func TestTablesAreWrittenIntoADocument(t *testing.T) {
	d := &document{Idle: []idle{{Contender: "file", Images: 10, StartMS: 5}, {Contender: "file", Images: 10, StartMS: 7}}}
	got, err := d.fill("before\n<!-- bench:idle -->\nold\n<!-- bench:end -->\nafter\n<!-- bench:latency -->\nold\n<!-- bench:end -->\n")
	if err != nil || !strings.Contains(got, "| 10 | file | 2 | 6 (5–7) |") {
		t.Errorf("%v: %s", err, got)
	}
	if !strings.HasPrefix(got, "before\n") || strings.Count(got, "old") != 1 || !strings.Contains(got, "\nafter\n") {
		t.Errorf("the rest of the document: %s", got)
	}
	if _, err := d.fill("<!-- bench:idle -->\n"); err == nil {
		t.Error("a table without an end is no error")
	}
}

func TestPairsAreOfOneTurn(t *testing.T) {
	run := func(contender string, turn int, seconds float64) result {
		return result{Workload: "w", Contender: contender, Turn: turn, usage: usage{Seconds: seconds, CPU: 1, PeakRSS: 1}}
	}
	d := &document{Runs: []result{run("base", 0, 2), run("kafka", 0, 1), run("kafka", 1, 9), run("base", 1, 3), run("base", 2, 4), run("kafka", 2, 4)}}
	var out strings.Builder
	if d.printPairs(&out); !strings.Contains(out.String(), "| w | 3 | 1.00 (0.50–3.00) | 1.00") {
		t.Error(out.String())
	}
}

// TestBareIsTheBestOfBoth: the limit of latency is the faster of the two bare producers, of the same rate and wire.
func TestBareIsTheBestOfBoth(t *testing.T) {
	d := &document{Latencies: []latency{{Contender: bareFranz, Rate: 1, P50: 4, P99: 9}, {Contender: bareJava, Rate: 1, P50: 5, P99: 8},
		{Contender: bareJava, Rate: 2, P50: 1, P99: 1}, {Contender: bareJava, TLS: true, Rate: 1, P50: 2, P99: 2}}}
	if p50, p99 := d.bare(latency{Rate: 1}); p50 != 4 || p99 != 8 {
		t.Errorf("%v, %v", p50, p99)
	}
}

func TestCommittedAt(t *testing.T) {
	for name, record := range map[string]*kgo.Record{
		"an event": {Headers: []kgo.RecordHeader{{Key: "ce_time", Value: []byte("2026-01-18T11:06:52.514883Z")}}},
		"Debezium": {Value: []byte(`{"after":{"s":"\"ts_us\""},"source":{"ts_ms":1768734412514,"ts_us":1768734412514883,"ts_ns":1},"op":"u","ts_us":7}`)},
	} {
		if at := committedAt(record); at != 1768734412514883 {
			t.Errorf("%s: %d", name, at)
		}
	}
	if at := committedAt(&kgo.Record{Value: []byte("{}")}); at != 0 {
		t.Errorf("nothing: %d", at)
	}
}

// TestQuantileOfFew: the largest of few values is not left out of their p99.
func TestQuantileOfFew(t *testing.T) {
	few, many := make([]float64, 16), make([]float64, 800)
	for i := range few {
		few[i] = float64(i + 1)
	}
	for i := range many {
		many[i] = float64(i + 1)
	}
	if p50, p99 := quantileOf(few, 0.5), quantileOf(few, 0.99); p50 != 8 || p99 != 16 {
		t.Errorf("of 16: p50 %v, p99 %v", p50, p99)
	}
	if p99, most := quantileOf(many, 0.99), quantileOf(many, 1); p99 != 792 || most != 800 {
		t.Errorf("of 800: p99 %v, max %v", p99, most)
	}
	if one := quantileOf([]float64{7}, 0.5); one != 7 {
		t.Errorf("of one: %v", one)
	}
}

// TestTurnsCountTogether: what the turns of a contender measured at a rate is one line, over all of it.
func TestTurnsCountTogether(t *testing.T) {
	turn := func(contender string, rate int, millis ...float64) latency {
		return latency{Contender: contender, Rate: rate, Turns: 1, Written: len(millis), millis: millis, writes: millis}
	}
	all := gather(nil, []latency{turn("kafka", 1, 9, 1), turn("kafka", 100, 5)})
	all = gather(all, []latency{turn(bareJava, 1, 7), turn("kafka", 1, 3)})
	for i := range all {
		all[i].settle()
	}
	if one := all[0]; len(all) != 3 || one.Turns != 2 || one.Written != 3 || one.Read != 3 || one.P50 != 3 || one.Max != 9 || one.Write99 != 9 {
		t.Errorf("%d lines, the first of them %+v", len(all), one)
	}
}
