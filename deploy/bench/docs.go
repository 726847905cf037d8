package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// picture is where a document shows what -draw has drawn beside it.
var picture = table{"picture", func(d *document, out io.Writer) {
	if len(d.Runs) > 0 {
		fmt.Fprintln(out, "![Speed of each contender in each workload, beside pg_recvlogical](performance.svg)")
	}
}}

// writeDocs writes the tables of a JSON file into a document, each between two comments: <!-- bench:NAME --> and
// <!-- bench:end -->. A table of which nothing was measured stays as it is.
func writeDocs(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var d document
	if err := json.Unmarshal(content, &d); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		return err
	}
	filled, err := d.fill(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return os.WriteFile(to, []byte(filled), 0o644)
}

func (d *document) fill(text string) (_ string, err error) {
	for _, t := range append(slices.Clone(tables), picture) {
		var table strings.Builder
		if t.print(d, &table); table.Len() == 0 {
			continue
		}
		if text, _, err = between(text, t.name, table.String()); err != nil {
			return "", err
		}
	}
	return text, nil
}

// between replaces what stands between two comments, where the first of them is there.
func between(text, name, with string) (_ string, found bool, err error) {
	begin, end := "<!-- bench:"+name+" -->\n", "<!-- bench:end -->"
	before, rest, found := strings.Cut(text, begin)
	if !found {
		return text, false, nil
	}
	_, after, found := strings.Cut(rest, end)
	if !found {
		return "", false, fmt.Errorf("%sis not followed by %s", begin, end)
	}
	return before + begin + "\n" + with + "\n" + end + after, true, nil
}
