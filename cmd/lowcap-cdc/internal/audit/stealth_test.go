package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/sink"
)

// TestEventWithoutNumber puts in an event that counts nothing, as contract v1.0 had them: no seal can be of it, and that is said.
func TestEventWithoutNumber(t *testing.T) {
	all, _ := recordedLines(t)
	forged := bytes.Replace(all[39], []byte(`/trading"`), []byte(`/other"`), 1)
	forged = replaceFirst(numberField, forged, `"n":"0"`)
	h := newHouse(t, all[:20])
	h.mustSeal()
	h.write(append([][]byte{forged}, all[:20]...))
	if s := h.verify(false).Sealed; s.Nameless != 1 {
		t.Errorf("%+v", s)
	}
	if findings := strings.Join(h.verify(true).Findings, "\n"); !strings.Contains(findings, "no number") {
		t.Errorf("it is complete: %q", findings)
	}
}

// writeBehind writes events with a checkpoint that knows fewer.
func (h *house) writeBehind(known, lines [][]byte) {
	h.t.Helper()
	h.write(lines)
	s := h.sink()
	defer s.Close() //nolint:errcheck // the test says what is there
	checkpoint := cdc.Checkpoint{}
	if err := s.Resume(context.Background(), func(_ string, value []byte) error { return json.Unmarshal(value, &checkpoint) }); err != nil {
		h.t.Fatal(err)
	}
	checkpoint.Events = headOf(known)
	value, err := json.Marshal(checkpoint)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := s.Commit(context.Background(), &cdc.Batch{State: []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: value}}}); err != nil {
		h.t.Fatal(err)
	}
}

// TestGapThatNothingFills leaves a number out behind what the checkpoint knows. For a moment that looks like a commit at work.
func TestGapThatNothingFills(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:20])
	h.mustSeal()
	h.writeBehind(all[:20], append(append([][]byte{}, all[:20]...), all[21:30]...))
	before, now := h.verify(false), h.verify(false)
	if stuck := strings.Join(now.stuckSince(before), "\n"); len(now.Findings) > 0 || !strings.Contains(stuck, "number 21 is missing") {
		t.Errorf("verify finds %q at once and %q later", now.Findings, stuck)
	}
	if findings := strings.Join(h.verify(true).Findings, "\n"); !strings.Contains(findings, "left out") {
		t.Errorf("what was left out is complete: %q", findings)
	}
	if sealed, err := h.seal(); !errors.Is(err, ErrRefused) {
		t.Errorf("sealed %+v, %v", sealed, err)
	}
	h.write(all[:30])
	h.mustSeal()
}

// TestBranch lets an adoption lead away from the history and the history go on all the same, behind a gap, where only the chain
// vouches.
func TestBranch(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:20])
	h.mustSeal()
	first := (&sink.Stored{Value: all[0]}).Attributes()
	at, _ := placeOf(&first)
	fork := headOf(all[:15])
	var branch [][]byte
	next := bytes.Replace(all[15], []byte(first.Source), []byte("/postgres/7555/trading"), 1)
	for _, line := range [][]byte{adoptionOf(first.Source, at), next} {
		if len(branch) == 0 {
			line = replaceFirst(sourceField, line, `"source":"/postgres/7555/trading"`)
		}
		number, chain := fork.Next()
		line = replaceFirst(numberField, line, fmt.Sprintf(`"number":"%d"`, number))
		line = replaceFirst(chainField, line, `"chain":"`+chain+`"`)
		fork.Add(number, line)
		branch = append(branch, line)
	}
	lines := append(append(append([][]byte{}, all[9:15]...), branch...), all[15:20]...)
	h.copy(lines)
	if findings := h.verify(false).Findings; len(findings) == 0 {
		t.Error("a branch is verified")
	}
}

// emptied is a sink whose events are gone, as by retention.
type emptied struct{ sink.Reader }

func (emptied) ReadEvents(context.Context, sink.Range, func(*sink.Stored) error) error { return nil }

func (emptied) Kept(context.Context) ([]sink.Kept, error) {
	return []sink.Kept{{Topic: "t", First: 30}}, nil
}

// TestNothingIsThere: neither does a witness cosign what it cannot see, nor is it "nothing new" when events are gone that were never
// sealed.
func TestNothingIsThere(t *testing.T) {
	all, _ := recordedLines(t)
	h, w := newHouse(t, all[:20]), newHouse(t, all[:20])
	h.mustSeal()
	s := h.sink()
	witness := &Sealer{Reader: emptied{s}, Key: w.key, Log: w.log, Cosign: h.log, Of: h.key.Verifier, reread: time.Millisecond}
	if sealed, err := witness.Seal(context.Background()); !errors.Is(err, ErrRefused) {
		t.Errorf("cosigned %+v, %v", sealed, err)
	}
	own := &Sealer{Reader: emptied{s}, Key: h.key, Log: h.log, reread: time.Millisecond}
	if sealed, err := own.Seal(context.Background()); err != nil || sealed.New != 0 {
		t.Errorf("everything was sealed, and retention took it: %+v, %v", sealed, err)
	}
	s.Close() //nolint:errcheck // it was only read
	h.add(all[20:30])
	s = h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	own.Reader = emptied{s}
	if sealed, err := own.Seal(context.Background()); !errors.Is(err, ErrRefused) {
		t.Errorf("ten events are gone unsealed: %+v, %v", sealed, err)
	}
}

// TestLogRolledBack: a log that does not hold what it gave away is not signed on, or one key would have sealed two histories.
func TestLogRolledBack(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:20])
	way, err := ParseWay("file:"+filepath.Join(t.TempDir(), "copy.txt"), h.key.Verifier, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	sealNow := func() error {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		sealed, err := (&Sealer{Reader: s, Key: h.key, Log: h.log, Ways: []Way{way}, reread: time.Millisecond}).Seal(context.Background())
		if err != nil {
			return err
		}
		return way.Deliver(context.Background(), sealed.Log, nil, nil)
	}
	if err := sealNow(); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	h.add(all[20:30])
	if err := sealNow(); err != nil {
		t.Fatal(err)
	}
	altered := append([][]byte{}, all[:30]...)
	altered[25] = edited(altered[25])
	h.write(rechained(altered))
	if err := os.WriteFile(h.log, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sealNow(); !errors.Is(err, ErrRefused) {
		t.Errorf("another history was sealed: %v", err)
	}
	if now, err := os.ReadFile(h.log); err != nil || !bytes.Equal(now, old) {
		t.Errorf("something was signed (%v)", err)
	}
}

// TestLogWithOtherLineEnds: a log that something has changed on its way is no empty log. Nothing is signed on it, and nothing cut off.
func TestLogWithOtherLineEnds(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:20])
	h.mustSeal()
	text, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	if err := os.WriteFile(h.log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.add(all[20:30])
	if sealed, err := h.seal(); !errors.Is(err, seal.ErrLog) {
		t.Errorf("sealed: %+v, %v", sealed, err)
	}
	if now, err := os.ReadFile(h.log); err != nil || !bytes.Equal(now, text) {
		t.Errorf("the log was written to: %q (%v)", now, err)
	}
}

// TestSealIsNotDeliveredByARedirect: behind one a POST becomes a GET, which nobody keeps.
func TestSealIsNotDeliveredByARedirect(t *testing.T) {
	all, _ := recordedLines(t)
	h := newHouse(t, all[:20])
	sealed, err := h.seal()
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		got++
	}))
	defer server.Close()
	way, err := ParseWay(server.URL, h.key.Verifier, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := way.Deliver(context.Background(), sealed.Log, &sealed.Log.Last().Checkpoint, []byte("note")); err == nil || got > 0 {
		t.Errorf("delivered by a redirect: %v, followed %d times", err, got)
	}
}
