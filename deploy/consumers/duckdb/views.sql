-- What queries/*.sql read, over the view events of lines.sql or parquet.sql. Numbers stay decimal; *_us are microseconds since 1970.
create or replace macro us(instant) as epoch_us(try_cast(replace(substr(instant, 1, 26), 'T', ' ') as timestamp));

-- When the newest event was committed: what is open then, is open until then.
create or replace view stream_end as
select max(us(time)) as newest_us from events;

-- One row for each stage of an event that says whether it is blocked: word is the trigger, began_us when it failed, seconds how long a
-- stage that is free again was blocked, counted from its newest failure.
create or replace view block_stages as
select source, name, subject, sequence, us(time) as committed_us, us(data->>'$.occurred_at') as at_us,
  concat(data->>'$.entity.token_chain', '/', data->>'$.entity.token_contract', '/', data->>'$.entity.timeframe') as token_key,
  data->>'$.entity.token_contract' as token_contract, data->>'$.entity.timeframe' as timeframe, data->>'$.entity.book_id' as book_id,
  stage, coalesce(data->>'$.trigger', '') as word,
  case when name in ('lowcap.entry_block.cleared.v1', 'lowcap.entry_block.deleted.v1') then 0
    when json_contains(data->'$.stages', '"' || stage || '"') then 1 else 0 end as blocked,
  case when name = 'lowcap.entry_block.baseline.v1' or data->>'$.trigger' in (stage || '_failure', 's1_and_s2_failure')
    then us(data->>('$.failure_ts.' || stage)) else us(data->>'$.occurred_at') end as began_us,
  cast(data->>('$.blocked_for_seconds.' || stage) as decimal(38, 6)) as seconds
from events, (values ('s1'), ('s2')) as stages(stage)
where name = 'lowcap.entry_block.baseline.v1' or name like 'lowcap.entry_block.%'
  and (json_contains(data->'$.stages', '"' || stage || '"') or json_contains(data->'$.was_blocked', '"' || stage || '"'));

-- Sells, buys and pools: usd is what the event brought or closed, word why, at_seconds when (seconds since 1970); delta_usd is by how
-- much the pool grew, old_basis what a replaced one held.
create or replace view position_events as
select source, name, subject, sequence, substr(time, 1, 13) as commit_hour,
  cast(floor(epoch(cast(data->>'$.occurred_at' as timestamptz))) as bigint) as at_seconds,
  cast(coalesce(data->>'$.proceeds_usd', data->>'$.added_usd', data->>'$.closed_basis') as decimal(38, 6)) as usd,
  coalesce(data->>'$.reason', data->>'$.cause', data->>'$.kind') as word, coalesce(data->>'$.key', '') as history_key,
  coalesce(data->>'$.entity.token_ticker', data->>'$.entity.token_contract') as token,
  cast(data->>'$.delta_usd' as decimal(38, 6)) as delta_usd, cast(data->>'$.old_basis' as decimal(38, 6)) as old_basis,
  cast(data->>'$.history.trim_pool.usd_basis' as decimal(38, 6)) as standing_usd
from events
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%'
  or name = 'lowcap.position.baseline.v1';

-- What tells of a trade. entity_trade is the one that the row holds after the change, named_trade the one that the event names; word is
-- a buy's slot, a fill's direction, an exit's outcome or a pool's reason.
create or replace view trade_events as
select source, name, subject, sequence, us(time) as committed_us, us(data->>'$.since') as since_us, severity, data->>'$.occurred_at' as occurred_at,
  data->>'$.entity.trade_id' as entity_trade, data->>'$.trade_id' as named_trade,
  coalesce(data->>'$.entity.token_ticker', data->>'$.entity.token_contract', '') as token, coalesce(data->>'$.entity.timeframe', '') as timeframe,
  coalesce(data->>'$.entity.book_id', '') as book_id,
  concat(data->>'$.entity.token_chain', '/', data->>'$.entity.token_contract', '/', data->>'$.entity.timeframe') as token_key,
  coalesce(data->>'$.slot', data->>'$.direction', data->>'$.outcome', data->>'$.reason', '') as word,
  case when json_contains(data->'$.flags', '"amended"') then 1 else 0 end as amended,
  cast(coalesce(data->>'$.proceeds_usd', data->>'$.usd') as decimal(38, 6)) as out_usd,
  cast(data->>'$.total_extracted_usd' as decimal(38, 6)) as extracted_usd,
  cast(coalesce(data->>'$.remaining_quantity', data->>'$.held_quantity', data->>'$.total_quantity') as decimal(38, 6)) as tokens,
  cast(data->>'$.pnl_usd' as decimal(38, 6)) as pnl_usd, cast(data->>'$.delta_usd' as decimal(38, 6)) as delta_usd,
  cast(coalesce(data->>'$.added_usd', data->>'$.new_basis') as decimal(38, 6)) as fed_usd,
  cast(coalesce(data->>'$.closed_basis', data->>'$.old_basis') as decimal(38, 6)) as gone_usd
from events
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%' or name like 'lowcap.position.%'
  or name like 'lowcap.trade.%';

-- Trades of which an event says that they set no block.
create or replace view losses_told as
select source, sequence, data->>'$.trade_id' as named_trade from events where name = 'lowcap.entry_block.not_set.v1';
