package cdc

import "testing"

// reconcileCase is a snapshot taken over images that are known: those of before, and the rows that it finds.
type reconcileCase struct {
	before, after []any
	want          string
}

func reconcileCases() map[string]reconcileCase {
	return map[string]reconcileCase{
		"nothing differs": {
			[]any{someBlock("C", true), somePosition("p", someHistory)},
			[]any{someBlock("C", true), somePosition("p", someHistory)},
			"stream.gap stream.reconciled",
		},
		"rows gone, before and behind the last one": {
			[]any{someBlock("A", true), someBlock("B", false), someBlock("C", true), somePosition("p", `{}`), somePosition("q", `{}`)},
			[]any{someBlock("B", false)},
			"stream.gap entry_block.deleted entry_block.deleted position.deleted position.deleted stream.reconciled",
		},
		"rows first seen and changed": {[]any{someBlock("B", false), somePosition("p", someHistory)},
			[]any{
				someBlock("A", true),
				someBlock("B", true),
				somePosition("p", `{"pm_execution_history": {"prev_state": "S3"}}`),
				somePosition("q", someHistory),
			},
			"stream.gap entry_block.baseline entry_block.set history.prev_state_changed position.baseline stream.reconciled"},
	}
}

// TestReconcile is ruling 15: image against snapshot by the rules of one change, in primary-key order.
func TestReconcile(t *testing.T) {
	for name, c := range reconcileCases() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.snapshot(c.before...)
			b.events = nil
			b.machine.gap = "the slot was dropped"
			b.snapshot(c.after...)
			if b.machine.gap != "" {
				t.Error("the next snapshot would be a reconcile too")
			}
			b.expectNames(c.want)
			for _, e := range b.events {
				if origin := e["data"].(map[string]any)["origin"].(map[string]any); origin["op"] != "reconcile" {
					t.Errorf("%s has op %v", e["type"], origin["op"])
				}
			}
		})
	}
}
