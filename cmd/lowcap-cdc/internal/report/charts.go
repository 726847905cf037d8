package report

import (
	"math/big"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/schemas"
)

const mostColumns = 60 // of a chart over time

// widths are the stretches of time that one column of a chart may stand for.
var widths = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 7 * 24 * time.Hour, 28 * 24 * time.Hour}

// charts are what is drawn over the time of the report.
type charts struct {
	from, to time.Time
	width    time.Duration
	columns  []column
}

// column is what happened in one stretch of time.
type column struct {
	page, warn, info int
	ended            int
	pnl              trades.Sum
}

// newCharts divides a period into columns that begin at full minutes, hours or days of UTC.
func newCharts(from, to time.Time) charts {
	c := charts{from: from.UTC(), to: to.UTC()}
	if !c.to.After(c.from) {
		c.to = c.from.Add(time.Minute)
	}
	for _, c.width = range widths {
		if c.to.Sub(c.from)/(mostColumns-1) < c.width {
			break
		}
	}
	for c.to.Sub(c.from)/(mostColumns-1) >= c.width { // a product might not fit into a Duration
		c.width *= 2
	}
	c.from = c.from.Truncate(c.width)
	c.columns = make([]column, min(mostColumns, int(c.to.Sub(c.from)/c.width)+1))
	return c
}

// at returns the column of a time. What a clock has put outside of the period is in the first or the last one.
func (c *charts) at(t time.Time) *column {
	i := int(t.Sub(c.from) / c.width)
	return &c.columns[max(0, min(i, len(c.columns)-1))]
}

func (c *charts) severity(e *event) {
	of := c.at(e.at)
	switch e.Severity {
	case schemas.Page:
		of.page++
	case schemas.Warn:
		of.warn++
	default:
		of.info++
	}
}

func (c *charts) result(t *trades.Trade) {
	if at, err := time.Parse(time.RFC3339Nano, t.Ending().Time); err == nil && len(c.columns) > 0 {
		of := c.at(at)
		of.ended++
		of.pnl.Add(t.PnLUSD)
	}
}

// bar is a rectangle of a chart; places and sizes are parts of a hundred of its width, and pixels of its height.
type bar struct {
	X, Width  string
	Y, Height int
	Class     string
	Title     string
}

const (
	chartHeight = 90 // pixels
	middle      = chartHeight / 2
)

// results draws what the trades of each column brought: gains up, losses down.
func (c *charts) results() (bars []bar, most schemas.Number) {
	top := new(big.Rat)
	for i := range c.columns {
		if size := new(big.Rat).Abs(c.columns[i].pnl.Rat()); size.Cmp(top) > 0 {
			top, most = size, c.columns[i].pnl.Number()
		}
	}
	for i := range c.columns {
		of := &c.columns[i]
		if of.ended == 0 {
			continue
		}
		b := c.bar(i, middle, 1, "zero")
		if of.pnl.Sign() != 0 {
			part, _ := new(big.Rat).Quo(of.pnl.Rat(), top).Float64()
			b.Height = max(1, int(abs(part)*(middle-2)))
			b.Class = "lost"
			if part > 0 {
				b.Class, b.Y = "won", middle-b.Height
			}
		}
		b.Title = c.label(i) + ": " + string(of.pnl.Number()) + " USD, " + plural(of.ended, "trade")
		bars = append(bars, b)
	}
	return bars, most
}

// alarms draws the events that are no mere information, page over warn.
func (c *charts) alarms() (bars []bar, most int) {
	for i := range c.columns {
		most = max(most, c.columns[i].page+c.columns[i].warn)
	}
	for i := range c.columns {
		of := &c.columns[i]
		y := chartHeight
		for _, part := range []struct {
			n     int
			class string
		}{{of.warn, "warn"}, {of.page, "page"}} {
			if part.n == 0 {
				continue
			}
			b := c.bar(i, 0, max(2, part.n*(chartHeight-2)/most), part.class)
			y -= b.Height
			b.Y = max(0, y)
			b.Title = c.label(i) + ": " + plural(part.n, part.class)
			bars = append(bars, b)
		}
	}
	return bars, most
}

func (c *charts) bar(i, y, height int, class string) bar {
	width := 100 / float64(len(c.columns))
	return bar{X: percent(float64(i)*width + width*0.1), Width: percent(width * 0.8), Y: y, Height: height, Class: class}
}

// columnName says how long a column is.
func (c *charts) columnName() string {
	switch day := 24 * time.Hour; {
	case c.width%day == 0:
		return plural(int(c.width/day), "day")
	case c.width%time.Hour == 0:
		return plural(int(c.width/time.Hour), "hour")
	}
	return plural(int(c.width/time.Minute), "minute")
}

func (c *charts) label(i int) string {
	return c.from.Add(time.Duration(i) * c.width).Format("2006-01-02 15:04Z")
}

func abs(x float64) float64 { return max(x, -x) }
