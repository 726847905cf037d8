package main

import (
	"fmt"
	"slices"
	"strings"
)

// leastJudged is how many points a series needs after its warm-up: ten in each quarter.
const leastJudged = 40

// growth is what became of a series.
type growth struct {
	series
	points      []point // of the whole soak
	first, last float64 // medians of the first and of the last quarter after the warm-up
	most        float64 // of the whole soak
	short       bool    // there were too few points after the warm-up
}

// judge looks at each series of a soak.
func judge(all []series, samples [][]float64) []growth {
	var verdicts []growth
	for i, s := range all {
		verdicts = append(verdicts, s.judge(s.of(samples, i+1)))
	}
	return verdicts
}

func (s series) judge(points []point) growth {
	v := growth{series: s, points: points}
	for _, p := range points {
		v.most = max(v.most, p.value)
	}
	first, last := s.quarters(points)
	if v.short = len(first) < leastJudged/4; !v.short {
		v.first, v.last = medianOf(first), medianOf(last)
	}
	return v
}

// quarters returns the first and the last quarter of what comes after the warm-up.
func (s series) quarters(points []point) (first, last []point) {
	warm := slices.IndexFunc(points, func(p point) bool { return p.at >= s.warm.Seconds() })
	if warm < 0 {
		return nil, nil
	}
	points = points[warm:]
	quarter := len(points) / 4
	return points[:quarter], points[len(points)-quarter:]
}

func medianOf(points []point) float64 {
	var sorted []float64
	for _, p := range points {
		sorted = append(sorted, p.value)
	}
	slices.Sort(sorted)
	return median(sorted)
}

// allowed is the growth that is still noise.
func (v growth) allowed() float64 { return max(v.slack, v.share*v.first) }

// grown reports whether the series has grown more than noise does, or is above its bound.
func (v growth) grown() bool {
	return v.judged && !v.short && (v.last-v.first > v.allowed() || v.isAbove())
}

func (v growth) isAbove() bool { return v.bound > 0 && v.last > v.bound }

func (v growth) String() string {
	if v.isAbove() {
		return fmt.Sprintf("%s (%s) is %.1f %s, more than %g", v.name, v.title, v.last, v.unit, v.bound)
	}
	return fmt.Sprintf("%s (%s) grew from %.1f to %.1f %s, more than %.1f", v.name, v.title, v.first, v.last, v.unit, v.allowed())
}

// failed returns an error that names each series that has grown.
func failed(all []growth) error {
	var grown []string
	for _, v := range all {
		if v.grown() {
			grown = append(grown, v.String())
		}
	}
	if len(grown) == 0 {
		return nil
	}
	return fmt.Errorf("soak: %s", strings.Join(grown, "; "))
}
