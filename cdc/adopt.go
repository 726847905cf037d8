package cdc

import (
	"fmt"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// An adoption makes another server, or the same one under another name or restored to another point, the source of a history:
// numbers, hashes and images go on. Where the slot came along, the stream goes on from it, and a snapshot ahead of it only
// proves that nothing is missing. Otherwise it is a reconcile with the images of the server before.

// Adoption is one that is not finished. Every run continues it, until the sink has it all.
type Adoption struct {
	To Identity // the server; its slot was made by the adoption, unless CameAlong
	// The rest is zero until stream.adopted is in the sink.
	CameAlong bool // the slot was there; what is left is to prove that nothing is missing
	From      Place
}

// Place is where a history stood.
type Place struct {
	Identity
	LSN  decode.LSN
	Time decode.Micros // the database's clock there
}

func (p Place) String() string {
	return fmt.Sprintf("%s at %s (%s)", p.Source(), p.LSN, jsonb.FormatInstant(p.Time))
}

// IsOf reports whether an adoption of a server was begun and is not finished.
func (a *Adoption) IsOf(server Identity) bool { return a != nil && a.To == server }

// proves reports whether it only has to be proved that nothing is missing.
func (a *Adoption) proves() bool { return a != nil && a.CameAlong }

// Started is what a source says when it has started.
type Started struct {
	Identity
	Adopted   bool   // another server, or name, than the history is of
	CameAlong bool   // with its slot: the stream goes on from Resume, and no snapshot replaces it
	Lost      string // why changes are lost to the stream, and it begins with a snapshot by Start.Repair; else empty
	// Of a slot that came along: where and when the stream goes on, and what the catalog says there.
	Resume      decode.Progress
	Tables      decode.TableIDs
	Publication uint32
}

// adopt begins the era of the server that the source has found. A snapshot tells of it at its first row, a slot that came
// along at once.
func (p *Pipeline) adopt(s *Started) {
	c := &p.state.Checkpoint
	p.machine.adopting = &adopting{from: Place{c.Identity, c.LSN, c.Time}, to: s.Identity, handedOver: c.HandedOver, cameAlong: s.CameAlong}
	c.HandedOver, c.Adoption = false, nil
	if !s.CameAlong {
		return
	}
	p.machine.adoptSlot(s)
}

// adopting is an adoption that is not told yet.
type adopting struct {
	from       Place
	to         Identity
	handedOver bool // nothing was written after from, somebody said
	cameAlong  bool
}

// adoptSlot tells of an adoption where the slot came along.
func (m *machine) adoptSlot(s *Started) {
	c, a := &m.state.Checkpoint, m.adopting
	m.tx = transaction{Begin: decode.Begin{CommitLSN: s.Resume.LSN, CommitTime: s.Resume.Time, Snapshot: true},
		time: jsonb.FormatInstant(s.Resume.Time), lsn: s.Resume.LSN.String()}
	m.tellAdopted()
	m.tx = transaction{}
	for t, id := range s.Tables {
		if known := &c.Tables[t]; !known.Missing {
			known.ID = id
		}
	}
	c.Publication, c.LSN, c.Time = s.Publication, s.Resume.LSN, s.Resume.Time
	if a.from.SystemID != a.to.SystemID {
		c.Cut = Cut{} // another server sends nothing of it again
	}
	c.Adoption = &Adoption{To: a.to, CameAlong: true, From: a.from}
}

// tellAdopted begins the era at the place that is being read, and says so.
func (m *machine) tellAdopted() {
	c, a := &m.state.Checkpoint, m.adopting
	m.adopting = nil
	era := c.beginEra(a.to.SystemID, m.tx.CommitLSN)
	c.Identity = a.to
	m.enter(c)
	m.report(m.streamChange(), &schemas.StreamAdopted{FromSource: a.from.Source(), ToSource: a.to.Source(),
		FromLSN: a.from.LSN.String(), ToLSN: m.tx.lsn, FromTime: jsonb.FormatInstant(a.from.Time), ToTime: m.tx.time,
		SlotCameAlong: a.cameAlong, SequenceBase: uint64(era.Base)})
}

// enter makes events those of the checkpoint's era.
func (e *emitter) enter(c *Checkpoint) {
	e.source, e.eras, e.base = c.Source(), c.AllEras(), c.Era().Base
}

// gapBetween is the stream.gap of an adoption. It names both servers: their places mean nothing without them.
func (m *machine) gapBetween(from Place, why string) func() {
	to := Place{m.state.Checkpoint.Identity, m.tx.CommitLSN, m.tx.CommitTime}
	return func() {
		m.reportGap(decode.Progress{LSN: from.LSN, Time: from.Time}, fmt.Sprintf(
			"%s: between %s and %s anything may have been written that was never seen, and values may have come and gone", why, from, to))
	}
}

// owe makes a gap be told before the next event, at an ordinal that is kept for it: where nothing differs there is none.
func (m *machine) owe(gap func()) {
	at := m.tx.change
	m.tx.change++
	m.owed = func() {
		m.owed = nil
		reached := m.tx.change
		m.tx.change = at
		gap()
		m.tx.change = reached
	}
}

// beginAdopted tells of an adoption at the beginning of its snapshot.
func (m *machine) beginAdopted() {
	a := m.adopting
	unseen := a.from.LSN != 0 && m.hasMissing()
	m.tellAdopted()
	switch {
	case a.from.LSN == 0:
	case m.gap != "":
		m.gapBetween(a.from, m.gap)()
	case a.handedOver && !unseen:
		m.owe(m.gapBetween(a.from, "the rows are not as they were when the server before was handed over"))
	default:
		m.gapBetween(a.from, "another server was adopted, without its slot")()
	}
}

// beginProof prepares to compare the rows of a server whose slot came along: anything that differs was missed.
func (m *machine) beginProof() {
	m.tx.change = 1 // stream.adopted may have the first ordinal of this place
	m.owe(m.gapBetween(m.state.Checkpoint.Adoption.From, "the slot of the adopted server did not bring everything"))
}

func (m *machine) hasMissing() bool {
	for _, t := range decode.Tables {
		if m.state.Checkpoint.Tables[t].Missing {
			return true
		}
	}
	return false
}
