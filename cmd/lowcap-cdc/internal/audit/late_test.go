package audit

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/sink"
)

// shortened is a sink whose first events retention has removed, each from a partition of its own, as far as there is one.
type shortened struct {
	sink.Reader
	from int // events that are gone
	also int // one more that is gone, of another partition; 0 for none
}

func (s shortened) ReadEvents(ctx context.Context, r sink.Range, visit func(*sink.Stored) error) error {
	n := 0
	return s.Reader.ReadEvents(ctx, r, func(e *sink.Stored) error {
		if n++; n <= s.from || n == s.also {
			return nil
		}
		of := *e
		of.Topic, of.Partition = "topic", 0
		if n > s.also {
			of.Partition = 1
		}
		return visit(&of)
	})
}

func (s shortened) Kept(context.Context) ([]sink.Kept, error) {
	return []sink.Kept{{Topic: "topic", Partition: 0, First: 1}, {Topic: "topic", Partition: 1, First: 1}}, nil
}

// TestSealingThatBeginsLate: a trail whose first events are gone can be sealed from what is there on, when somebody says so, and the seals
// say it. They hold over more and over less, a witness goes along, and what is under them can be proved.
func TestSealingThatBeginsLate(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:30])
	cut := shortened{nil, 5, 9} // so it begins with number 10
	sealed := func(late bool, from shortened) (*SealedLog, error) {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		from.Reader = s
		return (&Sealer{Reader: from, Key: h.key, Log: h.log, Late: late, reread: time.Millisecond}).Seal(t.Context())
	}
	if _, err := sealed(false, cut); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "--begin-late") {
		t.Fatalf("without a word: %v", err)
	}
	if got, err := sealed(true, cut); err != nil || got.Log.Begins() != 10 || got.Log.Last().Size != 30 {
		t.Fatalf("%+v, %v", got, err)
	}
	h.write(all[:40])
	later := cut
	later.from = 20
	for size, from := range map[uint64]shortened{40: later} {
		if got, err := sealed(false, from); err != nil || got.Log.Last().Size != size || got.Log.Last().Begins != 10 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	log, err := seal.ReadLog(h.log, h.key.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	for name, reader := range map[string]sink.Reader{"as it was sealed": cut, "shorter": later, "from the first event on": s} {
		if of, ok := reader.(shortened); ok {
			of.Reader = s
			reader = of
		}
		report, err := verify(t.Context(), reader, &Anchors{Log: log}, nil)
		if err != nil || report.Sealed.Held != 2 || len(report.Findings) > 0 && name == "from the first event on" {
			t.Errorf("%s: %+v, %q, %v", name, report.Sealed, report.Findings, err)
		}
	}
	for n, ok := range map[int]bool{9: false, 10: true, 25: true, 40: true} {
		proof, err := Prove(t.Context(), s, log, idOf(all[n-1]))
		if (err == nil) != ok {
			t.Errorf("event %d: %+v, %v", n, proof, err)
		}
	}
	h.write(rechained(append(append([][]byte{}, all[:15]...), all[16:41]...)))
	if report := h.verify(false); len(report.Findings) == 0 {
		t.Error("an event under the seals was dropped: nothing is found")
	}
}

// TestWitnessOfALateBeginning: a witness begins where the seals do, also without their frontiers.
func TestWitnessOfALateBeginning(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:30])
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	cut := shortened{s, 5, 9}
	if _, err := (&Sealer{Reader: cut, Key: h.key, Log: h.log, Late: true}).Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := seal.WriteKeys(dir+"/key", "witness"); err != nil {
		t.Fatal(err)
	}
	key, err := seal.ReadSigner(dir + "/key")
	if err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []int{1, 0} {
		got, err := (&Sealer{Reader: cut, Key: key, Log: dir + "/log", Cosign: h.log, Of: h.key.Verifier}).Seal(t.Context())
		if err != nil || got.New != fresh {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
