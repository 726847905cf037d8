package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// measured is what the picture needs of the JSON that -json writes.
type measured struct {
	Versions string    `json:"versions"`
	Started  time.Time `json:"started"`
	Machine  *struct {
		Processor string `json:"processor"`
		Cores     int    `json:"cores"`
	} `json:"machine"` // nil in files of older versions
	Runs []struct {
		Workload  string  `json:"workload"`
		Title     string  `json:"title"`
		Contender string  `json:"contender"`
		Seconds   float64 `json:"seconds"`
	} `json:"runs"`
}

// ofLimit is what the runs of one contender in one workload reached of the limit's run in the same turn; sorted.
type ofLimit struct {
	contender string
	sorted    []float64
}

// group is a workload and who took part in it.
type group struct {
	name string
	of   []ofLimit
}

// writePicture draws the file that -json has written.
func writePicture(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var m measured
	if err := json.Unmarshal(content, &m); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	groups := m.groups()
	if len(groups) == 0 {
		return fmt.Errorf("%s has no run of a contender beside the limit", from)
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := m.draw(file, groups); err != nil {
		return err
	}
	return file.Close()
}

// groups pairs each run with the limit's of the same turn: the first with the first. A rival with fewer runs took part in the first ones.
func (m *measured) groups() (all []group) {
	seconds := make(map[string]map[string][]float64) // by workload and contender
	var order []string
	of := make(map[string][]string)
	for _, r := range m.Runs {
		name := r.Workload
		if seconds[name] == nil {
			seconds[name] = make(map[string][]float64)
			order = append(order, name)
		}
		if seconds[name][r.Contender] == nil {
			of[name] = append(of[name], r.Contender)
		}
		seconds[name][r.Contender] = append(seconds[name][r.Contender], r.Seconds)
	}
	for _, name := range order {
		g := group{name: m.title(name)}
		limit := seconds[name]["limit"]
		for _, contender := range of[name] {
			if contender == "limit" {
				continue
			}
			r := ofLimit{contender: contender}
			for i, s := range seconds[name][contender] {
				if i < len(limit) && s > 0 {
					r.sorted = append(r.sorted, limit[i]/s)
				}
			}
			slices.Sort(r.sorted)
			if len(r.sorted) > 0 {
				g.of = append(g.of, r)
			}
		}
		if len(g.of) > 0 {
			all = append(all, g)
		}
	}
	return all
}

func (m *measured) title(workload string) string {
	for _, r := range m.Runs {
		if r.Workload == workload && r.Title != "" {
			return workload + ": " + r.Title
		}
	}
	return workload
}

// The picture's measures, in pixels.
const (
	pictureWidth = 860
	plotLeft     = 150
	plotRight    = 60
	headHeight   = 62
	titleHeight  = 22
	rowHeight    = 18
	footHeight   = 34
)

// colours are those of the contenders, in their order, and readable on white and on black.
var colours = []string{"#2f81f7", "#3fa35b", "#d4622a", "#b558c9", "#b8932f", "#6e7781"}

// draw writes an SVG: for each workload a line a contender, with a dot at the median and a bar from its slowest to its fastest run.
func (m *measured) draw(out io.Writer, groups []group) error {
	most, height := 1.2, headHeight+footHeight
	var names []string
	for _, g := range groups {
		height += titleHeight + len(g.of)*rowHeight
		for _, r := range g.of {
			most = max(most, r.sorted[len(r.sorted)-1]*1.05)
			if !slices.Contains(names, r.contender) {
				names = append(names, r.contender)
			}
		}
	}
	at := func(ratio float64) float64 { return plotLeft + ratio/most*(pictureWidth-plotLeft-plotRight) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img">
<title>Speed of each contender, of what pg_recvlogical reaches in the same turn</title>
<style>text { font: 12px sans-serif; fill: #57606a } .head { font-size: 15px; font-weight: 600 } .workload { font-weight: 600 }
.grid { stroke: #8c959f; stroke-opacity: .35 } .limit { stroke: #57606a; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } .limit { stroke: #b1bac4 } }</style>
<text class="head" x="0" y="18">Speed beside pg_recvlogical, which discards what it reads: that is 1</text>
<text x="0" y="38">%s</text>
`, pictureWidth, height, html.EscapeString(m.where()))
	m.grid(&b, at, most, height)
	y := headHeight
	for _, g := range groups {
		y += titleHeight
		fmt.Fprintf(&b, `<text class="workload" x="0" y="%d">%s</text>`+"\n", y-6, html.EscapeString(g.name))
		for _, r := range g.of {
			y += rowHeight
			drawRatios(&b, at, y-rowHeight/2-2, r, colours[slices.Index(names, r.contender)%len(colours)])
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// where says what was measured, on which machine and day.
func (m *measured) where() string {
	text := m.Versions + ", " + m.Started.UTC().Format(time.DateOnly)
	if m.Machine != nil && m.Machine.Processor != "" {
		text += fmt.Sprintf(", %s, %d cores for all", m.Machine.Processor, m.Machine.Cores)
	}
	return text
}

func (m *measured) grid(out io.Writer, at func(float64) float64, most float64, height int) {
	for tenths := 0; float64(tenths)/10 <= most; tenths += 2 {
		x, class := at(float64(tenths)/10), "grid"
		if tenths == 10 {
			class = "limit"
		}
		fmt.Fprintf(out, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d" text-anchor="middle">%.1f</text>`+"\n",
			class, x, x, headHeight, height-footHeight+6, x, height-12, float64(tenths)/10)
	}
}

func drawRatios(out io.Writer, at func(float64) float64, y int, r ofLimit, colour string) {
	first, last, mid := r.sorted[0], r.sorted[len(r.sorted)-1], median(r.sorted)
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end">%s</text>`, plotLeft-8, y+4, html.EscapeString(r.contender))
	fmt.Fprintf(out, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s" stroke-width="4" stroke-opacity=".45" stroke-linecap="round"/>`,
		at(first), at(last), y, y, colour)
	fmt.Fprintf(out, `<circle cx="%.1f" cy="%d" r="5" fill="%s"><title>%s: %.2f (%.2f–%.2f)</title></circle>`, at(mid), y, colour,
		html.EscapeString(r.contender), mid, first, last)
	fmt.Fprintf(out, `<text x="%.1f" y="%d">%.2f</text>`+"\n", at(max(last, mid))+9, y+4, mid)
}
