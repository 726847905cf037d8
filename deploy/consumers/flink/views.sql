-- The topics as the views that queries/*.sql read; tables.sql comes before. *_us are microseconds since 1970.
create temporary view stream_end as
select max(unix_timestamp(replace(substring(`time`, 1, 19), 'T', ' ')) * 1000000 + cast(substring(`time`, 21, 6) as bigint)) as newest_us
from (
  select `time` from entry_blocks union all select `time` from trim_pools union all select `time` from emergency_exits
  union all select `time` from executions union all select `time` from positions union all select `time` from quarantine
  union all select `time` from control
) as everything;

-- One row for each stage of an event that says whether it is blocked.
create temporary view block_stages as
select source, name, subject, sequence, committed_us, at_us, token_key, token_contract, timeframe, book_id, stage, coalesce(word, '') as word,
  case when name in ('lowcap.entry_block.cleared.v1', 'lowcap.entry_block.deleted.v1') then 0 when listed then 1 else 0 end as blocked,
  case when name = 'lowcap.entry_block.baseline.v1' or word in (concat(stage, '_failure'), 's1_and_s2_failure') then failed_us else at_us end as began_us,
  seconds
from (
  select source, type as name, subject, sequence, of_stage as stage, data.`trigger` as word,
    concat(data.entity.token_chain, '/', data.entity.token_contract, '/', data.entity.timeframe) as token_key,
    data.entity.token_contract as token_contract, data.entity.timeframe as timeframe, data.entity.book_id as book_id,
    unix_timestamp(replace(substring(`time`, 1, 19), 'T', ' ')) * 1000000 + cast(substring(`time`, 21, 6) as bigint) as committed_us,
    unix_timestamp(replace(substring(data.occurred_at, 1, 19), 'T', ' ')) * 1000000 + cast(substring(data.occurred_at, 21, 6) as bigint) as at_us,
    unix_timestamp(replace(substring(case when of_stage = 's1' then data.failure_ts.s1 else data.failure_ts.s2 end, 1, 19), 'T', ' ')) * 1000000
      + cast(substring(case when of_stage = 's1' then data.failure_ts.s1 else data.failure_ts.s2 end, 21, 6) as bigint) as failed_us,
    case when of_stage = 's1' then data.blocked_for_seconds.s1 else data.blocked_for_seconds.s2 end as seconds,
    coalesce(array_contains(data.stages, of_stage), false) as listed,
    type = 'lowcap.entry_block.baseline.v1' or coalesce(array_contains(data.stages, of_stage), false)
      or coalesce(array_contains(data.was_blocked, of_stage), false) as told
  from entry_blocks cross join (values ('s1'), ('s2')) as each_stage(of_stage)
) as rows_of_stages
where told;

create temporary view position_events as
select source, name, subject, sequence, substring(committed, 1, 13) as commit_hour,
  unix_timestamp(replace(substring(occurred_at, 1, 19), 'T', ' ')) as at_seconds, usd, word, coalesce(history_key, '') as history_key,
  coalesce(entity.token_ticker, entity.token_contract) as token, delta_usd, old_basis, standing_usd
from (
  select source, type as name, subject, sequence, `time` as committed, data.occurred_at as occurred_at, data.proceeds_usd as usd,
    coalesce(data.cause, data.kind) as word, data.key as history_key, data.entity as entity, cast(null as decimal(38, 18)) as delta_usd,
    cast(null as decimal(38, 18)) as old_basis, cast(null as decimal(38, 18)) as standing_usd
  from emergency_exits
  union all
  select source, type, subject, sequence, `time`, data.occurred_at, coalesce(data.added_usd, data.closed_basis), coalesce(data.reason, data.cause),
    data.key, data.entity, data.delta_usd, data.old_basis, cast(null as decimal(38, 18))
  from trim_pools
  union all
  select source, type, subject, sequence, `time`, data.occurred_at, data.proceeds_usd, data.cause, data.key, data.entity,
    cast(null as decimal(38, 18)), cast(null as decimal(38, 18)), cast(null as decimal(38, 18))
  from executions where type like 'lowcap.execution.%'
  union all
  select source, type, subject, sequence, `time`, data.occurred_at, cast(null as decimal(38, 18)), cast(null as string), cast(null as string),
    data.entity, cast(null as decimal(38, 18)), cast(null as decimal(38, 18)),
    cast(json_value(data.history, '$.trim_pool.usd_basis') as decimal(38, 18))
  from positions where type = 'lowcap.position.baseline.v1'
) as events;

-- What tells of a trade.
create temporary view trade_events as
select source, name, subject, sequence,
  unix_timestamp(replace(substring(committed, 1, 19), 'T', ' ')) * 1000000 + cast(substring(committed, 21, 6) as bigint) as committed_us,
  unix_timestamp(replace(substring(since, 1, 19), 'T', ' ')) * 1000000 + cast(substring(since, 21, 6) as bigint) as since_us, severity, occurred_at,
  entity.trade_id as entity_trade, named_trade, coalesce(entity.token_ticker, entity.token_contract, '') as token,
  coalesce(entity.timeframe, '') as timeframe, coalesce(entity.book_id, '') as book_id,
  concat(entity.token_chain, '/', entity.token_contract, '/', entity.timeframe) as token_key, coalesce(word, '') as word,
  case when array_contains(flags, 'amended') then 1 else 0 end as amended, out_usd, extracted_usd, tokens, pnl_usd, delta_usd, fed_usd, gone_usd
from (
  select source, type as name, subject, sequence, `time` as committed, severity, data.occurred_at as occurred_at, data.flags as flags,
    data.entity as entity, data.trade_id as named_trade, cast(null as string) as since, data.outcome as word, data.proceeds_usd as out_usd,
    cast(null as decimal(38, 18)) as extracted_usd, coalesce(data.remaining_quantity, data.held_quantity) as tokens,
    cast(null as decimal(38, 18)) as pnl_usd, cast(null as decimal(38, 18)) as delta_usd, cast(null as decimal(38, 18)) as fed_usd,
    cast(null as decimal(38, 18)) as gone_usd
  from emergency_exits
  union all
  select source, type, subject, sequence, `time`, severity, data.occurred_at, data.flags, data.entity, cast(null as string), cast(null as string),
    data.reason, cast(null as decimal(38, 18)), cast(null as decimal(38, 18)), cast(null as decimal(38, 18)), cast(null as decimal(38, 18)),
    data.delta_usd, coalesce(data.added_usd, data.new_basis), coalesce(data.closed_basis, data.old_basis)
  from trim_pools
  union all
  select source, type, subject, sequence, `time`, severity, data.occurred_at, data.flags, data.entity, cast(null as string), data.since,
    coalesce(data.slot, data.direction), coalesce(data.proceeds_usd, data.usd), cast(null as decimal(38, 18)),
    coalesce(data.remaining_quantity, data.held_quantity), cast(null as decimal(38, 18)), cast(null as decimal(38, 18)),
    cast(null as decimal(38, 18)), cast(null as decimal(38, 18))
  from executions where type like 'lowcap.execution.%'
  union all
  select source, type, subject, sequence, `time`, severity, data.occurred_at, data.flags, data.entity, data.trade_id, cast(null as string),
    cast(null as string), cast(null as decimal(38, 18)), data.total_extracted_usd, coalesce(data.remaining_quantity, data.total_quantity),
    data.pnl_usd, cast(null as decimal(38, 18)), cast(null as decimal(38, 18)), cast(null as decimal(38, 18))
  from positions
) as events;

-- Trades of which an event says that they set no block.
create temporary view losses_told as
select source, sequence, data.trade_id as named_trade from entry_blocks where type = 'lowcap.entry_block.not_set.v1';
