package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestLostImage takes one image out of the state topic, as a cleanup.policy that deletes would: going on would report an
// old row as new. A reconcile reads all rows anew, behind a gap.
func TestLostImage(t *testing.T) {
	s := newSite(t)
	sink, events := s.kafka()
	s.seedPositions(2)
	s.drain("k", sink)
	topic := s.name + ".cdc-state"
	client, err := kgo.NewClient(
		kgo.SeedBrokers(shared.started.Addr()),
		kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var image *kgo.Record
	for image == nil {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatal(err)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if strings.Contains(string(r.Key), "position/") {
				image = r
			}
		})
	}
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: image.Key}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for _, verb := range [][]string{{"run", "--until", "now"}, {"check"}, {"status"}} {
		if out, code := s.verb(sink, verb[0], verb[1:]...); code != 3 || !strings.Contains(out, "it has 1 images, and was committed with 2") ||
			!strings.Contains(out, "lowcap-cdc reconcile") {
			t.Errorf("%s: exit %d: %s", verb, code, out)
		}
	}
	before := len(events())
	s.ok(sink, "reconcile", "--yes")
	told := events()[before:]
	if !slices.ContainsFunc(told, func(e string) bool { return strings.Contains(e, "lowcap.stream.gap.v1") }) {
		t.Errorf("no gap among %d events", len(told))
	}
	s.drain("k", sink)
}

// TestAnotherSlotOrSchema: the same sink for another slot or schema would publish every row a second time.
func TestAnotherSlotOrSchema(t *testing.T) {
	s := newSite(t)
	sink, _ := s.file("x")
	s.seedPositions(1)
	s.drain("k", sink)
	for what, args := range map[string][]string{"slot": {"--slot", s.name + "other"}, "schema": {"--schema", "elsewhere"}} {
		for _, verb := range [][]string{{"run", "--until", "now"}, {"check"}, {"status"}, {"reconcile", "--yes"}} {
			if what == "schema" && verb[0] == "reconcile" {
				continue // there are no tables in it to begin with
			}
			out, code := s.verb(sink, verb[0], append(verb[1:], args...)...)
			if code != 3 || (!strings.Contains(out, "the sink's state is of "+what) && what == "slot") {
				t.Errorf("%s of another %s: exit %d: %s", verb[0], what, code, out)
			}
		}
	}
	s.drain("k", sink)
}

// TestWideRows: a row with very many keys, or one of very many bytes, takes no more than the row itself beside the 64 MB
// that the sidecar has, and its events fit the topics.
func TestWideRows(t *testing.T) {
	s := newSite(t)
	sink, _ := s.kafka()
	s.seedPositions(1)
	s.drain("k", sink)
	for what, set := range map[string]string{
		"100,000 unknown keys": `features = jsonb_build_object('pm_execution_history', (select jsonb_object_agg('key' || i, i) from generate_series(1, 100000) i))`,
		"300,000 unknown keys": `features = jsonb_build_object('pm_execution_history', (select jsonb_object_agg('other' || i, i) from generate_series(1, 300000) i))`,
		"a status of quotes":   `status = repeat('"', 3 << 20)`,
		"a history of 60 MB": `features = jsonb_build_object('pm_execution_history', jsonb_build_object('note', repeat('x', 60 << 20), 'last_trim',
			jsonb_build_object('timestamp', '2026-01-20T10:00:00Z', 'signal', 'emergency_exit', 'note', repeat('"', 10 << 20))))`,
	} {
		t.Run(what, func(t *testing.T) {
			s.exec(`update lowcap_positions set ` + set)
			var row int64
			if err := s.conn.QueryRow(t.Context(), `select max(octet_length(features::text) + octet_length(status)) from lowcap_positions`).Scan(&row); err != nil {
				t.Fatal(err)
			}
			peak, limit := s.peakMemory(s.command("k", sink, "--until", "now")), 64<<20+row*11/10
			t.Logf("peak RSS %d MB of %d, for a row of %d MB", peak>>20, limit>>20, row>>20)
			if peak > limit {
				t.Errorf("peak RSS is %d MB, want at most %d", peak>>20, limit>>20)
			}
		})
	}
}
