package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The measures of the picture of a soak, in pixels.
const (
	panelColumns = 4
	panelWidth   = 236
	panelHeight  = 128
	panelLeft    = 42 // of the plot in its panel
	panelTop     = 24
	plotWidth    = panelWidth - panelLeft - 14
	plotHeight   = panelHeight - panelTop - 24
	soakHeading  = 66
	bucketWidth  = 2 // of what is drawn as one median between its least and its most
)

// draw returns an SVG with a panel for each series, but for one that was zero all the time and is not worth one.
func (r *soakRecord) draw(verdicts []growth) string {
	panels := verdicts[:0:0]
	for _, v := range verdicts {
		if v.most > 0 || v.name != "restarts" {
			panels = append(panels, v)
		}
	}
	rows := (len(panels) + panelColumns - 1) / panelColumns
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">
<title>What a sidecar and its servers take, over %s</title>
<style>text { font: 11px sans-serif; fill: #57606a }
.head { font-size: 15px; font-weight: 600 } .name { font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: .35 } .band { fill: #2f81f7; fill-opacity: .22 }
.line { fill: none; stroke: #2f81f7; stroke-width: 1.2 } .quarter { stroke: #d4622a; stroke-width: 2 } .warm { fill: #8c959f; fill-opacity: .1 }
@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }</style>
<text class="head" x="0" y="16">One sidecar for %[3]s</text>
<text x="0" y="34">Medians, and around them the least and the most; in orange the quarters that are compared, grey the warm-up.</text>
<text x="0" y="50">%[4]s</text>
`, panelColumns*panelWidth, soakHeading+rows*panelHeight, r.duration(), html.EscapeString(r.where()))
	for i, v := range panels {
		x, y := i%panelColumns*panelWidth, soakHeading+i/panelColumns*panelHeight
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`, x, y)
		v.draw(&b, r.lasted().Seconds())
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// draw draws a panel: zero is at the bottom, so that a picture does not make a rise of what is none.
func (v growth) draw(b *strings.Builder, seconds float64) {
	top := roundUp(v.most)
	x := func(at float64) float64 { return panelLeft + at/max(seconds, 1)*plotWidth }
	y := func(value float64) float64 { return panelTop + plotHeight*(1-value/top) }
	title := v.title
	if v.unit != "" {
		title += ", " + v.unit
	}
	fmt.Fprintf(b, `<text class="name" x="%d" y="14">%s</text>`, panelLeft, html.EscapeString(title))
	if v.judged && v.warm.Seconds() < seconds && v.warm > 0 {
		fmt.Fprintf(b, `<rect class="warm" x="%d" y="%d" width="%.1f" height="%d"/>`, panelLeft, panelTop,
			x(v.warm.Seconds())-panelLeft, plotHeight)
	}
	for _, value := range []float64{0, top / 2, top} {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%g</text>`,
			panelLeft, panelLeft+plotWidth, y(value), y(value), panelLeft-5, y(value)+4, value)
	}
	unit, in := 1.0, "s"
	if seconds >= 180 {
		unit, in = 60, "min"
	}
	for i, anchor := range []string{"start", "middle", "end"} {
		at := seconds * float64(i) / 2
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s">%.0f %s</text>`, x(at), panelHeight-8, anchor, at/unit, in)
	}
	v.drawLine(b, x, y)
	if first, last := v.quarters(v.points); v.judged && !v.short {
		for _, q := range []struct {
			of    []point
			value float64
		}{{first, v.first}, {last, v.last}} {
			fmt.Fprintf(b, `<line class="quarter" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, x(q.of[0].at), x(q.of[len(q.of)-1].at),
				y(q.value), y(q.value))
		}
	}
}

// drawLine draws the medians of the points that fall into the same bucket, and the band that holds them all.
func (v growth) drawLine(b *strings.Builder, x, y func(float64) float64) {
	var line, over, under []string
	for from := 0; from < len(v.points); {
		to := from + 1
		for to < len(v.points) && x(v.points[to].at)-x(v.points[from].at) < bucketWidth {
			to++
		}
		least, most := math.Inf(1), math.Inf(-1)
		for _, p := range v.points[from:to] {
			least, most = min(least, p.value), max(most, p.value)
		}
		at := x(v.points[from].at)
		line = append(line, fmt.Sprintf("%.1f,%.1f", at, y(medianOf(v.points[from:to]))))
		over = append(over, fmt.Sprintf("%.1f,%.1f", at, y(most)))
		under = append([]string{fmt.Sprintf("%.1f,%.1f", at, y(least))}, under...)
		from = to
	}
	fmt.Fprintf(b, `<polygon class="band" points="%s %s"/>`, strings.Join(over, " "), strings.Join(under, " "))
	fmt.Fprintf(b, `<polyline class="line" points="%s"/>`, strings.Join(line, " "))
}

// roundUp returns the next of 1, 2, 4, 6, 8 and 10 times a power of ten.
func roundUp(value float64) float64 {
	if value <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(value)))
	for _, step := range []float64{1, 2, 4, 6, 8} {
		if value <= step*power {
			return step * power
		}
	}
	return 10 * power
}
