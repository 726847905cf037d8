package consumers

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected answers anew, from DuckDB's") //nolint:gochecknoglobals // a flag

// answers returns what the three queries give on the recorded events. It was reviewed by hand.
func answers(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("queries/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func queries() []string {
	return []string{"queries/blocked.sql", "queries/rebuys.sql", "queries/reverts.sql"}
}

// TestDuckDBAnswers runs the queries over the file sink's lines.
func TestDuckDBAnswers(t *testing.T) {
	dir, interpreter := t.TempDir(), python(t, "python/requirements.txt")
	lines, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "events.jsonl"), lines, 0o600); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, query := range queries() {
		fmt.Fprintf(&got, "# %s\n%s", filepath.Base(query), output(t, exec.CommandContext(t.Context(), interpreter, "duckdb/query.py", dir, query)))
	}
	if *update {
		if err := os.WriteFile("queries/answers.txt", []byte(sameDigits(got.String())), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sameAnswers(t, got.String())
}

// TestFlinkAnswers runs the same queries over the topics, in a Flink cluster inside one process.
func TestFlinkAnswers(t *testing.T) {
	s := onStage(t)
	arguments := append([]string{"--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "flink/Queries.java", s.kafka.Addr(), "flink/tables.sql", "flink/views.sql"}, queries()...)
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
			if strings.Trim(field, "0123456789.") == "" && strings.Count(field, ".") == 1 {
				fields[i] = strings.TrimSuffix(strings.TrimRight(field, "0"), ".")
			}
		}
		lines = append(lines, strings.Join(fields, ","))
	}
	return strings.Join(lines, "\n") + "\n"
}
