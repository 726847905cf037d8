package main

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"lowcap-cdc/deploy/chaos/oracle"
	"lowcap-cdc/deploy/lab"
)

// journal is a stream of events on disk, with what is compared of each in memory.
type journal struct {
	file    *os.File
	links   []link
	written int64
	entries []entry
	// differences is how many a reconcile has found, which there are only where a server has lost something.
	differences int
	// reconciled says that each slot has found differences at a place, and a time, of its own.
	reconciled bool
}

type entry struct {
	sequence string
	found    bool // by a snapshot, which each slot takes at a place of its own, while nothing is written to the table
	digest   [16]byte
	at       int64
	size     int
}

// link is what an event says of the one before it, and what the one after it must say.
type link struct {
	sequence, number, chain string
	sum                     [sha256.Size]byte
}

func newJournal(dir string) (*journal, error) {
	file, err := os.CreateTemp(dir, "journal")
	return &journal{file: file}, err
}

// add appends what is comparable of an event.
func (j *journal) add(sequence string, event []byte) error {
	value, ok := lab.Comparable(event)
	if bytes.Contains(event, []byte(`"type":"lowcap.stream.`)) {
		j.differences += int(gjson.GetBytes(event, "data.differences").Int())
		return nil // what is told of the stream itself is each slot's own
	}
	if !ok {
		return nil
	}
	digest := sha256.Sum256(j.compared(value))
	n, err := j.file.Write(value)
	j.entries = append(j.entries, entry{sequence, isFound(value), [16]byte(digest[:16]), j.written, n})
	j.written += int64(n)
	return err
}

// alive is for how long a value has stood: since the reconcile that has found it, where that did.
var alive = regexp.MustCompile(`"alive_for_seconds":[0-9.]+,`)

// compared is what two slots must say alike of an event. Of a difference that a reconcile has found only that counts.
func (j *journal) compared(value []byte) []byte {
	if j.reconciled {
		value = alive.ReplaceAll(value, nil)
	}
	if !isFound(value) {
		return value
	}
	var said []byte
	for _, part := range gjson.GetManyBytes(value, "type", "subject", "data.key", "data.before", "data.after") {
		said = append(append(said, part.Raw...), '\n')
	}
	return said
}

func isFound(event []byte) bool { return bytes.Contains(event, []byte(`"op":"reconcile"`)) }

// compare compares the journal with that of another slot: what was streamed, and what was found.
func (j *journal) compare(want *journal) (sum oracle.Difference) {
	for _, found := range []bool{false, true} {
		sum.Add(oracle.Compare(j.digests(found), want.digests(found)))
	}
	return sum
}

func (j *journal) digests(found bool) (all [][16]byte) {
	for _, e := range j.entries {
		if e.found == found {
			all = append(all, e.digest)
		}
	}
	return all
}

// addLink adds an event's place in the chain.
func (j *journal) addLink(sequence, number, chain string, event []byte) {
	j.links = append(j.links, link{sequence, number, chain, sha256.Sum256(event)})
}

// broken counts the events that do not follow the one before them in number and hash.
func (j *journal) broken() (n int) {
	slices.SortStableFunc(j.links, func(a, b link) int { return cmp.Compare(a.sequence, b.sequence) })
	chain := strings.Repeat("0", 2*sha256.Size)
	for i, l := range j.links {
		if l.number != strconv.Itoa(i+1) || l.chain != chain {
			n++
		}
		chain = hex.EncodeToString(l.sum[:])
	}
	return n
}

// sort brings the entries into the order of their sequence, which is total over all topics.
func (j *journal) sort() {
	slices.SortStableFunc(j.entries, func(a, b entry) int { return cmp.Compare(a.sequence, b.sequence) })
}

func (j *journal) value(e entry) ([]byte, error) {
	value := make([]byte, e.size)
	_, err := j.file.ReadAt(value, e.at)
	return value, err
}

// readFile reads the events of a file sink.
func (j *journal) readFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Sequence string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return err
		}
		if err := j.add(e.Sequence, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// explain prints the first events that are not the same in both journals.
func (j *journal) explain(out io.Writer, want *journal) error {
	digests := make(map[[16]byte]bool, len(want.entries))
	for _, e := range want.entries {
		digests[e.digest] = true
	}
	shown := 0
	for _, e := range j.entries {
		if digests[e.digest] || shown == 3 {
			continue
		}
		value, err := j.value(e)
		if err != nil {
			return err
		}
		shown++
		fmt.Fprintf(out, "not in the undisturbed run: %s\n", value)
	}
	return nil
}
