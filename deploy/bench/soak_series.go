package main

import (
	"slices"
	"sort"
	"time"
)

// series is one quantity that a soak follows.
type series struct {
	name, title string
	unit        string
	scale       float64       // what a sample is divided by, to be in the unit
	total       bool          // a sample is a sum that only rises: what counts is its rise a second,
	per         string        // or for each one that this other series has risen by
	within      time.Duration // what is no sum counts for each one that per has risen by within so long before it
	judged      bool          // a growth fails the soak
	warm        time.Duration
	slack       float64 // in the unit: a smaller growth is noise
	share       float64 // and so is one that is a smaller part of what it grew from
	bound       float64 // what the last quarter may be at most, grown or not; 0 for anything
}

const (
	mega = 1 << 20
	// warmUp is when a process has seen everything once: big transactions, idle stretches, reminders.
	warmUp = 10 * time.Minute
	// stateWarmUp is when the first tombstones and ends of transactions leave the state topic: they stay for an hour from the first
	// compaction of their segment, which is closed after ten minutes.
	stateWarmUp = 75 * time.Minute
)

// soaked are all of them, in the order of a sample's values and of the picture's panels.
var soaked = slices.Concat(processSeries("", ""), processSeries("notify-", "notify: "), []series{
	{name: "state-bytes", title: "state topic", unit: "MB", scale: mega, judged: true, warm: stateWarmUp, slack: 16, share: 0.1},
	{name: "state-records", title: "records in it", unit: "thousand", scale: 1000},
	{name: "state-commits", title: "records in it for each commit of the last hour", scale: 1, per: "commits", within: time.Hour,
		judged: true, warm: stateWarmUp, slack: 0.1, share: 0.1},
	{name: "wal-kept", title: "WAL kept for the slot", unit: "MB", scale: mega, judged: true, warm: warmUp, slack: 64, share: 0.5},
	{name: "latency", title: "mean latency", unit: "ms", scale: 0.001, total: true, per: "events",
		judged: true, warm: warmUp, slack: 100, share: 0.5},
	{name: "cpu", title: "processor time of an event", unit: "ms", scale: 0.001, total: true, per: "events",
		judged: true, warm: warmUp, slack: 0.1, share: 0.5, bound: 1},
	{name: "changes", title: "rows written", unit: "/s", scale: 1, total: true},
	{name: "commits", title: "commits to the sink", unit: "/s", scale: 1, total: true},
	{name: "events", title: "events", unit: "/s", scale: 1, total: true},
	{name: "notified", title: "delivered by notify", unit: "/s", scale: 1, total: true},
	{name: "restarts", title: "restarts of the pipeline", scale: 1, judged: true},
})

// processSeries are those of a process, in the order of what observed.look returns.
func processSeries(name, title string) []series {
	return []series{
		{name: name + "rss", title: title + "resident memory", unit: "MB", scale: mega, judged: true, warm: warmUp, slack: 2, share: 0.05,
			bound: 64},
		{name: name + "heap", title: title + "heap in use", unit: "MB", scale: mega, judged: true, warm: warmUp, slack: 2, share: 0.1},
		{name: name + "goroutines", title: title + "goroutines", scale: 1, judged: true, warm: warmUp, slack: 4, share: 0.1},
		{name: name + "descriptors", title: title + "open descriptors", scale: 1, judged: true, warm: warmUp, slack: 4, share: 0.1},
	}
}

// of returns the series in its unit, each value with its time. Where nothing has risen that a value would be divided by, there is none.
func (s series) of(samples [][]float64, column int) (line []point) {
	divisor := 0 // the time
	if s.per != "" {
		divisor = 1 + slices.Index(seriesNames(), s.per)
	}
	for i, sample := range samples {
		if s.within > 0 {
			if risen := sample[divisor] - before(samples, sample[0]-s.within.Seconds())[divisor]; risen > 0 {
				line = append(line, point{sample[0], sample[column] / risen / s.scale})
			}
		} else if !s.total {
			line = append(line, point{sample[0], sample[column] / s.scale})
		} else if i > 0 && sample[divisor] > samples[i-1][divisor] {
			last := samples[i-1]
			line = append(line, point{sample[0], (sample[column] - last[column]) / (sample[divisor] - last[divisor]) / s.scale})
		}
	}
	return line
}

// before returns the last sample that is not after a time, or the first of all.
func before(samples [][]float64, at float64) []float64 {
	next := sort.Search(len(samples), func(i int) bool { return samples[i][0] > at })
	return samples[max(next-1, 0)]
}

// point is a value, and the seconds since the begin of the soak.
type point struct{ at, value float64 }
