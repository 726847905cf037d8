package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// soakRecord is a soak as its file has it: a line of JSON that says what was measured, a line for each sample, written as it
// comes, and one that says how it ended.
type soakRecord struct {
	soakHead
	samples [][]float64 // seconds since the begin, then a value of each series
	end     soakEnd
}

type soakHead struct {
	Tree     string    `json:"tree"` // as the sidecar names its version
	Machine  machine   `json:"machine"`
	Versions string    `json:"versions"`
	Started  time.Time `json:"started"`
	Asked    float64   `json:"asked_seconds"`
	Rate     int       `json:"writes_per_second"`
	Series   []string  `json:"series"`
}

type soakEnd struct {
	Interrupted bool   `json:"interrupted"`
	Compared    string `json:"compared"` // what audit compare found; empty when it was not asked
	Verified    string `json:"verified"` // and audit verify
}

func seriesNames() (names []string) {
	for _, s := range soaked {
		names = append(names, s.name)
	}
	return names
}

// readSoak reads the file of a soak, of one that still runs or was killed too: a last line that was not ended is not read.
func readSoak(file string) (*soakRecord, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &soakRecord{}
	head, rest, _ := bytes.Cut(content, []byte("\n"))
	if err := json.Unmarshal(head, &r.soakHead); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if !slices.Equal(r.Series, seriesNames()) {
		return nil, fmt.Errorf("%s has other series than this program", file)
	}
	for line := range bytes.Lines(rest[:bytes.LastIndexByte(rest, '\n')+1]) {
		if err := r.add(line); err != nil {
			return nil, fmt.Errorf("%s: %.60s: %w", file, bytes.TrimSpace(line), err)
		}
	}
	return r, nil
}

func (r *soakRecord) add(line []byte) error {
	if bytes.HasPrefix(line, []byte("{")) {
		return json.Unmarshal(line, &r.end)
	}
	var sample []float64
	if err := json.Unmarshal(line, &sample); err != nil {
		return err
	}
	if len(sample) != 1+len(r.Series) {
		return fmt.Errorf("%d values of %d series", len(sample)-1, len(r.Series))
	}
	r.samples = append(r.samples, sample)
	return nil
}

// lasted is the time of the last sample.
func (r *soakRecord) lasted() time.Duration {
	if len(r.samples) == 0 {
		return 0
	}
	return time.Duration(r.samples[len(r.samples)-1][0] * float64(time.Second))
}

// total returns what a series was at the last sample, less what it was at the first.
func (r *soakRecord) total(name string) float64 {
	column := 1 + slices.Index(r.Series, name)
	if len(r.samples) == 0 || column == 0 {
		return 0
	}
	return r.samples[len(r.samples)-1][column] - r.samples[0][column]
}

// writeLine appends a line of JSON to the file of a soak.
func writeLine(file *os.File, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return err
}
