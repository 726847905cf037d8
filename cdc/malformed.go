package cdc

import (
	"crypto/sha256"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/schemas"
)

// malformed says where and why a value is not what the contract knows.
type malformed struct {
	path string
	raw  []byte
	why  string
}

// toldParts is how many malformed parts, and how many unknown keys, of one change have an event each.
const toldParts = 100

// malformedDigest identifies a malformed value by where it stands and its bytes.
func malformedDigest(path string, raw []byte) jsonb.Digest {
	h := sha256.New()
	h.Write([]byte(path))
	h.Write([]byte{0})
	h.Write(raw)
	return jsonb.Digest(h.Sum(nil)[:16])
}

// quarantine reports a malformed value, once for each distinct one that the memory holds.
func (c *change) quarantine(m *memory, bad *malformed) {
	if !m.complain(malformedDigest(bad.path, bad.raw)) {
		return
	}
	c.emit(&schemas.HistoryMalformed{Path: string(c.short(bytesOf(bad.path))), Raw: c.bound(bad.raw), Why: bad.why}, nil, nil, atCommit)
}

// historyDigest identifies a history by its bytes; none and an empty one are the same.
func historyDigest(document []byte) (d jsonb.Digest) {
	if hasMembers(document) {
		d = malformedDigest("pm_execution_history", document)
	}
	return d
}
