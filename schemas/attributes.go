// Package schemas is the public contract of lowcap-cdc: the Go types of every event and their JSON Schemas. Consumers
// read events with Parse.
package schemas

import "strings"

// Attributes are the CloudEvents 1.0 context attributes of an event, extension attributes included.
type Attributes struct {
	// <system id>/<commit LSN>/<phase><change>/<event>, the same after any crash
	ID string `json:"id"`
	// /postgres/<system id>/<database>
	Source string `json:"source"`
	// e.g. lowcap.trim_pool.opened.v1
	Type Type `json:"type"`
	// the position's id, the block's key, the table's name, or the slot
	Subject string `json:"subject"`
	// commit time, RFC 3339 in UTC with microseconds
	Time string `json:"time" jsonschema:"format=date-time"`
	// token_chain/token_contract/timeframe, the Kafka key
	PartitionKey string `json:"partitionkey"`
	// 32 hexadecimal digits whose lexicographic order is WAL order over all topics of a source
	Sequence string `json:"sequence" jsonschema:"pattern=^[0-9A-F]{32}$"`
	// what an alert should do with it: page, warn, info
	Severity Severity `json:"severity"`
	// counts the events of a source over all topics, from 1 on, without a gap; absent before contract v1.1
	Number uint64 `json:"number,string,omitempty" jsonschema:"pattern=^[1-9][0-9]*$"`
	// SHA-256 of the JSON of the event numbered one less, hexadecimal; zeros for the first; absent before contract
	// v1.1
	Chain string `json:"chain,omitempty" jsonschema:"pattern=^[0-9a-f]{64}$"`
}

// Severity says who should be told of an event.
type Severity string

// The severities, most urgent first.
const (
	Page Severity = "page"
	Warn Severity = "warn"
	Info Severity = "info"
)

// Type is the CloudEvents type of an event: lowcap.<name>.v1.
type Type string

// Name returns the type without "lowcap." and without the version, e.g. trim_pool.opened. A type that is not of that
// form is its own name.
func (t Type) Name() string {
	name, _ := t.cut()
	return name
}

// DataSchema returns the URI of the type's JSON Schema, which is the schema's $id.
func (t Type) DataSchema() string { return string(t.AppendDataSchema(nil)) }

// AppendDataSchema appends what DataSchema returns.
func (t Type) AppendDataSchema(dst []byte) []byte {
	name, version := t.cut()
	return append(append(append(append(dst, "urn:lowcap-cdc:schema:"...), name...), ':'), version...)
}

func (t Type) cut() (name, version string) {
	name, ours := strings.CutPrefix(string(t), "lowcap.")
	at := strings.LastIndex(name, ".v")
	if !ours || at < 0 {
		return string(t), ""
	}
	return name[:at], name[at+1:]
}
