package simulate

import (
	"cmp"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

const (
	textOID        = 25
	boolOID        = 16
	timestamptzOID = 1184
	uuidOID        = 2950
	jsonbOID       = 3802
	float8OID      = 701
	numericOID     = 1700
)

var kindNames = map[uint32]string{textOID: "text", boolOID: "boolean", timestamptzOID: "timestamp with time zone", uuidOID: "uuid",
	jsonbOID: "jsonb", float8OID: "double precision", numericOID: "numeric"}

func columnsOf(list ...any) (columns []column) {
	for i := 0; i < len(list); i += 2 {
		oid := uint32(list[i+1].(int))
		columns = append(columns, column{name: list[i].(string), oid: oid, kind: kindNames[oid], at: len(columns)})
	}
	return columns
}

// The two tables.
const (
	blocksOf = iota
	positionsOf
)

var tableNames = [2]string{"token_timeframe_blocks", "lowcap_positions"}

// The places of a block's columns.
const (
	blockContract = iota
	blockChain
	blockTimeframe
	blockBook
	blockedS1
	blockedS2
	lastS1Failure
	lastS2Failure
	lastSuccess
)

func blocksTable() *table {
	return &table{which: blocksOf, name: tableNames[blocksOf], oid: 16401, member: 16501, file: 16401, altered: 600,
		keys: []int{blockContract, blockChain, blockTimeframe, blockBook},
		columns: columnsOf("token_contract", textOID, "token_chain", textOID, "timeframe", textOID, "book_id", textOID, "blocked_s1", boolOID,
			"blocked_s2", boolOID, "last_s1_failure_ts", timestamptzOID, "last_s2_failure_ts", timestamptzOID,
			"last_success_ts", timestamptzOID, "updated_at", timestamptzOID)}
}

// The places of a position's columns.
const (
	positionID = iota
	positionChain
	positionContract
	positionTimeframe
	positionStatus
	positionState
	positionTrade
	positionNotes
	positionQuantity
	positionTrades
	positionFeatures
)

func positionsTable() *table {
	return &table{which: positionsOf, name: tableNames[positionsOf], oid: 16411, member: 16502, file: 16411, altered: 600, keys: []int{positionID},
		columns: columnsOf("id", uuidOID, "token_chain", textOID, "token_contract", textOID, "timeframe", textOID, "status", textOID,
			"state", textOID, "current_trade_id", uuidOID, "notes", textOID, "total_quantity", float8OID, "completed_trades", jsonbOID,
			"features", jsonbOID)}
}

func value(text string) *string { return &text }

// uuid makes an id of a text.
func uuid(text string) *string {
	sum := md5.Sum([]byte(text))
	return value(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:]))
}

// instant prints a time as Postgres does.
func instant(t time.Time) *string { return value(t.UTC().Format("2006-01-02 15:04:05.999999+00")) }

// loggedBlock is what the oracle takes down of a block.
func loggedBlock(r row) []byte {
	flags := map[string]bool{"s1": false, "s2": false}
	if r != nil {
		flags["s1"], flags["s2"] = r[blockedS1] != nil && *r[blockedS1] == "t", r[blockedS2] != nil && *r[blockedS2] == "t"
	}
	return marshal(flags)
}

// loggedPosition is what the oracle takes down of a position.
func (t *table) loggedPosition(r row) []byte {
	if r == nil {
		return nil
	}
	text := append([]byte(`{"status":`), marshal(r[positionStatus])...)
	text = append(append(text, `,"trade":`...), marshal(r[positionTrade])...)
	text = append(append(text, `,"history":`...), t.historyIn(r[positionFeatures])...)
	return append(text, '}')
}

// historyIn returns the history in a document. A document is read once: rows share it until it is written again.
func (t *table) historyIn(document *string) []byte {
	if document == nil {
		return []byte("null")
	}
	if known := t.histories[document]; known != nil {
		return known
	}
	history := []byte(cmp.Or(gjson.Get(*document, "pm_execution_history").Raw, "null"))
	if t.histories == nil {
		t.histories = make(map[*string][]byte)
	}
	t.histories[document] = history
	return history
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // maps of texts
	}
	return text
}

// truncated is the end of all rows of a table.
func truncated(t *table, rows map[string]row) change {
	c := change{table: t, op: 'T'}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		c.ends = append(c.ends, changeOf(t, rows[key], nil))
	}
	return c
}

// changeOf is a row change with what the oracle takes down of it.
func changeOf(t *table, was, is row) change {
	c := change{table: t, op: 'U', was: was, is: is}
	known := is
	switch {
	case was == nil:
		c.op = 'I'
	case is == nil:
		c.op, known = 'D', was
	}
	if t.which == positionsOf {
		c.isPosition, c.entity = true, *known[positionID]
		c.loggedWas, c.loggedIs = t.loggedPosition(was), t.loggedPosition(is)
		c.toastKept = c.op == 'U' && is[positionFeatures] != nil && was[positionFeatures] == is[positionFeatures] && len(*is[positionFeatures]) > 2000
		return c
	}
	c.entity = *known[blockContract] + "/" + *known[blockChain] + "/" + *known[blockTimeframe] + "/" + *known[blockBook]
	c.loggedWas, c.loggedIs = loggedBlock(was), loggedBlock(is)
	return c
}
