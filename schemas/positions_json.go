package schemas

// Type returns lowcap.position.created.v1.
func (*PositionCreated) Type() Type { return "lowcap.position.created.v1" }

// AppendJSON implements Data.
func (e *PositionCreated) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.positionColumns(&e.PositionColumns)
	return o.common(&e.Common)
}

// Type returns lowcap.position.deleted.v1.
func (*PositionDeleted) Type() Type { return "lowcap.position.deleted.v1" }

// AppendJSON implements Data.
func (e *PositionDeleted) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.positionColumns(&e.PositionColumns)
	return o.common(&e.Common)
}

// Type returns lowcap.position.baseline.v1.
func (*PositionBaseline) Type() Type { return "lowcap.position.baseline.v1" }

// AppendJSON implements Data.
func (e *PositionBaseline) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.positionColumns(&e.PositionColumns)
	o.raw("history", e.History)
	return o.common(&e.Common)
}

// Type returns lowcap.position.status_changed.v1.
func (*PositionStatusChanged) Type() Type { return "lowcap.position.status_changed.v1" }

// AppendJSON implements Data.
func (e *PositionStatusChanged) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.text("from", e.From)
	o.text("to", e.To)
	return o.common(&e.Common)
}

// Type returns lowcap.trade.opened.v1.
func (*TradeOpened) Type() Type { return "lowcap.trade.opened.v1" }

// AppendJSON implements Data.
func (e *TradeOpened) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("trade_id", e.TradeID)
	return o.common(&e.Common)
}

// Type returns lowcap.trade.closed.v1.
func (*TradeClosed) Type() Type { return "lowcap.trade.closed.v1" }

// AppendJSON implements Data.
func (e *TradeClosed) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("trade_id", e.TradeID)
	o.text("close_reason", e.CloseReason)
	o.instant("closed_at", e.ClosedAt)
	o.raw("completed_trade", e.CompletedTrade)
	return o.common(&e.Common)
}

// Type returns lowcap.stream.gap.v1.
func (*StreamGap) Type() Type { return "lowcap.stream.gap.v1" }

// AppendJSON implements Data.
func (e *StreamGap) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("from_lsn", e.FromLSN)
	o.string("to_lsn", e.ToLSN)
	o.instant("from_time", e.FromTime)
	o.instant("to_time", e.ToTime)
	o.string("why", e.Why)
	return o.common(&e.Common)
}

// Type returns lowcap.stream.reconciled.v1.
func (*StreamReconciled) Type() Type { return "lowcap.stream.reconciled.v1" }

// AppendJSON implements Data.
func (e *StreamReconciled) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.uint("rows", e.Rows)
	o.uint("differences", e.Differences)
	return o.common(&e.Common)
}

// Type returns lowcap.table.truncated.v1.
func (*TableTruncated) Type() Type { return "lowcap.table.truncated.v1" }

// AppendJSON implements Data.
func (e *TableTruncated) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("table", e.Table)
	o.uint("rows", e.Rows)
	return o.common(&e.Common)
}

// Type returns lowcap.table.missing.v1.
func (*TableMissing) Type() Type { return "lowcap.table.missing.v1" }

// AppendJSON implements Data.
func (e *TableMissing) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("table", e.Table)
	o.string("why", e.Why)
	return o.common(&e.Common)
}

// Type returns lowcap.table.present.v1.
func (*TablePresent) Type() Type { return "lowcap.table.present.v1" }

// AppendJSON implements Data.
func (e *TablePresent) AppendJSON(dst []byte) []byte {
	o := beginObject(dst)
	o.string("table", e.Table)
	o.string("why", e.Why)
	return o.common(&e.Common)
}

func (o *object) positionColumns(e *PositionColumns) {
	o.number("total_quantity", e.TotalQuantity)
	o.number("total_allocation_usd", e.TotalAllocationUSD)
	o.number("total_extracted_usd", e.TotalExtractedUSD)
	o.number("total_tokens_bought", e.TotalTokensBought)
	o.number("total_tokens_sold", e.TotalTokensSold)
	o.instant("closed_at", e.ClosedAt)
	o.text("close_reason", e.CloseReason)
	o.instant("created_at", e.CreatedAt)
	o.number("completed_trades_count", e.CompletedTradesCount)
}
