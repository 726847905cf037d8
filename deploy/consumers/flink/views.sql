-- The topics as the views that queries/*.sql read; tables.sql comes before.
create temporary view block_stages as
select source, type as name, subject, sequence, data.entity.token_contract as token_contract, 's1' as stage, data.`trigger` as word, data.blocked_for_seconds.s1 as seconds
from entry_blocks where array_contains(data.stages, 's1')
union all
select source, type as name, subject, sequence, data.entity.token_contract as token_contract, 's2' as stage, data.`trigger` as word, data.blocked_for_seconds.s2 as seconds
from entry_blocks where array_contains(data.stages, 's2');

create temporary view position_events as
select source, type as name, subject, sequence, substring(`time`, 1, 13) as commit_hour,
  unix_timestamp(replace(substring(data.occurred_at, 1, 19), 'T', ' ')) as at_seconds, data.proceeds_usd as usd, data.kind as word
from emergency_exits
union all
select source, type as name, subject, sequence, substring(`time`, 1, 13) as commit_hour,
  unix_timestamp(replace(substring(data.occurred_at, 1, 19), 'T', ' ')) as at_seconds, coalesce(data.added_usd, data.closed_basis) as usd, coalesce(data.reason, data.cause) as word
from trim_pools
union all
select source, type as name, subject, sequence, substring(`time`, 1, 13) as commit_hour,
  unix_timestamp(replace(substring(data.occurred_at, 1, 19), 'T', ' ')) as at_seconds, data.proceeds_usd as usd, cast(null as string) as word
from executions where type like 'lowcap.execution.%';
