package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lowcap-cdc/schemas"
)

const (
	mostLanes  = 60
	laneHeight = 34 // pixels
	laneText   = 13 // baseline of a lane's name
	laneBar    = 6  // height of a stage's bar
)

// lane is one token's blocks in the picture, a bar for each time that a stage was blocked.
type lane struct {
	Name string
	Y    int // of its name's baseline
	Bars []bar

	row      string
	standing bool
	seconds  float64
}

// lanes draws the blocks of the book that the bot consults: those that stand first, and of each kind the longest first. more says how
// many tokens are not drawn.
func lanes(blocks []*Block, from, to time.Time) (drawn []*lane, more int) {
	of := make(map[string]*lane)
	for _, b := range blocks {
		if b.Book != effectiveBook {
			continue
		}
		key := b.Contract + "\x00" + b.Chain + "\x00" + b.Timeframe
		l := of[key]
		if l == nil {
			l = &lane{Name: cut(b.Token) + " " + cut(b.Timeframe), row: key}
			of[key] = l
		}
		l.add(b, from, to)
	}
	for _, l := range of {
		drawn = append(drawn, l)
	}
	slices.SortFunc(drawn, func(x, y *lane) int {
		return cmp.Or(-cmp.Compare(asInt(x.standing), asInt(y.standing)), -cmp.Compare(x.seconds, y.seconds), cmp.Compare(x.row, y.row))
	})
	more = max(0, len(drawn)-mostLanes)
	drawn = drawn[:len(drawn)-more]
	for i, l := range drawn {
		l.Y = i*laneHeight + laneText
		for j := range l.Bars {
			l.Bars[j].Y += i * laneHeight
		}
	}
	return drawn, more
}

// add draws a block, cut at the ends of the period. One of unknown beginning begins with the period.
func (l *lane) add(b *Block, from, to time.Time) {
	begin, end := timeOr(b.From, from), timeOr(b.To, to)
	if seconds, err := strconv.ParseFloat(string(b.Seconds), 64); err == nil {
		l.seconds += seconds
		if b.From == "" {
			begin = end.Add(-time.Duration(seconds * float64(time.Second)))
		}
	}
	l.standing = l.standing || b.To == ""
	begin, end = within(begin, from, to), within(end, from, to)
	whole := to.Sub(from).Seconds()
	x, width := begin.Sub(from).Seconds()/whole*100, max(end.Sub(begin).Seconds()/whole*100, 0.3)
	one := bar{X: percent(min(x, 100-width)), Width: percent(width), Y: laneText + 4, Height: laneBar, Class: b.Stage}
	if b.Stage == "s2" {
		one.Y += laneBar + 1
	}
	until := "it stands"
	if b.To != "" {
		until = "until " + shortTime(b.To)
	}
	since := cmp.Or(shortTime(b.From), "a time that no event knows")
	one.Title = fmt.Sprintf("%s, from %s, %s, %s", b.Stage, since, until, duration(b.Seconds))
	l.Bars = append(l.Bars, one)
}

func timeOr(text schemas.Instant, other time.Time) time.Time {
	if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
		return at
	}
	return other
}

func within(t, from, to time.Time) time.Time {
	switch {
	case t.Before(from):
		return from
	case t.After(to):
		return to
	}
	return t
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// percent prints a part of a chart's width.
func percent(n float64) string { return strconv.FormatFloat(n, 'f', 3, 64) + "%" }
