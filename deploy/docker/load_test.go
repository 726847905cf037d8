package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// The load must make the sidecar say everything that the demonstration is to show.
func TestLoadGivesEachKindOfEvent(t *testing.T) {
	binary := build(t)
	server, err := lab.StartPostgres(t.Context(), "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the test is over
	conn, err := server.CreateSource(t.Context(), "trading")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // the server goes too
	load, err := os.ReadFile("load.sql")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "events")
	drain := func() {
		cmd := exec.CommandContext(t.Context(), binary, "run", "--until", "now", "--postgres", server.DSN("trading"), "--sink", "file:"+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	drain() // makes the slot
	for _, sql := range []string{string(load), "call demo_load(10, 0)"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	events, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`"type":"lowcap\.([a-z_.]+)\.v1"`).FindAllSubmatch(events, -1) {
		got = append(got, string(m[1]))
	}
	slices.Sort(got)
	got = slices.Compact(got)
	for _, want := range []string{"position.created", "trade.opened", "execution.buy_recorded", "execution.trim_recorded",
		"trim_pool.opened", "execution.reverted", "trim_pool.reverted", "emergency_exit.executed", "entry_block.set",
		"entry_block.cleared", "entry_block.orphaned", "trade.closed"} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s among %v", want, got)
		}
	}
}
