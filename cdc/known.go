package cdc

import (
	"fmt"
	"strings"

	"lowcap-cdc/cdc/internal/jsonb"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// KnownBlock is what the image of a block says, for those who look.
type KnownBlock struct {
	Block       schemas.Block   `json:"block"`
	Stages      []schemas.Stage `json:"stages"`      // blocked now
	Since       schemas.Instant `json:"since"`       // when the first of them became so; empty when no one saw it
	FailureTS   schemas.Instant `json:"failure_ts"`  // the newest failure
	Orphaned    bool            `json:"orphaned"`    // stage 2 stays blocked for ever
	Ineffective bool            `json:"ineffective"` // under a book that the bot never consults
}

// KnownPosition is what the image of a position says, for those who look.
type KnownPosition struct {
	Position   schemas.Position `json:"position"`
	PoolOpen   bool             `json:"pool_open"`
	PoolUSD    schemas.Number   `json:"usd_basis"` // in the pool
	DXCount    schemas.Number   `json:"dx_count"`  // rebuys made from it
	Recovering bool             `json:"recovering"`

	Quantity   schemas.Number `json:"total_quantity"`
	Held       bool           `json:"held"`       // the quantity is more than dust
	Exit       *KnownExit     `json:"exit"`       // wanted of a position that is held; null when it is not
	Unrecorded []KnownGrowth  `json:"unrecorded"` // growth of the books that no record covers yet
	Stranded   bool           `json:"stranded"`   // tokens are held although the engine is in S0
	NotSet     *KnownLoss     `json:"not_set"`    // the last trade ended with a loss and its block was not set; null when it was, or need not
}

// KnownLoss is a trade that ended with a loss, two minutes after which its token was not blocked.
type KnownLoss struct {
	TradeID  string          `json:"trade_id"`
	PnLUSD   schemas.Number  `json:"pnl_usd"`
	Stages   []schemas.Stage `json:"stages"`    // in which it bought
	FirstBuy schemas.Instant `json:"first_buy"` // a failure timestamp of the block from here on answers the loss
	Since    schemas.Instant `json:"since"`     // commit time of the trade's end

	BlockKey string `json:"-"` // of the state record of the block that the bot consults
}

// KnownExit is an exit that the engine wants of a position that is held.
type KnownExit struct {
	Since    schemas.Instant `json:"since"`     // commit time of the change since which both are true
	Flag     string          `json:"flag"`      // the engine's, as it was then
	Reason   schemas.Text    `json:"reason"`    // the engine's
	ValueUSD schemas.Number  `json:"value_usd"` // of the tokens at the engine's price; null without a price
	Told     uint32          `json:"told"`      // emergency_exit.pending so far
}

// KnownGrowth is a growth of a position's books that nothing was recorded for, and that is not told yet.
type KnownGrowth struct {
	Direction string          `json:"direction"`
	Tokens    schemas.Number  `json:"tokens"`
	USD       schemas.Number  `json:"usd"`
	Since     schemas.Instant `json:"since"` // commit time of its first change
}

// ReadBlock reads the state record of a block. It returns nil for a record of something else, and for a block that is
// gone, whose value is nil.
func ReadBlock(key string, value []byte) (*KnownBlock, error) {
	id, ours := strings.CutPrefix(key, blockPrefix)
	if !ours || value == nil {
		return nil, nil
	}
	var image blockImage
	if err := image.decode(value); err != nil {
		return nil, fmt.Errorf("read block %q: %w", id, err)
	}
	part := append(strings.SplitN(id, "\x00", 4), "", "", "")
	b := &KnownBlock{
		Block:    schemas.Block{TokenContract: part[0], TokenChain: part[1], Timeframe: part[2], BookID: part[3]},
		Stages:   image.stages(),
		Orphaned: image.isOrphaned(), Ineffective: part[3] != effectiveBook,
	}
	if failed := max(image.fail1.at, image.fail2.at); failed != 0 {
		b.FailureTS = jsonb.FormatInstant(failed)
	}
	if since := image.blockedSince(); since != 0 {
		b.Since = jsonb.FormatInstant(since)
	}
	return b, nil
}

// blockedSince is when the first of the stages that are blocked now became so, 0 when no one saw it.
func (b *blockImage) blockedSince() decode.Micros {
	var since decode.Micros
	if isTrue(b.s1) {
		since = b.since1
	}
	if isTrue(b.s2) && b.since2 != 0 && (since == 0 || b.since2 < since) {
		since = b.since2
	}
	return since
}

// ReadPosition reads the state record of a position. It returns nil for a record of something else, and for a position
// that is gone, whose value is nil.
func ReadPosition(key string, value []byte) (*KnownPosition, error) {
	id, ours := strings.CutPrefix(key, positionPrefix)
	if !ours || value == nil {
		return nil, nil
	}
	var image positionImage
	if err := image.decode(value); err != nil {
		return nil, fmt.Errorf("read position %q: %w", id, err)
	}
	p := &KnownPosition{Position: entityOf(id, &image, func(text []byte) string { return string(text) })}
	known := knownKeys(image.history)
	pool := known[trimPool]
	if remembered := &image.keys[trimPool]; remembered.isBad {
		pool = remembered.good // what it was before it became unreadable
	}
	if v, bad := new(valueParser).read(trimPool, pool); bad == nil && !v.empty {
		p.PoolOpen, p.Recovering = true, v.isRecovering()
		p.PoolUSD = v.number("usd_basis")
		p.DXCount = v.number("dx_count")
	}
	p.readWaits(&image)
	return p, nil
}

// readWaits reads what did not happen yet, and what is left where nothing should be.
func (p *KnownPosition) readWaits(image *positionImage) {
	quantity, e := image.column(decode.TotalQuantity), &image.waits.exit
	p.Quantity, p.Held = schemas.Number(quantity), isHeld(image, image)
	p.Stranded = p.Held && string(image.column(decode.State)) == "S0"
	if e.since != 0 {
		p.Exit = &KnownExit{Since: jsonb.FormatInstant(e.since), Flag: e.flag.flag(), Reason: textOf(e.reason),
			ValueUSD: valueOf(quantity, e.price), Told: e.told}
	}
	if l := &image.waits.unset; l.at != 0 {
		p.NotSet = &KnownLoss{TradeID: string(l.trade), PnLUSD: schemas.Number(l.pnl), Stages: l.buys.stages(),
			FirstBuy: jsonb.FormatInstant(l.buys.first), Since: jsonb.FormatInstant(l.at), BlockKey: blockPrefix + string(image.blockKey())}
	}
	p.Unrecorded = []KnownGrowth{}
	for _, w := range []struct {
		of    book
		waits *unrecorded
	}{{buyBook, &image.waits.buys}, {sellBook, &image.waits.sells}} {
		if w.waits.since != 0 {
			p.Unrecorded = append(p.Unrecorded, KnownGrowth{Direction: w.of.direction, Tokens: schemas.Number(w.waits.tokens),
				USD: schemas.Number(w.waits.usd), Since: jsonb.FormatInstant(w.waits.since)})
		}
	}
}
