// Package schemas is the public contract of lowcap-cdc: the Go types of every event and their JSON Schemas.
package schemas

// Attributes are the CloudEvents 1.0 context attributes of an event, extension attributes included.
type Attributes struct {
	ID           string   // <system id>/<commit LSN>/<phase><change>/<event>, the same after any crash
	Source       string   // /postgres/<system id>/<database>
	Type         Type     // e.g. lowcap.trim_pool.opened.v1
	Subject      string   // the position's id, the block's key, or the table's name
	Time         string   // commit time, RFC 3339 in UTC with microseconds
	PartitionKey string   // token_chain/token_contract/timeframe, the Kafka key
	Sequence     string   // 32 hexadecimal digits whose lexicographic order is WAL order over all topics
	Severity     Severity // what an alert should do with it
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

// Name returns the type without "lowcap." and without the version, e.g. trim_pool.opened.
func (t Type) Name() string { return string(t[len("lowcap.") : len(t)-len(".v1")]) }

// DataSchema returns the URI of the type's JSON Schema, which is the schema's $id.
func (t Type) DataSchema() string { return "urn:lowcap-cdc:schema:" + t.Name() + ":v1" }
