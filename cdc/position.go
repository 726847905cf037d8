package cdc

import (
	"bytes"
	"fmt"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// document is what a row says of its history.
type document struct {
	sent    bool // the row carries features; otherwise the history is as it was
	inOld   bool // there is an old row, which may have them
	parsed  decode.Features
	history []byte
	wish    wish // of the engine, where the document can be read
	// engineRead says that it could; otherwise the wish is as it was.
	engineRead bool
	why        *malformed // features or the history cannot be read
	large      *malformed // the history is larger than what is judged of it
}

func readDocument(features decode.Value) document {
	switch features.Kind {
	case decode.Unchanged, decode.Missing:
		return document{}
	case decode.Null:
		return document{sent: true, engineRead: true}
	}
	parsed, err := decode.ParseFeatures(features.Text)
	if err != nil {
		return document{sent: true, why: &malformed{"features", features.Text, err.Error()}}
	}
	d := document{sent: true, parsed: parsed, history: parsed.History, engineRead: true}
	d.wish = wishOf(parsed.Engine, !parsed.DoubleEncoded)
	if d.history != nil && d.history[0] != '{' {
		d.why, d.history = &malformed{"pm_execution_history", d.history, "not an object"}, nil
	}
	if len(d.history) > maxHistory {
		d.large = &malformed{"pm_execution_history", d.history, "larger than 8 MiB: unknown keys and fields beyond that were not looked at"}
		d.history = condense(d.history)
	}
	return d
}

// applyPosition compares a row with its image. A row in which nothing that is watched changed costs one pass over its
// document and no allocation.
func (m *machine) applyPosition(change *decode.PositionChange) error {
	if change.Op == decode.Delete {
		c := m.positionChange(string(change.Old[decode.PositionID].Text), m.op(decode.Positions, change.Op))
		return m.deletePosition(&c)
	}
	row := &change.New
	idText := row[decode.PositionID].Text
	if change.HasOld && !bytes.Equal(change.Old[decode.PositionID].Text, idText) {
		return m.movePosition(change)
	}
	if m.rows != nil {
		if err := m.passTo(decode.Positions, string(idText)); err != nil {
			return err
		}
	}
	image, known := m.state.positions.get(idText)
	if !known || m.isFresh(decode.Positions) {
		c := m.positionChange(string(idText), m.op(decode.Positions, change.Op))
		if err := m.endKnown(&c, image); err != nil {
			return err
		}
		m.firstSight(c, whole(change), nil, change.Op == decode.Update)
		return nil
	}
	doc := readDocument(row[decode.FeaturesColumn])
	doc.inOld = change.HasOld
	if isUnchanged(row, image, &doc) {
		return nil
	}
	if err := m.was.decode(image); err != nil {
		return fmt.Errorf("position %s: %w", idText, err)
	}
	if m.was.incomplete && !doc.sent {
		row = whole(change)
		doc = readDocument(row[decode.FeaturesColumn])
	}
	m.diffPosition(m.positionChange(string(idText), m.opOfKnown(decode.Positions, change.Op)), row, &doc)
	return nil
}

// whole returns the new row with what the old one tells of it: a value that is stored out of line and was not touched is
// not sent again, and under REPLICA IDENTITY FULL the old row has it.
func whole(change *decode.PositionChange) *decode.PositionRow {
	if !change.HasOld {
		return &change.New
	}
	row := change.New
	for i := range row {
		if row[i].Kind == decode.Unchanged && change.Old[i].Kind == decode.Text {
			row[i] = change.Old[i]
		}
	}
	return &row
}

// endKnown tells what waits of a row that stood in another table of the same name; image is nil when none did.
func (m *machine) endKnown(c *change, image []byte) error {
	if image == nil {
		return nil
	}
	if err := m.was.decode(image); err != nil {
		return fmt.Errorf("position %s: %w", c.subject, err)
	}
	c.describe(&m.was)
	m.tellLast(c, &m.was)
	return nil
}

// isUnchanged reports whether a row is as its image has it, by comparing bytes. It allocates nothing, and of the image it
// reads only what a row tells, which comes first.
func isUnchanged(row *decode.PositionRow, image []byte, doc *document) bool {
	r := reader{data: image}
	if r.byte() != imageVersion {
		return false
	}
	var room [uuidLength]byte // takes what a timestamp prints too
	for _, c := range imageColumns {
		if before, _ := r.text(room[:0]); !isAs(row[c], before) {
			return false
		}
	}
	completed := r.varint()
	if trades, bad := countTrades(row[decode.CompletedTrades], completed); trades != completed || bad != nil {
		return false
	}
	flags := r.byte()
	incomplete := flags&isIncomplete != 0
	if !doc.sent {
		return !incomplete || !doc.inOld
	}
	if flags&isWanted != 0 || (doc.engineRead && doc.wish != wishIn(flags)) {
		return false
	}
	history := r.optional()
	return doc.why == nil && !incomplete && bytes.Equal(doc.history, history) && (doc.history == nil) == (history == nil) && r.err == nil
}

// countTrades counts the elements of completed_trades.
func countTrades(v decode.Value, before int64) (int64, *malformed) {
	switch v.Kind {
	case decode.Unchanged, decode.Missing:
		return before, nil
	case decode.Null:
		return 0, nil
	}
	if len(v.Text) == 0 || v.Text[0] != '[' {
		if bytes.Equal(v.Text, []byte("null")) {
			return 0, nil
		}
		return before, &malformed{"completed_trades", v.Text, "not an array"}
	}
	return decode.Elements(v.Text), nil
}

func (m *machine) positionChange(id string, op schemas.Op) change {
	c := change{emitter: &m.emitter, op: op, row: id}
	c.subject = c.whole(id)
	return c
}

// describe sets the entity of a change from the image.
func (c *change) describe(image *positionImage) {
	c.entity = entityOf(c.subject, image, c.strings.keep)
	for _, text := range image.columns {
		if len(text) > maxText {
			c.flagOnce(schemas.TextTruncated)
		}
	}
	c.key = c.joined(image.column(decode.TokenChain), image.column(decode.TokenContract), image.column(decode.Timeframe))
}

// entityOf returns the entity of a position. keep makes its strings.
func entityOf(id string, image *positionImage, keep func([]byte) string) schemas.Position {
	room := make([]string, 0, 8) // what the texts point to
	column := func(n int) schemas.Text {
		text := image.column(n)
		if text == nil {
			return nil
		}
		room = append(room, keep(text))
		return &room[len(room)-1]
	}
	return schemas.Position{
		ID:            id,
		TokenChain:    column(decode.TokenChain),
		TokenContract: column(decode.TokenContract),
		TokenTicker:   column(decode.TokenTicker),
		Timeframe:     column(decode.Timeframe),
		BookID:        column(decode.BookID),
		Status:        column(decode.Status),
		State:         column(decode.State),
		TradeID:       column(decode.CurrentTradeID),
	}
}

// diffPosition reports what changed from the image to the row, and stores the new image.
func (m *machine) diffPosition(of change, row *decode.PositionRow, doc *document) {
	m.position = m.was
	now := &m.position
	now.waits.rebase(m.tx.CommitTime)
	now.setColumns(row)
	var badTrades *malformed
	now.completed, badTrades = countTrades(row[decode.CompletedTrades], m.was.completed)
	h := m.beginHistory(of, now)
	c := &h.change
	c.describe(now)
	if doc.parsed.DoubleEncoded {
		c.flags = append(c.flags, schemas.DoubleEncoded)
	}
	h.was = &m.was
	now.setWish(doc)
	tradeBefore, trade := m.was.column(decode.CurrentTradeID), now.column(decode.CurrentTradeID)
	tradeMoved := !bytes.Equal(tradeBefore, trade)
	h.engine, h.fresh = doc.parsed.Engine, tradeBefore == nil || tradeMoved || m.was.freshTrade
	if tradeMoved {
		now.freshTrade = trade != nil
		h.ended, h.opened = tradeBefore, trade
	}
	readable := doc.sent && doc.why == nil
	switch {
	case readable && m.was.incomplete:
		c.flags = append(c.flags, schemas.BaselineIncomplete)
		h.absorb(doc.history, c.emitBaseline(now, doc.history))
	case readable:
		h.judge(m.was.history, doc.history)
		h.report()
	}
	h.diffColumns(row, doc)
	h.trackBooks()
	h.reportMalformed()
	c.reportDocument(now, malformedNumbers(&m.was, now)...)
	c.reportDocument(now, doc.why, doc.large, badTrades)
	h.reportUnknown()
	if readable && !m.was.incomplete {
		h.updateMemories(doc.history)
		now.freshTrade = now.freshTrade && !h.executed()
		h.noteRecord()
	}
	m.storePosition(c.row, now)
}

// setWish takes in what the engine wants; a document that was not sent, or cannot be read, leaves it as it was.
func (p *positionImage) setWish(doc *document) {
	if doc.engineRead {
		p.wish = doc.wish
	}
}

// executed reports whether the change recorded a buy or a sell.
func (h *history) executed() bool {
	return h.isBuy() || h.isNew(lastTrim)
}

func (c *change) reportDocument(image *positionImage, parts ...*malformed) {
	for _, bad := range parts {
		if bad != nil {
			c.quarantine(&image.document, bad)
		}
	}
}

func (p *positionImage) setColumns(row *decode.PositionRow) {
	for i, c := range imageColumns {
		p.columns[i] = column(row[c], p.columns[i])
	}
}

// firstSight reports a row of which nothing is known: nothing in it is new, everything in it is seen from now on. A row
// whose key changed has from, the image under the old key; what the change leaves out is as it was there.
func (m *machine) firstSight(of change, row *decode.PositionRow, from *positionImage, update bool) {
	m.position = positionImage{}
	image := &m.position
	h := m.beginHistory(of, image)
	c := &h.change
	if from != nil {
		image.columns, image.completed, image.wish = from.columns, from.completed, from.wish
	}
	image.setColumns(row)
	doc := readDocument(row[decode.FeaturesColumn])
	if !doc.sent && from != nil && !from.incomplete {
		doc = document{sent: true, history: from.history}
	}
	var badTrades *malformed
	image.completed, badTrades = countTrades(row[decode.CompletedTrades], image.completed)
	image.setWish(&doc)
	image.watchExit(c.tx.CommitTime, image.wish != 0 && isHeld(image, image), &doc)
	if from != nil && !doc.engineRead {
		image.waits.exit.price, image.waits.exit.reason = from.waits.exit.price, from.waits.exit.reason
	}
	c.describe(image)
	if doc.parsed.DoubleEncoded {
		c.flags = append(c.flags, schemas.DoubleEncoded)
	}
	if update {
		c.flags = append(c.flags, schemas.BaselineIncomplete)
	}
	at := c.place()
	inserted := c.op == schemas.OpInsert
	if inserted {
		c.emit(&schemas.PositionCreated{PositionColumns: image.published()}, nil, nil, atCommit)
	}
	if !inserted || hasMembers(doc.history) {
		at = c.emitBaseline(image, doc.history)
	}
	if doc.sent && doc.why == nil {
		h.absorb(doc.history, at)
		h.reportMalformed()
	} else {
		h.absorb(nil, at)
		image.incomplete = !doc.sent
	}
	c.reportDocument(image, malformedNumbers(&positionImage{}, image)...)
	c.reportDocument(image, doc.why, doc.large, badTrades)
	m.storePosition(c.row, image)
}

func hasMembers(document []byte) bool {
	return document != nil && len(bytes.TrimSpace(document[1:len(document)-1])) > 0
}

func (c *change) emitBaseline(image *positionImage, history []byte) place {
	return c.emit(&schemas.PositionBaseline{PositionColumns: image.published(), History: c.bound(history)}, nil, history, atCommit)
}

// movePosition handles a change of the primary key: the old row is gone, the new one is seen for the first time.
func (m *machine) movePosition(change *decode.PositionChange) error {
	op := m.op(decode.Positions, change.Op)
	gone := m.positionChange(string(change.Old[decode.PositionID].Text), op)
	var was *positionImage
	if data, known := m.state.positions.get(bytesOf(gone.row)); known {
		if was = new(positionImage); was.decode(data) != nil {
			was = nil // deletePosition says so
		}
	}
	if err := m.deletePosition(&gone); err != nil {
		return err
	}
	c := m.positionChange(string(change.New[decode.PositionID].Text), op)
	c.event = gone.event
	return m.created(&c, whole(change), was)
}

// created reports the row that a changed key made: it is there for the first time, with all that it held before. What the
// same change made of its history comes after that: an exit must not be taken for an old one.
func (m *machine) created(c *change, row *decode.PositionRow, from *positionImage) error {
	var image positionImage
	if from != nil {
		image.columns, image.completed = from.columns, from.completed
	}
	image.setColumns(row)
	image.completed, _ = countTrades(row[decode.CompletedTrades], image.completed)
	c.describe(&image)
	c.emit(&schemas.PositionCreated{PositionColumns: image.published()}, nil, nil, atCommit)
	if from == nil || from.incomplete || row[decode.FeaturesColumn].Kind == decode.Unchanged {
		m.firstSight(*c, row, from, false)
		return nil
	}
	moved := *row
	moved[decode.FeaturesColumn] = decode.Value{Kind: decode.Unchanged}
	m.firstSight(*c, &moved, from, false)
	known, _ := m.state.positions.get(bytesOf(c.row))
	if err := m.was.decode(known); err != nil {
		return fmt.Errorf("position %s: %w", c.subject, err)
	}
	doc := readDocument(row[decode.FeaturesColumn])
	next := m.positionChange(c.row, c.op)
	next.event = m.history.event
	m.diffPosition(next, row, &doc)
	return nil
}

func (m *machine) deletePosition(c *change) error {
	var image positionImage
	if data, known := m.state.positions.get(bytesOf(c.row)); !known || m.damaged {
		c.entity = schemas.Position{ID: c.subject}
		c.mark(true, schemas.BaselineIncomplete)
	} else if err := image.decode(data); err != nil {
		return fmt.Errorf("position %s: %w", c.subject, err)
	} else {
		c.describe(&image)
	}
	c.emit(&schemas.PositionDeleted{PositionColumns: image.published()}, image.history, nil, atCommit)
	m.tellLast(c, &image)
	m.drop(decode.Positions, c.row)
	return nil
}
