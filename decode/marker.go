package decode

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// MarkerPrefix is the prefix of the logical messages with which a sidecar tells every reader of the WAL what it has seen in
// the catalog.
const MarkerPrefix = "lowcap-cdc.table"

// maxMarker is more than any sidecar writes, in bytes.
const maxMarker = 1 << 10

// Why a table left the stream. A marker with another text is none.
const (
	WhyDropped   = "it was dropped"
	WhyRecreated = "it was dropped and created again"
	WhyTakenOut  = "it is not in the publication any more"
	WhyPutBack   = "it was taken out of the publication and put back"
	WhyParts     = "its partitions were changed by themselves"
)

var reasons = []string{WhyDropped, WhyRecreated, WhyTakenOut, WhyPutBack, WhyParts}

// marker is the content of such a message. One without a reason only wakes the reader.
type marker struct {
	Table  string `json:"table"`
	OID    uint32 `json:"oid"`
	Member uint32 `json:"member"`
	Why    string `json:"why"`
	LSN    LSN    `json:"since_lsn"`
	Time   Micros `json:"since_time"`
	Nonce  string `json:"nonce"` // makes the digest one that no one knows before the message is committed
}

// Content returns the message that says g, for pg_logical_emit_message with MarkerPrefix, and sets g.Digest. The nonce is
// to be random.
func (g *TableGone) Content(nonce string) string {
	content, err := json.Marshal(marker{g.Table.String(), g.ID.OID, g.ID.Member, g.Why, g.Since.LSN, g.Since.Time, nonce})
	if err != nil {
		return "{}" // strings and numbers always marshal
	}
	g.Digest = digestOf(content)
	return string(content)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// decodeMarker returns nil for a message that only wakes the reader, and for one that no sidecar writes. Whether a sidecar
// did write it is not known yet: every role may write messages.
func (d *Decoder) decodeMarker(content []byte) Message {
	var m marker
	if len(content) > maxMarker || json.Unmarshal(content, &m) != nil || !slices.Contains(reasons, m.Why) {
		return nil
	}
	for _, t := range Tables {
		if m.Table == t.String() {
			d.gone = TableGone{
				Table:  t,
				ID:     TableID{m.OID, m.Member},
				Why:    m.Why,
				Since:  Progress{LSN: m.LSN, Time: m.Time},
				Digest: digestOf(content),
			}
			return &d.gone
		}
	}
	return nil
}
