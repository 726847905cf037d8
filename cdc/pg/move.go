package pg

import (
	"bytes"
	"context"

	"lowcap-cdc/decode"
)

// An update that moves a row to another partition comes as a DELETE and an INSERT, one behind the other. It is still an
// update of the row: were it taken for a new one, an exit in it would be old news.

// knowParts takes in which of the watched tables are partitioned.
func (s *Source) knowParts(found *catalog) {
	for _, t := range decode.Tables {
		if e := &found.tables[t]; e.id.OID != 0 {
			s.parts[t] = e.isPartitioned()
		}
	}
}

// moved makes an update of a DELETE from a partitioned table when the INSERT behind it is of the same key. Otherwise the
// DELETE is as it was, and the frame behind it waits.
func (s *Source) moved(ctx context.Context, f frame, gone decode.Message) (decode.Message, error) {
	table, key := deletedKey(gone)
	if table == 0 || !s.parts[table] {
		return gone, nil
	}
	first := bytes.Clone(f.data)
	behind := frame{}
	for behind.data == nil { // a keepalive says nothing inside a transaction
		var err error
		if behind, err = s.stream.next(ctx); err != nil {
			return nil, err
		}
		if behind.data != nil && behind.data[0] == 'R' { // another partition describes the table anew
			if _, err := s.decoder.Decode(behind.data); err != nil {
				return nil, err
			}
			behind.data = nil
		}
	}
	if behind.data[0] == 'I' {
		inserted, err := s.decoder.Decode(behind.data)
		if err != nil || asUpdate(inserted, key) {
			return inserted, err
		}
	}
	s.held, s.holding = behind, true
	return s.decoder.Decode(first)
}

// rowKey is a copy of the values of a row's primary key.
type rowKey [4]string

// deletedKey returns the table and the key of a deleted row; no table for any other message.
func deletedKey(m decode.Message) (decode.Table, rowKey) {
	switch m := m.(type) {
	case *decode.BlockChange:
		if m.Op == decode.Delete {
			return decode.Blocks, blockKey(&m.Old)
		}
	case *decode.PositionChange:
		if m.Op == decode.Delete {
			return decode.Positions, rowKey{string(m.Old[decode.PositionID].Text)}
		}
	}
	return 0, rowKey{}
}

func blockKey(row *decode.BlockRow) (key rowKey) {
	for i, column := range []int{decode.BlockContract, decode.BlockChain, decode.BlockTimeframe, decode.BlockBook} {
		key[i] = string(row[column].Text)
	}
	return key
}

// asUpdate makes an update of an inserted row that has the key.
func asUpdate(m decode.Message, key rowKey) bool {
	switch m := m.(type) {
	case *decode.BlockChange:
		if blockKey(&m.New) == key {
			m.Op = decode.Update
			return true
		}
	case *decode.PositionChange:
		if string(m.New[decode.PositionID].Text) == key[0] {
			m.Op = decode.Update
			return true
		}
	}
	return false
}
