package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someRuns = `{"versions": "Postgres 15 <&> Kafka 4", "started": "2026-11-28T10:00:00Z", "runs": [
	{"workload": "w1", "title": "realistic", "contender": "limit", "seconds": 4},
	{"workload": "w1", "title": "realistic", "contender": "kafka", "seconds": 5},
	{"workload": "w1", "title": "realistic", "contender": "rival", "seconds": 40},
	{"workload": "w1", "title": "realistic", "contender": "limit", "seconds": 6},
	{"workload": "w1", "title": "realistic", "contender": "kafka", "seconds": 3},
	{"workload": "w5", "contender": "limit", "seconds": 2},
	{"workload": "w5", "contender": "kafka", "seconds": 2}]}`

// TestPicture: each run is compared with the limit's of its turn, and the picture is well-formed, with a dot for each contender.
func TestPicture(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "numbers.json"), filepath.Join(t.TempDir(), "picture.svg")
	if err := os.WriteFile(from, []byte(someRuns), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writePicture(from, to); err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<title>kafka: 1.40 (0.80–2.00)</title>", "<title>rival: 0.10 (0.10–0.10)</title>", "<title>kafka: 1.00 (1.00–1.00)</title>",
		"w1: realistic", ">w5<", "2026-11-28", "Postgres 15 &lt;&amp;&gt; Kafka 4", `class="limit"`} {
		if strings.Count(string(picture), part) != 1 {
			t.Errorf("the picture has not one %q:\n%s", part, picture)
		}
	}
	d, circles, limit := xml.NewDecoder(strings.NewReader(string(picture))), map[string]string{}, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attributes := map[string]string{}
		for _, a := range e.Attr {
			attributes[a.Name.Local] = a.Value
		}
		switch {
		case e.Name.Local == "circle":
			circles[attributes["cy"]] = attributes["cx"]
		case attributes["class"] == "limit":
			limit = attributes["x1"]
		}
	}
	onLimit := 0
	for _, x := range circles {
		if x == limit {
			onLimit++
		}
	}
	if len(circles) != 3 || onLimit != 1 {
		t.Errorf("%d dots, %d of them on the limit at %s: %v", len(circles), onLimit, limit, circles)
	}
}

// TestPictureOfNothing: without a run beside the limit there is nothing to draw.
func TestPictureOfNothing(t *testing.T) {
	from := filepath.Join(t.TempDir(), "numbers.json")
	for text, want := range map[string]string{`{"runs": []}`: "no run", `{"runs": [{"workload": "w1", "contender": "limit", "seconds": 4}]}`: "no run", `{`: "unexpected end"} {
		if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := writePicture(from, filepath.Join(t.TempDir(), "x.svg")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
