package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func event(n uint64) []byte { return fmt.Appendf(nil, `{"number":"%d"}`, n) }

// TestFrontier compares the tree with the one of the Go checksum database, through its printed form at any place.
func TestFrontier(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(0, 200).Draw(t, "size")
		cut := rapid.Uint64Range(0, size).Draw(t, "cut")
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(at []int64) (found []tlog.Hash, err error) {
			for _, i := range at {
				found = append(found, stored[i])
			}
			return found, nil
		})
		var f Frontier
		for n := uint64(0); n < size; n++ {
			if n == cut {
				again, err := ParseFrontier(f.String())
				if err != nil {
					t.Fatal(err)
				}
				f = again
			}
			hashes, err := tlog.StoredHashes(int64(n), event(n+1), reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, hashes...)
			f.Add(event(n + 1))
		}
		want, err := tlog.TreeHash(int64(size), reader)
		if size > 0 && (err != nil || f.Root() != want) {
			t.Fatalf("root of %d is %s, want %s (%v)", size, f.Root(), want, err)
		}
	})
}

// TestPath proves any event of any tree, also when what was sealed before it is gone, and no event that is another one.
func TestPath(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Uint64Range(1, 150).Draw(t, "size")
		number := rapid.Uint64Range(1, size).Draw(t, "number")
		gone := rapid.Uint64Range(0, number-1).Draw(t, "gone")
		path, err := NewPath(number, size)
		if err != nil {
			t.Fatal(err)
		}
		var f Frontier
		for n := uint64(1); n <= size; n++ {
			if n == gone+1 {
				path.Begin(&f)
			}
			if n > gone {
				path.Add(n, event(n))
			}
			f.Add(event(n))
		}
		hashes, err := path.Hashes(f.Root())
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(hashes, int64(size), f.Root(), int64(number-1), tlog.RecordHash(event(number+1))); err == nil {
			t.Fatal("another event is proved")
		}
	})
}

func TestPathOfWhatIsNotThere(t *testing.T) {
	if _, err := NewPath(4, 3); err == nil {
		t.Error("an event behind the seal has a path")
	}
	path, err := NewPath(2, 4)
	if err != nil {
		t.Fatal(err)
	}
	var f Frontier
	for n := uint64(1); n <= 4; n++ {
		f.Add(event(n))
		if n != 3 {
			path.Add(n, event(n))
		}
	}
	if _, err := path.Hashes(f.Root()); err == nil || !strings.Contains(err.Error(), "only 1 are there") {
		t.Error(err)
	}
}

// keys makes a key pair in files.
func keys(t testing.TB, name string) (*Signer, *Verifier) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if _, err := WriteKeys(path, name); err != nil {
		t.Fatal(err)
	}
	signer, err := ReadSigner(path)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := ReadVerifier(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func checkpoint(f *Frontier) *Checkpoint {
	return &Checkpoint{Origin: "trail", Size: f.Size(), Root: f.Root(), Chain: hex.EncodeToString(bytes.Repeat([]byte{byte(f.Size())}, 32)),
		LSN: "0/16B3748", Time: "2026-01-18T11:06:52.514883Z"}
}

// written returns a log with a seal over each of the sizes.
func written(t testing.TB, signer *Signer, sizes ...uint64) *Log {
	t.Helper()
	l := &Log{path: filepath.Join(t.TempDir(), "seals.txt")}
	var f Frontier
	for _, size := range sizes {
		for f.Size() < size {
			f.Add(event(f.Size() + 1))
		}
		c := checkpoint(&f)
		signed, err := signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(c, signed, &f); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	public, err := WriteKeys(path, "lowcap-cdc")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v (%v)", info.Mode(), err)
	}
	if _, err := WriteKeys(path, "lowcap-cdc"); err == nil {
		t.Error("a key was overwritten")
	}
	if _, err := WriteKeys(filepath.Join(path, "below"), "lowcap-cdc"); err == nil || strings.Contains(err.Error(), "overwritten") {
		t.Errorf("where no directory is: %v", err)
	}
	if _, err := note.NewVerifier(public); err != nil {
		t.Errorf("the public key is no verifier key: %v", err)
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", "a\x00", strings.Repeat("a", 256)} {
		if _, err := WriteKeys(filepath.Join(t.TempDir(), "key"), name); err == nil {
			t.Errorf("%q is a key's name", name)
		}
	}
	if _, err := ReadSigner(path + ".pub"); err == nil {
		t.Error("a public key signs")
	}
	if _, err := ReadVerifier(path); err == nil {
		t.Error("a private key verifies")
	}
}

func TestLog(t *testing.T) {
	signer, verifier := keys(t, "trail")
	l := written(t, signer, 3, 8, 20)
	read, err := ReadLog(l.path, verifier)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Seals) != 3 || read.Last().Size != 20 || read.Torn != 0 {
		t.Fatalf("%+v", read)
	}
	for number, want := range map[uint64]uint64{1: 3, 3: 3, 4: 8, 8: 8, 20: 20} {
		if s := read.Covering(number); s == nil || s.Size != want {
			t.Errorf("event %d is under %+v, want the seal over %d", number, s, want)
		}
	}
	if s := read.Covering(21); s != nil {
		t.Errorf("event 21 is under the seal over %d", s.Size)
	}
	frontiers, err := read.Frontiers()
	if err != nil {
		t.Fatal(err)
	}
	for i := range read.Seals {
		s := &read.Seals[i]
		if f, ok := frontiers.Of(&s.Checkpoint); !ok || f.Root() != s.Root {
			t.Errorf("the frontier of the seal over %d is not there", s.Size)
		}
		signed, err := read.Note(s)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := note.Open(signed, note.VerifierList(verifier.Log())); err != nil || n.Text != s.Text() {
			t.Errorf("the seal over %d is no signed note: %v", s.Size, err)
		}
	}
	if _, other := keys(t, "trail"); true {
		if _, err := ReadLog(l.path, other); !errors.Is(err, ErrLog) {
			t.Errorf("another key of the same name: %v", err)
		}
	}
}

// TestLogAfterACrash cuts both files at every byte: what was not written to its end is told, and cut by the next seal.
func TestLogAfterACrash(t *testing.T) {
	signer, verifier := keys(t, "trail")
	l := written(t, signer, 3, 8)
	whole, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := os.ReadFile(FrontierPath(l.path))
	if err != nil {
		t.Fatal(err)
	}
	first := int(l.Seals[1].offset)
	for cut := first; cut < len(whole); cut++ {
		path := filepath.Join(t.TempDir(), "seals.txt")
		write(t, path, whole[:cut])
		write(t, FrontierPath(path), lines[:len(lines)*cut/len(whole)])
		read, err := ReadLog(path, verifier)
		if err != nil || len(read.Seals) != 1 || read.Torn != int64(cut-first) {
			t.Fatalf("cut at %d: %d seals, %d bytes torn, %v", cut, len(read.Seals), read.Torn, err)
		}
		var f Frontier
		for f.Size() < 9 {
			f.Add(event(f.Size() + 1))
		}
		c := checkpoint(&f)
		signed, err := signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Append(c, signed, &f); err != nil {
			t.Fatal(err)
		}
		again, err := ReadLog(path, verifier)
		if err != nil || len(again.Seals) != 2 || again.Torn != 0 {
			t.Fatalf("cut at %d and written again: %+v, %v", cut, again, err)
		}
		frontiers, err := again.Frontiers()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := frontiers.Of(&again.Last().Checkpoint); !ok {
			t.Fatalf("cut at %d: the frontier of the next seal is not there", cut)
		}
	}
}

// TestFrontiersBehindRubbish: whatever stands in the file of frontiers, the next one is found there again.
func TestFrontiersBehindRubbish(t *testing.T) {
	signer, verifier := keys(t, "trail")
	for name, rubbish := range map[string]string{"none": "", "a long line": strings.Repeat("a", 5*longestLine), "that and its end": strings.Repeat("a", 5*longestLine) + "\n",
		"just the longest": strings.Repeat("8", longestLine) + "\n", "a torn line": "8 abc", "zeros": strings.Repeat("\x00", 3*longestLine)} {
		l := written(t, signer, 3)
		write(t, FrontierPath(l.path), []byte(rubbish))
		var f Frontier
		for f.Size() < 9 {
			f.Add(event(f.Size() + 1))
		}
		c := checkpoint(&f)
		signed, err := signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(c, signed, &f); err != nil {
			t.Fatal(err)
		}
		again, err := ReadLog(l.path, verifier)
		if err != nil {
			t.Fatal(err)
		}
		frontiers, err := again.Frontiers()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := frontiers.Of(c); !ok {
			t.Errorf("%s: the frontier of the next seal is not there", name)
		}
	}
}

// TestPipeIsNoLog: who seals does not wait for the other end of a pipe.
func TestPipeIsNoLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLog) {
		t.Errorf("locked: %v", err)
	}
	if err := os.Rename(path, path+".frontier"); err != nil {
		t.Fatal(err)
	}
	if f, err := (&Log{path: path}).Frontiers(); err != nil || len(f.lines) > 0 {
		t.Errorf("frontiers of a pipe: %v, %v", f, err)
	}
}

// TestFilesThatAreNoLog: what is no log, or was one before something changed its line ends, is not taken for a log whose only note
// was torn. The next seal would cut all of it off and begin another history.
func TestFilesThatAreNoLog(t *testing.T) {
	signer, verifier := keys(t, "trail")
	l := written(t, signer, 3, 8)
	text, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text)
	second := whole[l.Seals[1].offset:]
	note := strings.TrimSuffix(second, "\n")
	for name, text := range map[string]string{
		"line ends of Windows":           strings.ReplaceAll(whole, "\n", "\r\n"),
		"one line end of Windows":        strings.Replace(whole, "\n", "\r\n", 1),
		"without empty lines":            strings.ReplaceAll(whole, "\n\n", "\n"),
		"another file":                   "# a list\n\n- of things\n",
		"one word":                       "x",
		"one line":                       "trail of something\n",
		"a log and more":                 whole + "more\n",
		"a log and zeros":                whole + "\x00\x00\x00\x00",
		"a seal of another origin":       whole + strings.Replace(second[:len(second)/2], "trail", "train", 1),
		"a note without its end, twice":  whole + note + note,
		"a checkpoint that is none":      whole + strings.Replace(note, "\nchain ", "\nchained ", 1),
		"a signature that is no line":    whole + note + "and more",
		"lines that no checkpoint has":   whole + "trail\n8\n8\n8\n8\n8\n8\n",
		"an empty line at the beginning": "\n" + whole,
	} {
		path := filepath.Join(t.TempDir(), "seals.txt")
		write(t, path, []byte(text))
		if read, err := ReadLog(path, verifier); !errors.Is(err, ErrLog) {
			t.Errorf("%s: %+v, %v", name, read, err)
		}
		if read, err := ReadLog(path, nil); err == nil && read.Torn == 0 {
			t.Errorf("%s, without a key: %+v", name, read)
		}
	}
}

func write(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNoAlteredLogIsRead changes one byte at every place, in every bit: nothing of it is taken for a seal.
func TestNoAlteredLogIsRead(t *testing.T) {
	signer, verifier := keys(t, "trail")
	l := written(t, signer, 3, 8)
	whole, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "seals.txt")
	for at := range whole {
		for bit := range 8 {
			altered := bytes.Clone(whole)
			altered[at] ^= 1 << bit
			write(t, path, altered)
			read, err := ReadLog(path, verifier)
			if err == nil && read.Torn == 0 && len(read.Seals) == 2 {
				t.Fatalf("bit %d of byte %d is read over", bit, at)
			}
		}
	}
}

func TestLogWithSealsOutOfOrder(t *testing.T) {
	signer, verifier := keys(t, "trail")
	l := written(t, signer, 8)
	var f Frontier
	f.Add(event(1))
	c := checkpoint(&f)
	signed, err := signer.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(c, signed, &f); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLog(l.path, verifier); !errors.Is(err, ErrLog) {
		t.Errorf("a rolled back log is read: %v", err)
	}
}

// TestWitness cosigns a seal; the log's own signature does not stand for the witness's, nor the other way round.
func TestWitness(t *testing.T) {
	signer, verifier := keys(t, "trail")
	witness, known := keys(t, "witness.example/w1")
	l := written(t, signer, 3)
	signed, err := l.Note(l.Last())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(signed, verifier, known); err == nil {
		t.Error("a witness that did not sign is found")
	}
	_, n, err := Open(signed, verifier)
	if err != nil {
		t.Fatal(err)
	}
	both, err := witness.Cosign(n, time.Unix(1679315147, 0))
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := Open(both, verifier, known); err != nil || c.Size != 3 {
		t.Errorf("%v", err)
	}
	if _, _, err := Open(both, known, verifier); err == nil {
		t.Error("a witness is taken for the log")
	}
	late := bytes.Replace(both, []byte("0/16B3748"), []byte("0/16B3749"), 1)
	if _, _, err := Open(late, verifier, known); err == nil {
		t.Error("an altered extension line is read over")
	}
}

// TestCosignatureKey checks the form of the key's hash and the signature, which other witnesses rely on.
func TestCosignatureKey(t *testing.T) {
	_, v := keys(t, "witness.example/w1")
	text := fmt.Sprintf("%s+%08x+%s", v.name, v.cosignKey, base64.StdEncoding.EncodeToString(append([]byte{cosignedType}, v.key...)))
	again, err := ParseVerifier(text)
	if err != nil || again.cosignKey != v.cosignKey {
		t.Errorf("the key of a witness in its own form: %v", err)
	}
	if _, err := ParseVerifier(strings.Replace(text, "+", "x+", 1)); err == nil {
		t.Error("a key under another name is read")
	}
}

func TestShort(t *testing.T) {
	chain := strings.Repeat("ab", 32)
	for text, want := range map[string]bool{
		"7:" + chain: true, "7:" + strings.ToUpper(chain): true, "0:" + chain: false, "07:" + chain: false, "7": false, "7:ab": false, ":" + chain: false,
		"-1:" + chain: false, "99999999999999999999:" + chain: false,
	} {
		if number, got, err := ParseShort(text); (err == nil) != want || want && (number != 7 || got != chain) {
			t.Errorf("%q: %d %q %v", text, number, got, err)
		}
	}
}

func FuzzLog(f *testing.F) {
	signer, verifier := keys(f, "trail")
	l := written(f, signer, 1, 2, 3)
	whole, err := os.ReadFile(l.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte("trail\n1\n\n\n— trail AAAA\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		read := &Log{}
		if err := read.read(bytes.NewReader(text), verifier, nil); err == nil && read.Torn == 0 && !bytes.HasPrefix(whole, text) {
			t.Fatalf("%q is read as a log", text)
		}
	})
}

func FuzzParse(f *testing.F) {
	var tree Frontier
	tree.Add([]byte("a"))
	f.Add(checkpoint(&tree).Text())
	f.Add(tree.String())
	f.Add("0")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCheckpoint(text); err == nil && c.Text() != text {
			t.Fatalf("%q is read as %q", text, c.Text())
		}
		if tree, err := ParseFrontier(text); err == nil && tree.String() != text {
			t.Fatalf("%q is read as %q", text, tree.String())
		}
	})
}

// TestAbsent: what was removed before the first seal is leaves without a byte.
func TestAbsent(t *testing.T) {
	var grown Frontier
	for n := range uint64(70) {
		absent := Absent(n)
		if absent.String() != grown.String() {
			t.Fatalf("%d: %s, want %s", n, &absent, &grown)
		}
		absent.Add([]byte("event"))
		next := grown.Clone()
		if next.Add([]byte("event")); absent.Root() != next.Root() {
			t.Fatalf("%d: another root", n)
		}
		grown.Add(nil)
	}
}

// TestLateCheckpoint: where the tree begins is a line of its own, and stands in each seal of a log.
func TestLateCheckpoint(t *testing.T) {
	c := Checkpoint{Origin: "trail", Size: 9, Chain: strings.Repeat("ab", 32), LSN: "0/1", Time: "2026-11-25T08:39:03Z", Begins: 4}
	if got, err := ParseCheckpoint(c.Text()); err != nil || got != c {
		t.Errorf("%+v, %v", got, err)
	}
	for _, line := range []string{"begins 0", "begins 1", "begins 10", "begins 04", "begins", "4", "begins 4\nbegins 4"} {
		if got, err := ParseCheckpoint(strings.Replace(c.Text(), "begins 4", line, 1)); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}
