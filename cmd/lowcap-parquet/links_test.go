package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLinksNoKafka holds the reason for a program of its own: who converts segments carries neither a Kafka client nor a
// schema registry.
func TestLinksNoKafka(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(list))
	if len(deps) < 10 {
		t.Fatalf("only %d packages: is this what is linked?", len(deps))
	}
	for _, dep := range deps {
		if strings.Contains(dep, "kafka") || strings.Contains(dep, "franz-go") {
			t.Errorf("lowcap-parquet links %s", dep)
		}
	}
}
