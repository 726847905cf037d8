-- What a restore to an earlier point has changed is written down as if somebody had changed it: every row as it was known last, and
-- as it is now. Run when the log has everything that happened before the restore.
with last as (
  select distinct on (position, entity) position, entity, case when op <> 'DELETE' then new end as known
  from chaos_log order by position, entity, ordinal desc
), found as (
  select true as position, entity, value as now from chaos_rows(true, 'lowcap_positions')
  union all
  select false, entity, value from chaos_rows(false, 'token_timeframe_blocks')
)
insert into chaos_log (position, entity, op, old, new)
select last.position, last.entity, case when now is null then 'DELETE' when known is null then 'BASELINE' else 'UPDATE' end,
  coalesce(known, chaos_none(last.position)), coalesce(now, chaos_none(last.position))
from last left join found on found.position = last.position and found.entity = last.entity
where known is distinct from now order by last.position, last.entity;
