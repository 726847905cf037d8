package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// print writes the soak's outcome in Markdown: what was measured, and a line for each series.
func (r *soakRecord) print(out io.Writer, verdicts []growth) {
	fmt.Fprintf(out, "%s.\n\n", r.where())
	fmt.Fprintf(out, "%s at %d writes a second: %.0f rows written, %.0f events, %.0f delivered by `notify`, %.0f restarts of the pipeline.\n",
		r.duration(), r.Rate, r.total("changes"), r.total("events"), r.total("notified"), r.total("restarts"))
	for _, said := range []string{r.end.Compared, r.end.Verified} {
		if said != "" {
			fmt.Fprintf(out, "At its end: `%s`\n", said)
		}
	}
	if r.end.Interrupted {
		fmt.Fprintf(out, "It was interrupted; %s were asked for.\n", time.Duration(r.Asked*float64(time.Second)))
	}
	fmt.Fprintln(out)
	head(out, "", "first quarter", "last quarter", "growth", "allowed", "most", "judged after")
	for _, v := range verdicts {
		if v.judged {
			fmt.Fprintln(out, v.row())
		}
	}
}

// row is the line of a series in the table.
func (v growth) row() string {
	name := v.title
	if v.unit != "" {
		name += ", " + v.unit
	}
	if v.bound > 0 {
		name += fmt.Sprintf(" (at most %g)", v.bound)
	}
	if v.short {
		return fmt.Sprintf("| %s | – | – | too short to judge | – | %.*f | %s |", name, v.digits(), v.most, v.after())
	}
	growth := fmt.Sprintf("%+.*f", v.digits(), v.last-v.first)
	if v.grown() {
		growth = "**" + growth + "**"
	}
	return fmt.Sprintf("| %s | %.*f | %.*f | %s | %.*f | %.*f | %s |", name, v.digits(), v.first, v.digits(), v.last, growth,
		v.digits(), v.allowed(), v.digits(), v.most, v.after())
}

// digits is how many decimals a value is printed with.
func (v growth) digits() int {
	if v.slack > 0 && v.slack < 1 {
		return 2
	}
	return 1
}

func (v growth) after() string { return fmt.Sprintf("%.0f min", v.warm.Minutes()) }

// duration is how long the soak was.
func (r *soakRecord) duration() string {
	if r.lasted() < 3*time.Minute {
		return fmt.Sprintf("%.0f seconds", r.lasted().Seconds())
	}
	return fmt.Sprintf("%.0f minutes", r.lasted().Minutes())
}

// where says what was measured, on which machine and day.
func (r *soakRecord) where() string {
	return fmt.Sprintf("%s; %s; %s; %s", r.Tree, r.Versions, r.Machine, r.Started.Format(time.DateOnly))
}

// documented is what a document holds between its comments: the table, and the picture where one was drawn beside it.
func (r *soakRecord) documented(o options, text string) string {
	if o.draw == "" {
		return text
	}
	return text + fmt.Sprintf("\n![What a sidecar and its servers take, over %s](%s)\n", r.duration(), filepath.Base(o.draw))
}

// fillDocument writes a text into a document between <!-- bench:NAME --> and <!-- bench:end -->.
func fillDocument(file, name, with string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	filled, found, err := between(string(text), name, with)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if !found {
		return fmt.Errorf("%s has no <!-- bench:%s -->", file, name)
	}
	return os.WriteFile(file, []byte(filled), 0o644)
}
