package main

import (
	"fmt"
	"math"
	"slices"
)

// latencyLanes returns a lane for each turn of each contender. Those that are compared most closely, the bare producers and the
// sidecar, take turns: what else the machine does changes within minutes.
func (s *servers) latencyLanes(o options, database string, tls bool) (all []*lane, err error) {
	for turn := range max(o.runs, o.rivalRuns) {
		contenders, err := o.publishers(tls)
		if err != nil {
			return nil, err
		}
		for _, r := range contenders {
			if turn < o.latencyTurns(r.command) {
				all = append(all, &lane{servers: s, binary: o.binary, database: database, kind: r.name, command: r.command, tls: tls, turn: turn,
					slot: fmt.Sprintf("%s_%s_%d", database, slotName(r.name), turn)})
			}
		}
	}
	return all, nil
}

// latencyTurns returns how many turns a contender takes, which has a command if it is a rival.
func (o options) latencyTurns(command string) int {
	if command != "" {
		return o.rivalRuns
	}
	return o.runs
}

// gather adds what one turn has measured to what those before it have.
func gather(all, turn []latency) []latency {
	for _, one := range turn {
		i := slices.IndexFunc(all, func(l latency) bool { return l.Contender == one.Contender && l.Rate == one.Rate })
		if i < 0 {
			all = append(all, one)
			continue
		}
		l := &all[i]
		l.Written, l.Turns = l.Written+one.Written, l.Turns+1
		l.Seconds, l.CPU, l.PeakRSS = l.Seconds+one.Seconds, l.CPU+one.CPU, max(l.PeakRSS, one.PeakRSS)
		l.millis, l.writes = append(l.millis, one.millis...), append(l.writes, one.writes...)
	}
	return all
}

// settle works out what is shown of all that was measured.
func (l *latency) settle() {
	slices.Sort(l.millis)
	slices.Sort(l.writes)
	l.Read = len(l.millis)
	l.P50, l.P99, l.P999, l.Max = quantileOf(l.millis, 0.5), quantileOf(l.millis, 0.99), quantileOf(l.millis, 0.999), quantileOf(l.millis, 1)
	l.Write50, l.Write99 = quantileOf(l.writes, 0.5), quantileOf(l.writes, 0.99)
}

// quantileOf returns the smallest of some values that so large a part of them does not exceed: of few, the p99 is the largest. There
// must be one value. Of none there is no quantile, and whoever measures says so.
func quantileOf(sorted []float64, quantile float64) float64 {
	return sorted[int(math.Ceil(quantile*float64(len(sorted))))-1]
}
