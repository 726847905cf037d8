package readable

import (
	"cmp"
	"slices"
	"strings"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
)

// Board holds the rows that an operator looks for: blocks in force, open pools, and positions that
// wait for something. It follows the state records as they are committed.
type Board struct {
	blocks map[string]*cdc.KnownBlock // pointers: a map keeps the room of rows that are gone
	pools  map[string]*cdc.KnownPosition
	waits  map[string]*cdc.KnownPosition
	failed map[string]schemas.Instant // newest failure of each block that had one, in force or not
}

// NewBoard returns an empty board.
func NewBoard() *Board {
	return &Board{blocks: make(map[string]*cdc.KnownBlock), pools: make(map[string]*cdc.KnownPosition),
		waits: make(map[string]*cdc.KnownPosition), failed: make(map[string]schemas.Instant)}
}

// Row is what a board shows of a state record.
type Row struct {
	key    string
	block  *cdc.KnownBlock    // nil for none, and for one that blocks nothing
	pool   *cdc.KnownPosition // nil for none, and for one that holds nothing
	waits  *cdc.KnownPosition // nil for none, and for one that waits for nothing
	failed schemas.Instant    // of a block
}

// ReadRow reads a state record. It keeps nothing of it.
func ReadRow(key string, value []byte) (Row, error) {
	key = strings.Clone(key)
	row := Row{key: key}
	block, err := cdc.ReadBlock(key, value)
	if err != nil {
		return row, err
	}
	if block != nil {
		row.failed = block.FailureTS
		if len(block.Stages) > 0 {
			row.block = block
		}
	}
	position, err := cdc.ReadPosition(key, value)
	if err != nil {
		return row, err
	}
	if position != nil && position.PoolOpen {
		row.pool = position
	}
	if position != nil && (position.Exit != nil || len(position.Unrecorded) > 0 || position.Stranded || position.NotSet != nil) {
		row.waits = position
	}
	return row, nil
}

// Put replaces what the board knew of a row. It returns whether the board shows anything of it, before or after.
func (b *Board) Put(row Row) (shown bool) {
	shown = b.shows(row.key)
	delete(b.blocks, row.key)
	delete(b.pools, row.key)
	delete(b.waits, row.key)
	delete(b.failed, row.key)
	if row.failed != "" {
		b.failed[row.key] = row.failed
	}
	if row.block != nil {
		b.blocks[row.key] = row.block
	}
	if row.pool != nil {
		b.pools[row.key] = row.pool
	}
	if row.waits != nil {
		b.waits[row.key] = row.waits
	}
	return shown || b.shows(row.key)
}

func (b *Board) shows(key string) bool {
	_, blocked := b.blocks[key]
	_, open := b.pools[key]
	_, waits := b.waits[key]
	_, failed := b.failed[key]
	return blocked || open || waits || failed
}

// Load puts a state record on the board. A record that cannot be read takes its row off.
func (b *Board) Load(key string, value []byte) error {
	row, err := ReadRow(key, value)
	b.Put(row)
	return err
}

// Blocked returns the blocks that stand, the oldest failure first.
func (b *Board) Blocked() []cdc.KnownBlock {
	list := make([]cdc.KnownBlock, 0, len(b.blocks))
	for _, block := range b.blocks {
		list = append(list, *block)
	}
	slices.SortFunc(list, func(x, y cdc.KnownBlock) int {
		return cmp.Or(cmp.Compare(x.FailureTS, y.FailureTS), cmp.Compare(x.Block.TokenContract, y.Block.TokenContract),
			cmp.Compare(x.Block.Timeframe, y.Block.Timeframe))
	})
	return list
}

// Open returns the pools that hold something, by token.
func (b *Board) Open() []cdc.KnownPosition { return byToken(b.pools) }

func byToken(positions map[string]*cdc.KnownPosition) []cdc.KnownPosition {
	list := make([]cdc.KnownPosition, 0, len(positions))
	for _, position := range positions {
		list = append(list, *position)
	}
	slices.SortFunc(list, func(x, y cdc.KnownPosition) int {
		return cmp.Or(cmp.Compare(TokenOf(&x.Position), TokenOf(&y.Position)), cmp.Compare(x.Position.ID, y.Position.ID))
	})
	return list
}

// TokenOf names a position's token: its ticker, or its contract where it has none.
func TokenOf(p *schemas.Position) string {
	for _, text := range []schemas.Text{p.TokenTicker, p.TokenContract} {
		if text != nil && *text != "" {
			return Shorten(Printable(*text))
		}
	}
	return p.ID
}
