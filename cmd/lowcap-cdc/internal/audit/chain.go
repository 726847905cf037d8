package audit

import (
	"cmp"
	"fmt"

	"github.com/tidwall/gjson"

	"lowcap-cdc/schemas"
)

// chainCheck follows the numbers and hashes of one source's events, in the order of their sequence.
type chainCheck struct {
	First     uint64        `json:"first_number"`
	Last      uint64        `json:"last_number"`
	LastChain string        `json:"last_chain"` // SHA-256 of the last event, which the next one will hold
	Removed   uint64        `json:"removed"`    // numbers that are not there, which retention or compaction explains
	Restarts  int           `json:"restarts"`   // times that the numbering began anew, because the state was gone
	Moving    bool          `json:"moving"`     // later events were committed while it was read, and are left out
	at        schemas.Chain // the last event
	head      schemas.Chain // the last event that the checkpoint knows; zero when this sink has none of the source
	whole     bool          // the checkpoint knows of the source, which was adopted away since: it begins with number 1

	// Where the numbering began anew, an earlier start may have had as many events as the checkpoint knows, and only a later reading can
	// tell that those are no altered ones.
	metHead string // sequence of the last event that is just what the checkpoint knows; empty for none
	since   string // what an earlier reading had for metHead: what comes before that is not measured by the checkpoint
	unlike  string // sequence of the first event that is not what the checkpoint knows, or that it does not know yet; empty for none
}

// isMeasured reports whether the checkpoint may speak of an event.
func (c *chainCheck) isMeasured(a *schemas.Attributes) bool {
	return c.head.Number > 0 && a.Sequence >= c.since
}

// meet notes the event that the checkpoint knows as the last one.
func (c *chainCheck) meet(a *schemas.Attributes, event []byte) {
	if c.head.Number == 0 || a.Number != c.head.Number {
		return
	}
	var at schemas.Chain
	if at.Add(a.Number, event); at == c.head {
		c.metHead = a.Sequence
	}
}

// isOfEarlier reports whether an earlier start was measured by the checkpoint: with since it is another story.
func (c *chainCheck) isOfEarlier() bool { return c.unlike != "" && c.metHead > c.unlike }

// take moves on to the next event and returns what is wrong with it, or nothing. removed says that the sink removes
// events, so that a number may be missing here.
func (c *chainCheck) take(a *schemas.Attributes, event []byte, removed bool) (finding string) {
	number, chain := c.at.Next()
	c.meet(a, event)
	switch {
	case c.Moving:
		return ""
	case a.Number > number && number > c.head.Number && c.isMeasured(a):
		c.Moving, c.unlike = true, a.Sequence
		return ""
	case a.Number == 0 && c.at.Number == 0:
		return "" // written under contract v1.0
	case a.Number == 0:
		return fmt.Sprintf("has no number, the one before it is %d", c.at.Number)
	case a.Number == 1 && c.at.Number > 0:
		c.Restarts++
	case a.Number < number:
		return fmt.Sprintf("has number %d, the one before it %d", a.Number, c.at.Number)
	case a.Number > number:
		finding = c.miss(number, a.Number-1, removed)
	case a.Chain != chain:
		finding = fmt.Sprintf(
			"does not hold the hash of event %d before it: that one is not the one that was published, or this one is not",
			c.at.Number,
		)
	}
	if c.First == 0 {
		c.First = a.Number
	}
	c.at.Add(a.Number, event)
	c.Last, c.LastChain = a.Number, c.at.Hash
	if a.Number == c.head.Number && c.at.Hash != c.head.Hash && c.isMeasured(a) {
		c.unlike = cmp.Or(c.unlike, a.Sequence)
		finding = "is not the event that the checkpoint knows as the last one: it was altered"
	}
	return finding
}

// miss notes that numbers are not there. A copy, which has no checkpoint, may begin anywhere.
func (c *chainCheck) miss(from, to uint64, removed bool) (finding string) {
	if removed || (c.First == 0 && c.head.Number == 0 && !c.whole) {
		c.Removed += to - from + 1
		return ""
	}
	return fmt.Sprintf("comes after number %d to %d, which are missing; no retention explains it", from, to)
}

// end returns what is missing after the last event.
func (c *chainCheck) end(removed bool) (finding string) {
	if c.at.Number >= c.head.Number {
		return ""
	}
	if removed {
		c.Removed += c.head.Number - c.at.Number
		return ""
	}
	return fmt.Sprintf("the checkpoint knows %d events, the last that is there has number %d", c.head.Number, c.at.Number)
}

func (c *chainCheck) String() string {
	if c.Last == 0 {
		return "no event has a number: all were written under contract v1.0"
	}
	text := fmt.Sprintf("numbers %d to %d, each event holds the hash of the one before", c.First, c.Last)
	if c.Removed > 0 {
		text += fmt.Sprintf("; %d removed, or before a copy began", c.Removed)
	}
	if c.Moving {
		text += "; more was committed meanwhile, and is left out"
	}
	if c.Restarts > 0 {
		text += fmt.Sprintf("; begun anew %d times: the state was gone, or another slot wrote here", c.Restarts)
	}
	return text
}

// adoptedFrom returns the source whose history continues under another name with an event, empty when it is none such.
func adoptedFrom(a *schemas.Attributes, event []byte) string {
	if a.Type.Name() != "stream.adopted" {
		return ""
	}
	return gjson.GetBytes(event, "data.from_source").String()
}
