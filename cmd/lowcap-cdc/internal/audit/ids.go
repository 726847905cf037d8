package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// ids tells which id belongs to an event: id and sequence both name one place, the server's and the history's, and how far
// the two are apart is a matter of the era.
type ids struct {
	eras []cdc.Era // by the checkpoint, and as the events tell
}

// of returns the id that belongs to an event's source and sequence. Sequences that differ so make ids that differ.
func (i *ids) of(a *schemas.Attributes, event []byte) string {
	var lsn uint64
	var phase, change, ordinal uint32
	if n, err := fmt.Sscanf(a.Sequence, "%16X%1d%8X%7X", &lsn, &phase, &change, &ordinal); n != 4 || err != nil {
		return "none: the sequence is not 32 digits"
	}
	snapshot := "b"
	if phase == 1 {
		snapshot = ""
	}
	era := i.era(a, decode.LSN(lsn), event)
	lsn -= uint64(era.Base)
	return fmt.Sprintf("%s/%x/%X/%s%d/%d", era.System, lsn>>32, uint32(lsn), snapshot, change, ordinal)
}

// era returns the era of an event. Where the checkpoint does not tell, the first event of an era does: stream.adopted, or, in a
// part of a trail, whichever comes first.
func (i *ids) era(a *schemas.Attributes, at decode.LSN, event []byte) cdc.Era {
	system := strings.Split(a.Source+"//", "/")[2]
	i.learn(a, system, at, event)
	for n := len(i.eras) - 1; n >= 0; n-- {
		if e := i.eras[n]; at >= e.Begins {
			if named, _, _ := strings.Cut(e.System, "."); named != system {
				e.System = system // of another slot's events in the same topics, or forged
			}
			return e
		}
	}
	return cdc.Era{System: system}
}

// wasSource reports whether a source is of a server that the history came from before the last adoption.
func (i *ids) wasSource(source string) bool {
	if len(i.eras) < 2 {
		return false
	}
	return slices.ContainsFunc(i.eras[:len(i.eras)-1], func(e cdc.Era) bool {
		named, _, _ := strings.Cut(e.System, ".")
		return named == strings.Split(source+"//", "/")[2]
	})
}

// learn begins an era with an event that tells of one.
func (i *ids) learn(a *schemas.Attributes, system string, at decode.LSN, event []byte) {
	adopts := a.Type.Name() == "stream.adopted"
	if n := len(i.eras); n > 0 && (!adopts || at <= i.eras[n-1].Begins) {
		return
	}
	lsn, err := decode.ParseLSN(gjson.GetBytes(event, "data.origin.commit_lsn").String())
	if err != nil || lsn > at {
		return
	}
	base := at - lsn
	if adopts {
		base = decode.LSN(gjson.GetBytes(event, "data.sequence_base").Uint())
	}
	prefix, _, _ := strings.Cut(a.ID, "/")
	if named, again, _ := strings.Cut(prefix, "."); named != system || strings.ContainsFunc(again, isNoDigit) {
		prefix = system
	}
	i.eras = append(i.eras, cdc.Era{Begins: at, Base: base, System: prefix})
}

func isNoDigit(r rune) bool { return r < '0' || r > '9' }

// placeOf returns the place of the history that an event's sequence begins with.
func placeOf(a *schemas.Attributes) (at decode.LSN, known bool) {
	var lsn uint64
	n, err := fmt.Sscanf(a.Sequence, "%16X", &lsn)
	return decode.LSN(lsn), n == 1 && err == nil && len(a.Sequence) == 32
}

// ofSnapshot reports whether an event tells of a snapshot: of what was committed before its place.
func ofSnapshot(a *schemas.Attributes) bool { return len(a.Sequence) > 16 && a.Sequence[16] == '0' }
