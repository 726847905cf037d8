-- What queries/*.sql read, over the view events of lines.sql or parquet.sql. Numbers stay decimal.

-- One row for each stage of a block event: word is the trigger, seconds how long a cleared stage was blocked.
create or replace view block_stages as
select source, name, subject, sequence, data->>'$.entity.token_contract' as token_contract, stage, data->>'$.trigger' as word,
  cast(data->>('$.blocked_for_seconds.' || stage) as decimal(38, 6)) as seconds
from events, (values ('s1'), ('s2')) as stages(stage)
where name like 'lowcap.entry_block.%' and json_contains(data->'$.stages', '"' || stage || '"');

-- Sells, buys and pools: usd is what the event brought or closed, word why, at_seconds when (seconds since 1970).
create or replace view position_events as
select source, name, subject, sequence, substr(time, 1, 13) as commit_hour,
  cast(floor(epoch(cast(data->>'$.occurred_at' as timestamptz))) as bigint) as at_seconds,
  cast(coalesce(data->>'$.proceeds_usd', data->>'$.added_usd', data->>'$.closed_basis') as decimal(38, 6)) as usd,
  coalesce(data->>'$.reason', data->>'$.cause', data->>'$.kind') as word
from events
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%';
