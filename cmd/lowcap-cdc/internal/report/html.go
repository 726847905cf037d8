package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the template and its style
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

//go:embed assets/report.html
var page string

//go:embed assets/report.css
var style string

const mostShown = 200 // lines of one list that the HTML file shows; JSON has more

var layout = template.Must(template.New("report").Funcs(template.FuncMap{
	"text": cut, "number": number, "time": shortTime, "duration": duration, "spent": spentOf,
	"raw": readable.Printable, "lines": printableLines,
	"instant": func(i schemas.Instant) string { return cut(string(i)) }, "deref": func(t schemas.Text) string { return *t },
}).Parse(page))

// printableLines is Printable of each line of a text.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = readable.Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// shownList is a list as the HTML file shows it: the newest first.
type shownList struct {
	Lines []any
	More  int // lines that are not shown
}

func show[T any](l *List[T]) shownList {
	lines := l.Lines()
	s := shownList{More: max(0, l.Total()-mostShown)}
	for i := len(lines) - 1; i >= 0 && len(s.Lines) < mostShown; i-- {
		s.Lines = append(s.Lines, lines[i])
	}
	return s
}

// document is what the template reads.
type document struct {
	*Report
	Hash  string // of the style, for the policy
	CSS   template.CSS
	Cards []Card

	Show lists

	Lanes                  []*lane
	LanesHeight, LanesMore int
	Results, Alarms        []bar
	MostResult             schemas.Number
	MostAlarms             int
	ChartHeight, Middle    int
	Column                 string
	Types, Keys            []count
	Spent                  []share
}

// lists are what the tables hold.
type lists struct{ Exits, Failed, Ended, Open, Blocks, NotSet, Pools, Later, Fills, Unread, Notes shownList }

// count is how often something was there.
type count struct {
	Name string
	N    int
}

// share is an amount and how long its bar is.
type share struct {
	Name  string
	USD   schemas.Number
	Width string
	Class string
}

// WriteHTML writes the report as one file that needs nothing else: no script, no font, no picture from elsewhere.
func (r *Report) WriteHTML(out io.Writer) error {
	hash := sha256.Sum256([]byte(style))
	d := document{Report: r, Hash: base64.StdEncoding.EncodeToString(hash[:]), CSS: template.CSS(style), Cards: r.Cards(),
		Show: lists{Exits: show(&r.Exits.List), Failed: show(&r.Failed.List), Ended: show(&r.Trades.List), Open: show(&r.Trades.Opened),
			Blocks: show(&r.Blocks.List), NotSet: show(&r.Blocks.NotSet), Pools: show(&r.Pools.List), Later: show(&r.Stale.List),
			Fills: show(&r.Books.List), Unread: show(&r.Bad.List), Notes: show(&r.Stream.List)},
		ChartHeight: chartHeight, Middle: middle, Types: counts(r.Events.ByType), Keys: counts(r.Stale.ByKey), Spent: r.shares()}
	slices.Reverse(d.Show.Pools.Lines) // these are sorted by token
	from, to := timeOr(r.From, time.Time{}), timeOr(r.To, time.Time{})
	if to.After(from) {
		d.Lanes, d.LanesMore = lanes(r.Blocks.List.Lines(), from, to)
		d.LanesHeight = len(d.Lanes) * laneHeight
	}
	d.Results, d.MostResult = r.charts.results()
	d.Alarms, d.MostAlarms = r.charts.alarms()
	d.Column = r.charts.columnName()
	var b bytes.Buffer
	if err := layout.Execute(&b, d); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err := b.WriteTo(out)
	return err
}

// WriteJSON writes the report as JSON. On a terminal its texts are printable.
func (r *Report) WriteJSON(out io.Writer, printable func([]byte) []byte) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	for line := range bytes.Lines(text) { // the ends of lines are what PrintableJSON would hide
		if _, err := fmt.Fprintf(out, "%s\n", printable(bytes.TrimSuffix(line, []byte("\n")))); err != nil {
			return err
		}
	}
	return nil
}

func counts(of map[string]int) (list []count) {
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, count{name, of[name]})
	}
	return list
}

// spentOf lists what a pool was spent on.
func spentOf(spent map[string]schemas.Number) (list []share) {
	for _, name := range slices.Sorted(maps.Keys(spent)) {
		list = append(list, share{Name: name, USD: spent[name]})
	}
	return list
}

// shares are the bars of what moved the pools, each beside the largest.
func (r *Report) shares() []share {
	p := &r.Pools
	list := []share{{Name: "held at the start", USD: p.Start, Class: "held"}, {Name: "in rows that appeared", USD: p.Appeared, Class: "held"},
		{Name: "fed by sells", USD: p.Fed, Class: "won"}, {Name: "lost to stale writes", USD: p.Lost, Class: "lost"}}
	for _, s := range spentOf(p.Spent) {
		list = append(list, share{Name: "spent: " + s.Name, USD: s.USD, Class: "spent"})
	}
	list = append(list, share{Name: "gone with deleted rows", USD: p.Gone, Class: "held"},
		share{Name: "held at the end", USD: p.End, Class: "held"})
	most := 0.0
	size := func(s *share) float64 {
		if usd, ok := s.USD.Rat(); ok {
			f, _ := usd.Float64()
			return abs(f)
		}
		return 0
	}
	for i := range list {
		most = max(most, size(&list[i]))
	}
	for i := range list {
		if most > 0 {
			list[i].Width = percent(size(&list[i]) / most * 100)
		} else {
			list[i].Width = percent(0)
		}
	}
	return list
}
