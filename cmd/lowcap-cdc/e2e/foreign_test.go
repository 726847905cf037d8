package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestForeignRecords puts records that are no events between the events of a token: each verb that reads says where they
// are, one a line, and moves on to what stands behind them.
func TestForeignRecords(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, committed := s.kafka()
	s.drain("k", sink)
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.started.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r := newReceiver(t, "sesame")
	_, log := s.notify(sink, r.URL, "--secret", "sesame")
	values := [][]byte{{0, 0, 0, 0, 7, 2, 0x61, 0x62, 0x63}, make([]byte, 900_000), nil, []byte("\x1b[31mred\r\n")}
	for _, value := range values {
		for _, topic := range []string{"emergency-exits", "control", "positions"} {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: s.name + "." + topic, Key: []byte("k"), Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := len(committed()) - 3*len(values)
	s.liveOn()
	s.drain("k", sink)
	events := len(committed()) - 3*len(values)
	if events <= before {
		t.Fatal("nothing came behind the foreign records")
	}
	r.await(t, 1)
	waitFor(t, log, "no event")

	for _, args := range [][]string{{"tail"}, {"audit", contract}, {"audit", "verify"}, {"status"},
		{"replay", "--into", "file:" + filepath.Join(t.TempDir(), "copy")}} {
		out, code := s.verb(sink, args[0], args[1:]...)
		want := 0
		if args[len(args)-1] == "verify" {
			want = 1
		}
		if code != want || strings.Contains(out, "\x1b") {
			t.Errorf("%v: exit %d, want %d: %q", args, code, want, out)
		}
		for _, topic := range []string{"emergency-exits", "control"} {
			for _, why := range []string{"framed with schema 7", "framed with schema 0", "a tombstone", "no JSON"} {
				said := 0
				for line := range strings.Lines(out) {
					if strings.Contains(line, s.name+"."+topic+"/") && strings.Contains(line, why) {
						said++
					}
				}
				if said != 1 {
					t.Errorf("%v says %d times of %s that there is %q: %s", args, said, topic, why, out)
				}
			}
		}
		if args[0] == "replay" && !strings.Contains(out, fmt.Sprintf("%d events copied", events)) {
			t.Errorf("want %d events copied: %s", events, out)
		}
	}
}
