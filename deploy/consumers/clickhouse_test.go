package consumers

import (
	"flag"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

var clickhouse = flag.Bool("clickhouse", false, "check the ClickHouse recipe too; the first time it downloads 500 MB")

// TestClickHouseAnswers runs the same queries over ClickHouse's tables, in a ClickHouse that reads each event twice.
func TestClickHouseAnswers(t *testing.T) {
	if !*clickhouse {
		t.Skip("run with -clickhouse; the first time it downloads 500 MB")
	}
	lines, err := filepath.Abs(recording)
	if err != nil {
		t.Fatal(err)
	}
	arguments := slices.Concat([]string{"clickhouse/check.py", lines}, queries())
	sameAnswers(t, output(t, exec.CommandContext(t.Context(), python(t, "clickhouse/requirements.txt"), arguments...)))
}
