package consumers

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lowcap-cdc/sink/file"
	"lowcap-cdc/sink/sinktest"
)

// proved makes the proof of a recorded event, in a trail that a witness has cosigned, with the program itself. It returns
// the directory with trail.pub, witness.pub and PROOF.json.
func proved(t *testing.T) (dir string, proof []byte) {
	t.Helper()
	dir = t.TempDir()
	program := filepath.Join(dir, "lowcap-cdc")
	if err := run("go", "build", "-o", program, "../../cmd/lowcap-cdc"); err != nil {
		t.Fatal(err)
	}
	events, err := sinktest.Recorded(recording)
	if err != nil {
		t.Fatal(err)
	}
	s, err := file.New(filepath.Join(dir, "sink"), file.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sinktest.Fill(t.Context(), s, events, 20); err != nil {
		t.Fatal(err)
	}
	id := events[len(events)/2].ID
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{"keygen", "--out", in("trail"), "--name", "trail"},
		{"keygen", "--out", in("witness"), "--name", "witness.example/w1"},
		{"seal", "--key", in("trail"), "--log", in("seals.txt")},
		{"seal", "--key", in("witness"), "--log", in("cosigned.txt"), "--cosign", in("seals.txt"), "--pub", in("trail.pub")},
		{"verify", "--seals", in("cosigned.txt"), "--pub", in("trail.pub"), "--witness", in("witness.pub"), "--require-complete"},
		{"prove", id, "--seals", in("cosigned.txt"), "--out", in("PROOF.json")},
	} {
		if err := run(program, append([]string{"audit", "--sink", "file:" + in("sink")}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	if proof, err = os.ReadFile(in("PROOF.json")); err != nil {
		t.Fatal(err)
	}
	return dir, proof
}

// TestProof has a proof checked by a program that shares nothing with ours; an altered one is refused, whatever is altered.
func TestProof(t *testing.T) {
	dir, proof := proved(t)
	interpreter := python(t, "proof/requirements.txt")
	check := func(proof []byte, keys ...string) (string, error) {
		path := filepath.Join(dir, "altered.json")
		if err := os.WriteFile(path, proof, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(interpreter, append([]string{"proof/verify_proof.py", path}, keys...)...).CombinedOutput()
		return string(out), err
	}
	trail, witness := filepath.Join(dir, "trail.pub"), filepath.Join(dir, "witness.pub")
	for _, keys := range [][]string{{trail}, {trail, witness}} {
		if out, err := check(proof, keys...); err != nil || !strings.Contains(out, "proved: event") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := check(proof, witness); err == nil {
		t.Errorf("the witness's key passes for the trail's: %s", out)
	}
	for name, altered := range alterations(t, proof) {
		if out, err := check(altered, trail, witness); err == nil || !strings.Contains(out, "REFUSED") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// sizeLine is the line of a seal that says how many events it is over.
var sizeLine = regexp.MustCompile(`\n\d+\n`)

// alterations returns proofs that prove nothing.
func alterations(t *testing.T, proof []byte) map[string][]byte {
	t.Helper()
	altered := map[string][]byte{"empty": {}, "no object": []byte("[]"), "no fields": []byte("{}"), "no text": {0xff, 0xfe}}
	alter := func(name string, change func(p map[string]any)) {
		var p map[string]any
		if err := json.Unmarshal(proof, &p); err != nil {
			t.Fatal(err)
		}
		change(p)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		altered[name] = text
	}
	alter("another event", func(p map[string]any) { p["event"] = strings.Replace(p["event"].(string), `"xid":`, `"xid":1`, 1) })
	alter("another number", func(p map[string]any) { p["number"] = p["number"].(float64) + 1 })
	alter("number zero", func(p map[string]any) { p["number"] = 0 })
	alter("shorter path", func(p map[string]any) { p["path"] = p["path"].([]any)[1:] })
	alter("longer path", func(p map[string]any) { p["path"] = append(p["path"].([]any), p["path"].([]any)[0]) })
	alter("no path", func(p map[string]any) { p["path"] = []any{} })
	alter("fewer events", func(p map[string]any) { p["seal"] = sizeLine.ReplaceAllString(p["seal"].(string), "\n76\n") })
	alter("a seal that is no text", func(p map[string]any) { p["seal"] = 5 })
	alter("an event that is deep", func(p map[string]any) { p["event"] = strings.Repeat("[", 100000) })
	alter("no signature", func(p map[string]any) { p["seal"] = strings.Split(p["seal"].(string), "\n\n")[0] + "\n\n" })
	random := rand.New(rand.NewPCG(18, 3))
	for range 20 {
		at := random.IntN(len(proof))
		changed := bytes.Clone(proof)
		changed[at] ^= 1 << random.IntN(7)
		var p, was any
		if json.Unmarshal(changed, &p) == nil && json.Unmarshal(proof, &was) == nil {
			a, _ := json.Marshal(p)
			if b, _ := json.Marshal(was); bytes.Equal(a, b) {
				continue // white space
			}
		}
		altered["byte "+string(rune('a'+len(altered)))] = changed
	}
	return altered
}
