-- What the recorded traces of the source system do not contain: one statement, or one transaction, a paragraph.
-- Written by hand after the source's own code; TestRecordedEvents runs it after the traces.

create function history(of_position uuid, value jsonb) returns void language sql as
$$ update lowcap_positions set features = coalesce(features, '{}') || jsonb_build_object('pm_execution_history', value) where id = of_position $$

-- A position is bought, sold in an emergency, written back by a stale write, and bought again from its pool.
insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, state, current_trade_id, book_id, created_at, features)
values ('0a000000-0000-4000-8000-000000000001', 'solana', 'ExitAndRebuy1111111111111111111111111111111', 'EXIT', '1h', 'active', 'S3', '0b000000-0000-4000-8000-000000000001', 'onchain_crypto', '2026-01-17T09:00:00Z',
  '{"uptrend_engine_v4": {"state": "S3", "price": 0.0389, "exit_reason": "emergency_exit_ema333"}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S3", "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T10:00:00+00:00", "price": 0.0389, "size_frac": 1.0, "signal": "emergency_exit", "sr_level_price": null}, "trim_pool": {"usd_basis": 120.5, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit": {"timestamp": "2026-01-18T10:00:00+00:00", "exit_value_usd": 125.0, "rebuy_used": false}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S3", "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T10:00:00+00:00", "price": 0.0389, "size_frac": 1.0, "signal": "emergency_exit", "sr_level_price": null}, "trim_pool": {"usd_basis": 120.5, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit": {"timestamp": "2026-01-18T10:00:00+00:00", "exit_value_usd": 125.0, "rebuy_used": false}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S3", "last_s3_buy": {"timestamp": "2026-01-18T10:42:00+00:00", "price": 0.0402, "size_frac": 0.2, "signal": "reclaimed_ema333", "state": "S3"}, "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T10:00:00+00:00", "price": 0.0389, "size_frac": 1.0, "signal": "emergency_exit", "sr_level_price": null}, "trim_pool": {"usd_basis": 120.5, "recovery_started": true, "dx_count": 1, "dx_last_price": 0.0402, "dx_next_arm": 0.0378}, "last_emergency_exit": {"timestamp": "2026-01-18T10:00:00+00:00", "exit_value_usd": 125.0, "rebuy_used": true}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S3", "last_s3_buy": {"timestamp": "2026-01-18T11:10:30+00:00", "price": 0.0377, "size_frac": 0.2, "signal": "buy_flag", "state": "S3"}, "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T10:00:00+00:00", "price": 0.0389, "size_frac": 1.0, "signal": "emergency_exit", "sr_level_price": null}, "trim_pool": {"usd_basis": 120.5, "recovery_started": true, "dx_count": 2, "dx_last_price": 0.0377, "dx_next_arm": 0.0354}, "last_emergency_exit": {"timestamp": "2026-01-18T10:00:00+00:00", "exit_value_usd": 125.0, "rebuy_used": true}}')

select history('0a000000-0000-4000-8000-000000000001', '{"prev_state": "S3", "last_s3_buy": {"timestamp": "2026-01-18T12:05:00.25+00:00", "price": 0.0353, "size_frac": 0.2, "signal": "buy_flag", "state": "S3"}, "last_s2_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.041, "size_frac": 0.3, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T10:00:00+00:00", "price": 0.0389, "size_frac": 1.0, "signal": "emergency_exit", "sr_level_price": null}, "trim_pool": {"usd_basis": 0.0, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit": {"timestamp": "2026-01-18T10:00:00+00:00", "exit_value_usd": 125.0, "rebuy_used": true}}')

-- A second exit, structural, whose pool an S2 dip buy spends; the guard stamp comes without an exit record.
insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, state, current_trade_id, book_id, created_at, features)
values ('0a000000-0000-4000-8000-000000000002', 'base', '0x00000000000000000000000000000000000ddd02', 'DIP', '15m', 'active', 'S2', '0b000000-0000-4000-8000-000000000002', 'onchain_crypto', '2026-01-17T09:00:00Z',
  '{"uptrend_engine_v4": {"state": "S2", "price": 1.25, "exit_reason": "all_emas_below_333"}, "pm_execution_history": {"prev_state": "S2"}}')

select history('0a000000-0000-4000-8000-000000000002', '{"prev_state": "S2", "last_trim": {"timestamp": "2026-01-18T13:00:00+00:00", "price": 1.25, "size_frac": 1.0, "signal": "exit_position", "sr_level_price": null}, "trim_pool": {"usd_basis": 80.25, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit_ts": "2026-01-18T13:00:00.000123+00:00"}')

select history('0a000000-0000-4000-8000-000000000002', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T13:07:30+00:00", "price": 1.19, "size_frac": 0.25, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T13:00:00+00:00", "price": 1.25, "size_frac": 1.0, "signal": "exit_position", "sr_level_price": null}, "trim_pool": {"usd_basis": 0.0, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit_ts": "2026-01-18T13:00:00.000123+00:00"}')

-- Hand edits: the same execution with another price, a pool out of nowhere, a basis corrected, an unknown key, a malformed pool.
select pg_logical_emit_message(true, 'lowcap-cdc', '{"actor": "anna", "reason": "fill price corrected"}');
select history('0a000000-0000-4000-8000-000000000002', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T13:07:30+00:00", "price": 1.192, "size_frac": 0.25, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T13:00:00+00:00", "price": 1.25, "size_frac": 1.0, "signal": "exit_position", "sr_level_price": null}, "trim_pool": {"usd_basis": 15, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit_ts": "2026-01-18T13:00:00.000123+00:00"}')

select history('0a000000-0000-4000-8000-000000000002', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T13:07:30+00:00", "price": 1.192, "size_frac": 0.25, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T13:00:00+00:00", "price": 1.25, "size_frac": 1.0, "signal": "exit_position", "sr_level_price": null}, "trim_pool": {"usd_basis": 16, "recovery_started": false, "dx_count": 0, "dx_last_price": null, "dx_next_arm": null}, "last_emergency_exit_ts": "2026-01-18T13:00:00.000123+00:00", "last_hedge": {"venue": "perp", "size": 0.1}}')

select history('0a000000-0000-4000-8000-000000000002', '{"prev_state": "S2", "last_s2_buy": {"timestamp": "2026-01-18T13:07:30+00:00", "price": 1.192, "size_frac": 0.25, "signal": "buy_flag", "state": "S2"}, "last_trim": {"timestamp": "2026-01-18T13:00:00+00:00", "price": 1.25, "size_frac": 1.0, "signal": "exit_position", "sr_level_price": null}, "trim_pool": [], "last_emergency_exit_ts": "2026-01-18T13:00:00.000123+00:00", "last_hedge": {"venue": "perp", "size": 0.1}}')

delete from lowcap_positions where id = '0a000000-0000-4000-8000-000000000002'

-- Blocks: both stages fail, both succeed; a block set by hand and lifted by hand; a row deleted; the table emptied.
insert into token_timeframe_blocks (token_contract, token_chain, timeframe, book_id, blocked_s1, blocked_s2, last_s1_failure_ts, last_s2_failure_ts)
values ('ExitAndRebuy1111111111111111111111111111111', 'solana', '1h', 'onchain_crypto', true, true, '2026-01-18T10:00:00Z', '2026-01-18T10:00:00.004Z')

update token_timeframe_blocks set blocked_s1 = false, last_success_ts = '2026-01-18T11:30:00Z' where token_contract = 'ExitAndRebuy1111111111111111111111111111111'

update token_timeframe_blocks set blocked_s2 = false, last_success_ts = '2026-01-18T11:30:00.002Z' where token_contract = 'ExitAndRebuy1111111111111111111111111111111'

insert into token_timeframe_blocks (token_contract, token_chain, timeframe, book_id, blocked_s1, last_s1_failure_ts)
values ('0x00000000000000000000000000000000000ddd02', 'base', '15m', 'onchain_crypto', true, '2026-01-18T14:00:00Z')

update token_timeframe_blocks set blocked_s1 = false, last_success_ts = '2026-01-18T14:20:00Z' where token_contract = '0x00000000000000000000000000000000000ddd02'

insert into token_timeframe_blocks (token_contract, token_chain, timeframe, book_id, blocked_s1) values ('0x00000000000000000000000000000000000ddd02', 'base', '15m', 'spot_book', true)

select pg_logical_emit_message(true, 'lowcap-cdc', '{"actor": "anna", "reason": "manual unblock"}');
update token_timeframe_blocks set blocked_s1 = false where book_id = 'spot_book'

delete from token_timeframe_blocks where book_id = 'spot_book'

truncate token_timeframe_blocks

-- What does not happen. The exit of a losing position fails on each tick, and the trade is closed over its tokens; no block is set.
insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, state, book_id, created_at, features)
values ('0a000000-0000-4000-8000-000000000003', 'solana', 'ExitThatFails111111111111111111111111111111', 'FAILS', '1h', 'watchlist', 'S1', 'onchain_crypto', '2026-01-17T09:00:00Z',
  '{"uptrend_engine_v4": {"state": "S1", "price": 0.05, "emergency_exit": false}}')

update lowcap_positions set status = 'active', current_trade_id = '0b000000-0000-4000-8000-000000000003', total_quantity = 7960, total_tokens_bought = 7960, total_allocation_usd = 398 where token_ticker = 'FAILS'

select history('0a000000-0000-4000-8000-000000000003', '{"prev_state": "S1", "last_s1_buy": {"timestamp": "2026-01-18T08:00:00+00:00", "price": 0.05, "size_frac": 0.6, "signal": "buy_signal", "state": "S1"}}')

update lowcap_positions set features = jsonb_set(features, '{uptrend_engine_v4}', '{"state": "S3", "price": 0.039, "emergency_exit": true, "exit_reason": "emergency_exit_ema333"}') where token_ticker = 'FAILS'

-- A fill whose history is never written: the books say that all was sold.
insert into lowcap_positions (id, token_chain, token_contract, token_ticker, timeframe, status, state, current_trade_id, book_id, created_at, total_quantity, total_tokens_bought, total_allocation_usd, features)
values ('0a000000-0000-4000-8000-000000000004', 'solana', 'FillWithoutARecord1111111111111111111111111', 'LOST', '1h', 'active', 'S3', '0b000000-0000-4000-8000-000000000004', 'onchain_crypto', '2026-01-17T09:00:00Z', 1000, 1000, 50,
  '{"uptrend_engine_v4": {"state": "S3", "price": 0.05}}')

update lowcap_positions set total_quantity = 0, total_tokens_sold = 1000, total_extracted_usd = 61.5 where token_ticker = 'LOST'

-- 130 s later
select pg_logical_emit_message(true, 'lowcap-cdc.tick', '')

-- 480 s later
select pg_logical_emit_message(true, 'lowcap-cdc.tick', '')

update lowcap_positions set state = 'S0', status = 'watchlist', current_trade_id = null, total_quantity = 0, total_tokens_bought = 0, total_allocation_usd = 0, close_reason = 's0_transition',
  completed_trades = '[{"trade_id": "0b000000-0000-4000-8000-000000000003", "summary": {"decision_type": "emergency_exit", "outcome_class": "loss", "total_pnl_usd": -398.0}}]' where token_ticker = 'FAILS'

-- 130 s later
select pg_logical_emit_message(true, 'lowcap-cdc.tick', '')

-- An entry that the bot only watches.
update lowcap_positions set status = 'shadow', features = features || '{"shadow_entry_data": {"entry_event": "S2.entry", "blocked_by": ["ts_gate"]}}' where token_ticker = 'LOST'
