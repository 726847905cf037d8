package decode

import "encoding/json"

// MarkerPrefix is the prefix of the logical messages that the sidecar itself writes into the WAL.
const MarkerPrefix = "lowcap-cdc.table"

// marker is the content of such a message. One without a reason only wakes the reader.
type marker struct {
	Table  string `json:"table"`
	OID    uint32 `json:"oid"`
	Member uint32 `json:"member"`
	Why    string `json:"why"`
	LSN    LSN    `json:"since_lsn"`
	Time   Micros `json:"since_time"`
}

// Content returns the message that says g, for pg_logical_emit_message with MarkerPrefix.
func (g *TableGone) Content() string {
	content, err := json.Marshal(marker{g.Table.String(), g.ID.OID, g.ID.Member, g.Why, g.Since.LSN, g.Since.Time})
	if err != nil {
		return "{}" // strings and numbers always marshal
	}
	return string(content)
}

// decodeMarker returns nil for a message that only wakes the reader, and for one that the sidecar did not write: every
// role may write messages, and who writes nonsense must not be able to stop the stream.
func (d *Decoder) decodeMarker(content []byte) Message {
	var m marker
	if json.Unmarshal(content, &m) != nil {
		return nil
	}
	for _, t := range Tables {
		if m.Why != "" && m.Table == t.String() {
			d.gone = TableGone{Table: t, ID: TableID{m.OID, m.Member}, Why: m.Why, Since: Progress{LSN: m.LSN, Time: m.Time}}
			return &d.gone
		}
	}
	return nil
}
