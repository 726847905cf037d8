package consumers

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/sink/file"
	"lowcap-cdc/sink/sinktest"
)

var update = flag.Bool("update", false, "write the expected answers anew, from DuckDB's")

// answers returns what the queries give on the recorded events. It was reviewed by hand.
func answers(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("queries/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func queries() []string {
	return []string{"queries/blocked.sql", "queries/pools.sql", "queries/rebuys.sql", "queries/reverts.sql", "queries/losses.sql", "queries/trades.sql"}
}

// TestDuckDBAnswers runs the queries over the file sink: one file, segments, and what lowcap-parquet makes of these.
func TestDuckDBAnswers(t *testing.T) {
	if *update {
		if err := os.WriteFile("queries/answers.txt", []byte(sameDigits(duckDB(t, fileSink(t, 0), "lines.sql"))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sameAnswers(t, duckDB(t, fileSink(t, 0), "lines.sql"))
	rotated := fileSink(t, 30_000)
	sameAnswers(t, duckDB(t, rotated, "lines.sql"))
	files := t.TempDir()
	output(t, exec.CommandContext(t.Context(), "go", "run", "lowcap-cdc/cmd/lowcap-parquet", rotated, files))
	sameAnswers(t, duckDB(t, files, "parquet.sql"))
}

// duckDB returns the answers to all queries over the events in dir.
func duckDB(t *testing.T, dir, events string) string {
	t.Helper()
	interpreter := python(t, "python/requirements.txt")
	var got strings.Builder
	for _, query := range queries() {
		fmt.Fprintf(&got, "# %s\n%s", filepath.Base(query), output(t,
			exec.CommandContext(t.Context(), interpreter, "duckdb/query.py", dir, events, query)))
	}
	return got.String()
}

// fileSink returns the directory of a file sink with the recorded events. With a size they are all in segments of so many
// bytes.
func fileSink(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	events, err := sinktest.Recorded(recording)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, size, events)
	if size > 0 { // one more event, of which no query asks, finishes the last segment
		end := events[len(events)-1]
		end.Sequence = strings.Repeat("F", 32)
		end.Value = bytes.Replace(end.Value, []byte(events[len(events)-1].Sequence), []byte(end.Sequence), 1)
		write(t, dir, 1, []cdc.Event{end})
	}
	return dir
}

// write commits events to a file sink, a few at a time.
func write(t *testing.T, dir string, size int64, events []cdc.Event) {
	t.Helper()
	to, err := file.New(dir, file.Options{RotateSize: size})
	if err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Fill(t.Context(), to, events, 10); err != nil { // its end waits for the compression
		t.Fatal(err)
	}
}

// TestFlinkAnswers runs the same queries over the topics, in a Flink cluster inside one process.
func TestFlinkAnswers(t *testing.T) {
	s := onStage(t)
	arguments := append([]string{"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
		"flink/Queries.java", s.kafka.Addr(), "flink/tables.sql", "flink/views.sql"}, queries()...)
	sameAnswers(t, output(t, java(t, jars(t, "flink"), arguments...)))
}

func sameAnswers(t *testing.T, got string) {
	t.Helper()
	if want := answers(t); sameDigits(got) != want {
		t.Errorf("answers\n%s\nwant\n%s", sameDigits(got), want)
	}
}

// sameDigits drops the zeros behind a decimal point that each engine pads in its own way.
func sameDigits(csv string) string {
	var lines []string
	for line := range strings.Lines(csv) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		for i, field := range fields {
			if strings.Trim(field, "-0123456789.") == "" && strings.Count(field, ".") == 1 {
				fields[i] = strings.TrimSuffix(strings.TrimRight(field, "0"), ".")
			}
		}
		lines = append(lines, strings.Join(fields, ","))
	}
	return strings.Join(lines, "\n") + "\n"
}
