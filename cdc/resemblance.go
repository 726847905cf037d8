package cdc

import (
	"fmt"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// Resemblance says how much a table of a database is like what is known of it.
type Resemblance struct {
	Known  int           `json:"known"`  // rows that the sink knows
	Found  int           `json:"found"`  // rows that the table has
	Shared int           `json:"shared"` // rows of both, by their primary keys
	Equal  int           `json:"equal"`  // rows of both of which nothing is to be told
	Newest decode.Micros `json:"newest"` // the newest updated_at of a position, failure or success of a block; 0 for none
}

// Resemble compares rows, each as an insert, with what is known of them. next returns nil after the last one. The state is of no
// use afterwards.
func (s *State) Resemble(next func() (decode.Message, error)) (found [decode.Positions + 1]Resemblance, err error) {
	m := newMachine(s, "")
	m.rows = &snapshot{}
	for _, t := range decode.Tables {
		m.rows.tables[t].op = schemas.OpReconcile
		found[t].Known = s.images(t).rows
	}
	for {
		message, err := next()
		if err != nil || message == nil {
			return found, err
		}
		if err := m.resemble(message, &found); err != nil {
			return found, err
		}
	}
}

func (m *machine) resemble(message decode.Message, found *[decode.Positions + 1]Resemblance) error {
	var table decode.Table
	var key string
	var times []decode.Value
	switch row := message.(type) {
	case *decode.BlockChange:
		table, key, times = decode.Blocks, blockKey(&row.New), row.New[decode.LastS1Failure:decode.LastSuccess+1]
	case *decode.PositionChange:
		table, key, times = decode.Positions, string(row.New[decode.PositionID].Text), row.New[decode.UpdatedAt:decode.UpdatedAt+1]
	default:
		return fmt.Errorf("compare rows: unexpected %T", message)
	}
	of := &found[table]
	of.Found++
	for _, at := range times {
		of.Newest = max(of.Newest, stampOf(at, stamp{}).at)
	}
	if _, known := m.state.images(table).get(bytesOf(key)); known {
		of.Shared++
		if _, err := m.apply(message); err != nil {
			return err
		}
		if m.out.isSilent() {
			of.Equal++
		}
		m.out.reset()
	}
	return nil
}

// isSilent reports whether no event is in the outbox.
func (o *outbox) isSilent() bool { return len(o.ends) == 0 }
