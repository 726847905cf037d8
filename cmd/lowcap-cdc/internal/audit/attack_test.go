package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// house is a sink with a sealer beside it.
type house struct {
	t   *testing.T
	dir string
	key *seal.Signer
	log string
}

func newHouse(t *testing.T, lines [][]byte) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{t: t, dir: filepath.Join(dir, "sink"), log: filepath.Join(dir, "seals.txt")}
	if _, err := seal.WriteKeys(filepath.Join(dir, "key"), "trail"); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.key, err = seal.ReadSigner(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	h.write(lines)
	return h
}

// write makes the sink hold just these events, with a checkpoint that fits, as its owner can.
func (h *house) write(lines [][]byte) {
	h.t.Helper()
	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Fatal(err)
	}
	h.add(lines)
}

// sink opens the sink.
func (h *house) sink() *file.Sink {
	h.t.Helper()
	s, err := file.New(h.dir, file.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// add commits events to the sink.
func (h *house) add(lines [][]byte) {
	h.t.Helper()
	s := h.sink()
	defer s.Close() //nolint:errcheck // the test says what is there
	if err := s.Resume(context.Background(), func(string, []byte) error { return nil }); err != nil {
		h.t.Fatal(err)
	}
	batch := &cdc.Batch{}
	for _, line := range lines {
		e := &sink.Stored{Value: line}
		batch.Events = append(batch.Events, cdc.Event{Attributes: e.Attributes(), Value: line})
	}
	last := batch.Events[len(lines)-1].Attributes
	parts := strings.Split(last.Source, "/")
	known := cdc.Checkpoint{Identity: cdc.Identity{SystemID: parts[2], Database: parts[3]}}
	known.Events.Add(last.Number, lines[len(lines)-1])
	value, err := json.Marshal(known)
	if err != nil {
		h.t.Fatal(err)
	}
	batch.State = []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: value}}
	if err := s.Commit(context.Background(), batch); err != nil {
		h.t.Fatal(err)
	}
}

// seal seals what is there.
func (h *house) seal() (*SealedLog, error) {
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	return (&Sealer{Reader: s, Key: h.key, Log: h.log, reread: time.Millisecond}).Seal(context.Background())
}

func (h *house) mustSeal() {
	h.t.Helper()
	if sealed, err := h.seal(); err != nil || sealed.New != 1 {
		h.t.Fatalf("%+v, %v", sealed, err)
	}
}

// verify returns what a stranger finds who has the seals.
func (h *house) verify(complete bool) *Report {
	h.t.Helper()
	log, err := seal.ReadLog(h.log, h.key.Verifier)
	if err != nil {
		h.t.Fatal(err)
	}
	s := h.sink()
	defer s.Close() //nolint:errcheck // it was only read
	report, err := verify(context.Background(), s, &Anchors{Log: log, RequireComplete: complete}, nil)
	if err != nil {
		return &Report{Findings: []string{err.Error()}}
	}
	return report
}

var (
	numberField = regexp.MustCompile(`"number":"\d+"`)
	chainField  = regexp.MustCompile(`"chain":"[0-9a-f]{64}"`)
)

// rechained numbers and chains events anew, from a place on, so that they look as if they had been published so.
func rechained(lines [][]byte) [][]byte {
	var chain schemas.Chain
	out := make([][]byte, 0, len(lines))
	for _, line := range lines {
		number, hash := chain.Next()
		line = replaceFirst(numberField, line, fmt.Sprintf(`"number":"%d"`, number))
		line = replaceFirst(chainField, line, fmt.Sprintf(`"chain":"%s"`, hash))
		chain.Add(number, line)
		out = append(out, line)
	}
	return out
}

func replaceFirst(what *regexp.Regexp, line []byte, with string) []byte {
	at := what.FindIndex(line)
	return bytes.Join([][]byte{line[:at[0]], []byte(with), line[at[1]:]}, nil)
}

func edited(line []byte) []byte {
	return bytes.Replace(line, []byte(`"xid":`), []byte(`"xid":1`), 1)
}

func without(lines [][]byte, at int) [][]byte {
	return append(append([][]byte{}, lines[:at]...), lines[at+1:]...)
}

// TestAttacker gives the sink, its state and the process to someone who writes what he likes, with every hash and the
// checkpoint made anew. One seal kept elsewhere finds each of his changes of what was sealed, and tells what was not.
func TestAttacker(t *testing.T) {
	all, _ := recordedLines(t)
	lines := all[:40]
	const sealed, later = 20, 30 // the first seal, and what is there when it is made again
	edit := func(at int) [][]byte {
		altered := append([][]byte{}, lines...)
		altered[at] = edited(altered[at])
		return rechained(altered)
	}
	swap := func(at int) [][]byte {
		altered := append([][]byte{}, lines...)
		altered[at], altered[at+1] = altered[at+1], altered[at]
		return rechained(altered)
	}
	insert := func(at int) [][]byte {
		return rechained(append(append(append([][]byte{}, lines[:at]...), edited(lines[at])), lines[at:]...))
	}
	for _, c := range []struct {
		name  string
		forge [][]byte
		want  string
	}{
		{"edits the first", edit(0), "not those that were sealed"},
		{"edits one", edit(7), "not those that were sealed"},
		{"edits the last sealed one", edit(sealed - 1), "not those that were sealed"},
		{"edits without making the hashes anew", append(append(append([][]byte{}, lines[:7]...), edited(lines[7])), lines[8:]...), "does not hold the hash"},
		{"drops one", rechained(without(lines, 7)), "not those that were sealed"},
		{"drops the last sealed one", rechained(without(lines, sealed-1)), "not those that were sealed"},
		{"inserts", insert(7), "not those that were sealed"},
		{"reorders", swap(7), "not those that were sealed"},
		{"cuts the end", lines[:sealed-1], "cut off, or rolled back"},
		{"rolls back to an old copy", lines[:5], "cut off, or rolled back"},
		{"begins anew with other events", rechained(lines[sealed:]), "not those that were sealed"},
		{"begins anew with few events", rechained(lines[sealed:][:5]), "cut off, or rolled back"},
		{"begins anew behind the old ones", append(append([][]byte{}, lines[:later]...), rechained(lines[later:])...), "began anew"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, lines[:sealed])
			h.mustSeal()
			h.write(c.forge)
			if findings := strings.Join(h.verify(false).Findings, "\n"); !strings.Contains(findings, c.want) {
				t.Errorf("verify finds %q, want %q", findings, c.want)
			}
			sealedNow, err := h.seal()
			if c.name != "edits the first" && c.name != "edits one" && c.name != "drops one" && c.name != "inserts" && c.name != "reorders" &&
				err == nil {
				t.Errorf("sealed over it: %+v", sealedNow)
			}
			if err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestForkAfterASeal lets the attacker rewrite what came after a seal: that is open, and said to be, until the next seal.
func TestForkAfterASeal(t *testing.T) {
	all, _ := recordedLines(t)
	lines := all[:40]
	h := newHouse(t, lines[:20])
	h.mustSeal()
	h.add(lines[20:30])
	report := h.verify(false)
	if len(report.Findings) > 0 || report.Sealed.Unsealed != 10 || report.Sealed.Last != 20 {
		t.Fatalf("%q %+v", report.Findings, report.Sealed)
	}
	altered := append([][]byte{}, lines[:30]...)
	altered[25] = edited(altered[25])
	h.write(rechained(altered))
	if report := h.verify(false); len(report.Findings) > 0 || report.Sealed.Unsealed != 10 {
		t.Fatalf("what is behind the last seal is not said to be unsealed: %q %+v", report.Findings, report.Sealed)
	}
	h.write(lines[:30])
	h.mustSeal()
	h.write(rechained(altered))
	if report := h.verify(false); len(report.Findings) == 0 {
		t.Fatal("a fork behind the first seal and before the second is not found")
	}
	if _, err := h.seal(); !errors.Is(err, ErrRefused) {
		t.Fatalf("sealed over a fork: %v", err)
	}
}

// TestSealer continues from where it is, also without the frontier, and writes nothing when nothing came.
func TestSealer(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines[:3])
	for n := 3; n <= len(lines); n++ {
		if n > 3 {
			h.add(lines[n-1 : n])
		}
		h.mustSeal()
		if n%5 == 0 {
			if err := os.Remove(seal.FrontierPath(h.log)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sealed, err := h.seal(); err != nil || sealed.New != 0 {
		t.Errorf("nothing came: %+v, %v", sealed, err)
	}
	report := h.verify(true)
	if s := report.Sealed; len(report.Findings) > 0 || s.Held != len(lines)-2 || s.Last != uint64(len(lines)) || s.Unsealed != 0 {
		t.Errorf("%q %+v", report.Findings, s)
	}
}

// TestSealWithoutTheBeginning refuses to begin with what is not whole.
func TestSealWithoutTheBeginning(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines[3:9])
	if _, err := h.seal(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "1 to 3 are missing") {
		t.Errorf("%v", err)
	}
}

// TestPartIsVerified reads a copy that begins later: what is there is verified, what is gone is named.
func TestPartIsVerified(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines[:10])
	h.mustSeal()
	h.add(lines[10:25])
	h.mustSeal()
	h.add(lines[25:30])
	h.mustSeal()
	for from := 1; from < 30; from++ {
		h.copy(lines[from:30])
		report := h.verify(false)
		s := report.Sealed
		if len(report.Findings) > 0 || len(s.Gone) != 1 || s.Gone[0] != (Span{1, uint64(from)}) || s.Last != 30 || len(s.Unvouched) > 0 {
			t.Errorf("from %d: %q %+v", from+1, report.Findings, s)
		}
		if report := h.verify(true); len(report.Findings) == 0 {
			t.Errorf("from %d: a part is complete", from+1)
		}
		altered := append([][]byte{}, lines[from:30]...)
		last := len(altered) - 1
		altered[last] = edited(altered[last])
		h.copy(altered)
		if report := h.verify(false); len(report.Findings) == 0 {
			t.Errorf("from %d: an altered part is verified", from+1)
		}
	}
}

// copy makes the sink a copy without a checkpoint.
func (h *house) copy(lines [][]byte) {
	h.t.Helper()
	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Fatal(err)
	}
	s := h.sink()
	defer s.Close() //nolint:errcheck // the test says what is there
	if err := s.Resume(context.Background(), func(string, []byte) error { return nil }); err != nil {
		h.t.Fatal(err)
	}
	batch := &cdc.Batch{State: []cdc.StateRecord{{Key: "replay-done", Value: []byte("x")}}}
	for _, line := range lines {
		e := &sink.Stored{Value: line}
		batch.Events = append(batch.Events, cdc.Event{Attributes: e.Attributes(), Value: line})
	}
	if err := s.Commit(context.Background(), batch); err != nil {
		h.t.Fatal(err)
	}
}

// TestExpect holds the events against a number and a hash alone.
func TestExpect(t *testing.T) {
	lines, head := recordedLines(t)
	var at schemas.Chain
	for n, line := range lines {
		at.Add(uint64(n+1), line)
		expect := at
		if findings := verifiedQuickly(t, lines, head, &Anchors{Expect: &expect}); len(findings) > 0 {
			t.Fatalf("event %d: %q", n+1, findings)
		}
	}
	wrong := schemas.Chain{Number: 7, Hash: strings.Repeat("0", 64)}
	if findings := verifiedQuickly(t, lines, head, &Anchors{Expect: &wrong}); len(findings) != 1 {
		t.Errorf("%q", findings)
	}
	beyond := schemas.Chain{Number: uint64(len(lines)) + 1, Hash: strings.Repeat("0", 64)}
	if findings := verifiedQuickly(t, lines, head, &Anchors{Expect: &beyond}); len(findings) != 1 {
		t.Errorf("%q", findings)
	}
}

// verifiedQuickly looks at order, chain and anchors only.
func verifiedQuickly(t *testing.T, lines [][]byte, head schemas.Chain, anchors *Anchors) []string {
	t.Helper()
	v, err := newVerifier(anchors)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		e := &sink.Stored{Topic: "events.jsonl", Offset: int64(i), Value: line}
		a := e.Attributes()
		v.source(a.Source).head = head
		v.checkOrder(e, &a)
	}
	v.end()
	return v.Findings
}

// TestNoMutationIsVerified alters a byte of the events or of the seals, ten thousand times.
func TestNoMutationIsVerified(t *testing.T) {
	all, _ := recordedLines(t)
	lines := all[:12]
	h := newHouse(t, lines[:6])
	h.mustSeal()
	h.add(lines[6:])
	h.mustSeal()
	log, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(18, 18))
	path := filepath.Join(t.TempDir(), "seals.txt")
	whole, err := seal.ReadLog(h.log, h.key.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	_, head := lines, schemas.Chain{}
	for n, line := range lines {
		head.Add(uint64(n+1), line)
	}
	for n := range 10000 {
		if n%2 == 0 {
			altered := mutated(random, log)
			if err := os.WriteFile(path, altered, 0o600); err != nil {
				t.Fatal(err)
			}
			if read, err := seal.ReadLog(path, h.key.Verifier); err == nil && read.Torn == 0 && len(read.Seals) == 2 {
				t.Fatalf("mutation %d of the seals is read over:\n%s", n, altered)
			}
			continue
		}
		altered := append([][]byte{}, lines...)
		at := random.IntN(len(lines))
		altered[at] = mutated(random, altered[at])
		if findings := verifiedQuickly(t, altered, head, &Anchors{Log: whole}); len(findings) == 0 {
			t.Fatalf("mutation %d is verified:\n%s\n%s", n, lines[at], altered[at])
		}
	}
}

func mutated(random *rand.Rand, text []byte) []byte {
	altered := bytes.Clone(text)
	altered[random.IntN(len(altered))] ^= byte(1 + random.IntN(255))
	return altered
}

// TestWitness cosigns what it has seen, and refuses when the other's log or the sink is not what it was.
func TestWitness(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines[:10])
	w := newHouse(t, lines[:10]) // for its key and its log
	look := func() (*SealedLog, error) {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		return (&Sealer{Reader: s, Key: w.key, Log: w.log, Cosign: h.log, Of: h.key.Verifier, reread: time.Millisecond}).Seal(
			context.Background(),
		)
	}
	if sealed, err := look(); err == nil || !strings.Contains(err.Error(), "holds no seal") {
		t.Errorf("a witness of another file would wait for ever, without a word: %+v, %v", sealed, err)
	}
	h.mustSeal()
	first, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	h.add(lines[10:15])
	h.mustSeal()
	if sealed, err := look(); err != nil || sealed.New != 2 {
		t.Fatalf("%+v %v", sealed, err)
	}
	h.add(lines[15:20])
	h.mustSeal()
	if sealed, err := look(); err != nil || sealed.New != 1 {
		t.Fatalf("%+v %v", sealed, err)
	}
	if log, err := seal.ReadLog(w.log, h.key.Verifier, w.key.Verifier); err != nil || len(log.Seals) != 3 {
		t.Fatalf("%v", err)
	}
	if _, err := seal.ReadLog(h.log, h.key.Verifier, w.key.Verifier); err == nil {
		t.Error("seals without the cosignature pass for cosigned")
	}
	if err := os.WriteFile(h.log, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := look(); !errors.Is(err, ErrRefused) {
		t.Errorf("the log was rolled back: %v", err)
	}
	if err := os.Remove(h.log); err != nil {
		t.Fatal(err)
	}
	if _, err := look(); !errors.Is(err, ErrRefused) {
		t.Errorf("the log is gone: %v", err)
	}
}

// TestProve proves every event, and no event behind the last seal.
func TestProve(t *testing.T) {
	lines, _ := recordedLines(t)
	h := newHouse(t, lines[:20])
	h.mustSeal()
	h.add(lines[20:33])
	h.mustSeal()
	h.add(lines[33:35])
	log, err := seal.ReadLog(h.log, h.key.Verifier)
	if err != nil {
		t.Fatal(err)
	}
	prove := func(n int) (*Proof, error) {
		s := h.sink()
		defer s.Close() //nolint:errcheck // it was only read
		e := &sink.Stored{Value: lines[n]}
		return Prove(context.Background(), s, log, e.Attributes().ID)
	}
	for n := range 33 {
		if proof, err := prove(n); err != nil || proof.Event != string(lines[n]) || proof.Number != uint64(n+1) {
			t.Fatalf("event %d: %+v, %v", n+1, proof, err)
		}
	}
	if _, err := prove(33); err == nil || !strings.Contains(err.Error(), "the last seal is over 33") {
		t.Errorf("an event behind the last seal: %v", err)
	}
	h.copy(lines[20:35])
	for n := 20; n < 33; n++ {
		if _, err := prove(n); err != nil {
			t.Errorf("event %d, in a part that begins with a seal: %v", n+1, err)
		}
	}
	h.copy(lines[22:35])
	if _, err := prove(25); err == nil {
		t.Error("an event is proved though others of its tree are gone")
	}
}
