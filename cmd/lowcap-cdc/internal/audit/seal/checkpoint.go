package seal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint says how far a trail has come. Its text is what a seal signs.
type Checkpoint struct {
	Origin string    // the name of the key that signs
	Size   uint64    // how many events there are: the number of the last one
	Root   tlog.Hash // of the tree over them
	Chain  string    // SHA-256 of the last event in hexadecimal, which the next one has as its chain
	LSN    string    // where the last event was committed, as Postgres prints it
	Time   string    // when, in RFC 3339
	Begins uint64    // the number of the first event in the tree, where retention had removed those before it; else 0
}

// checkpointLines is how many lines Text has, without the one that says where the tree begins.
const checkpointLines = 5

// Text returns the lines of https://c2sp.org/tlog-checkpoint with two extension lines, and a third one where the tree begins late.
func (c *Checkpoint) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\nchain %s\ncommit %s %s\n", c.Origin, c.Size, c.Root, c.Chain, c.LSN, c.Time)
	if c.Begins > 0 {
		text += fmt.Sprintf("begins %d\n", c.Begins)
	}
	return text
}

// Short returns the seal's short form, NUMBER:CHAIN, for a message or a sheet of paper; `audit verify --expect` takes it.
func (c *Checkpoint) Short() string { return Short(c.Size, c.Chain) }

// Short returns what names an event and everything before it: its number and the SHA-256 of its bytes in hexadecimal.
func Short(number uint64, chain string) string { return strconv.FormatUint(number, 10) + ":" + chain }

// ParseShort reads what Short returns.
func ParseShort(text string) (number uint64, chain string, err error) {
	before, chain, _ := strings.Cut(text, ":")
	number, err = parseSize(before)
	chain = strings.ToLower(chain)
	if err != nil || number == 0 || !isChain(chain) {
		return 0, "", fmt.Errorf("%q is not NUMBER:CHAIN, an event's number and the 64 hexadecimal digits of its SHA-256", text)
	}
	return number, chain, nil
}

var errCheckpoint = errors.New("not a checkpoint of this program: origin, number, root, chain, commit")

// ParseCheckpoint reads what Text returns, and nothing else: a text that says the same in other bytes is refused.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	begins, isLate := uint64(0), len(lines) == checkpointLines+2
	if isLate {
		number, err := parseSize(strings.TrimPrefix(lines[checkpointLines], "begins "))
		if err != nil || number < 2 {
			return Checkpoint{}, errCheckpoint
		}
		begins = number
	} else if len(lines) != checkpointLines+1 {
		return Checkpoint{}, errCheckpoint
	}
	size, err := parseSize(lines[1])
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	chain, isExtension := strings.CutPrefix(lines[3], "chain ")
	commit, isCommit := strings.CutPrefix(lines[4], "commit ")
	lsn, at, _ := strings.Cut(commit, " ")
	_, err = time.Parse(time.RFC3339Nano, at)
	c := Checkpoint{Origin: lines[0], Size: size, Root: root, Chain: chain, LSN: lsn, Time: at, Begins: begins}
	if !isExtension || !isCommit || err != nil || !isChain(chain) || !isLSN(lsn) || c.Origin == "" || begins > size || c.Text() != text {
		return Checkpoint{}, errCheckpoint
	}
	return c, nil
}

func isChain(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 32 && strings.ToLower(text) == text
}

func isLSN(text string) bool {
	high, low, found := strings.Cut(text, "/")
	_, err1 := strconv.ParseUint(high, 16, 32)
	_, err2 := strconv.ParseUint(low, 16, 32)
	return found && err1 == nil && err2 == nil
}
