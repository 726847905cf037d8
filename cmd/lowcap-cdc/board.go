package main

import (
	"cmp"
	"slices"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// board holds the rows that somebody wants to see: blocks that block and pools that hold something. It follows the
// state records as they are committed.
type board struct {
	blocks map[string]cdc.BlockStanding
	pools  map[string]cdc.PositionStanding
}

func newBoard() *board {
	return &board{blocks: make(map[string]cdc.BlockStanding), pools: make(map[string]cdc.PositionStanding)}
}

// load takes in a state record.
func (b *board) load(key string, value []byte) error {
	delete(b.blocks, key)
	delete(b.pools, key)
	block, err := cdc.ReadBlock(key, value)
	if err != nil {
		return err
	}
	if block != nil && len(block.Stages) > 0 {
		b.blocks[key] = *block
	}
	position, err := cdc.ReadPosition(key, value)
	if err != nil {
		return err
	}
	if position != nil && position.PoolOpen {
		b.pools[key] = *position
	}
	return nil
}

// blocked returns the blocks that stand, the oldest failure first.
func (b *board) blocked() []cdc.BlockStanding {
	list := make([]cdc.BlockStanding, 0, len(b.blocks))
	for _, block := range b.blocks {
		list = append(list, block)
	}
	slices.SortFunc(list, func(x, y cdc.BlockStanding) int {
		return cmp.Or(cmp.Compare(x.FailureTS, y.FailureTS), cmp.Compare(x.Block.TokenContract, y.Block.TokenContract),
			cmp.Compare(x.Block.Timeframe, y.Block.Timeframe))
	})
	return list
}

// open returns the pools that hold something, by token.
func (b *board) open() []cdc.PositionStanding {
	list := make([]cdc.PositionStanding, 0, len(b.pools))
	for _, position := range b.pools {
		list = append(list, position)
	}
	slices.SortFunc(list, func(x, y cdc.PositionStanding) int {
		return cmp.Or(cmp.Compare(tokenOf(&x.Position), tokenOf(&y.Position)), cmp.Compare(x.Position.ID, y.Position.ID))
	})
	return list
}

// tokenOf names a position's token: its ticker, or its contract where it has none.
func tokenOf(p *schemas.Position) string {
	for _, text := range []schemas.Text{p.TokenTicker, p.TokenContract} {
		if text != nil && *text != "" {
			return printable(*text)
		}
	}
	return p.ID
}
