-- How often is a trim reverted: of the trims of an hour (UTC, by commit), those whose record a stale write took back, once or more. What
-- is restored or amended, pending or unrecorded is no trim, and a trim that is reverted twice is one.
select commit_hour, count(*) as trims, sum(case when reverts > 0 then 1 else 0 end) as reverted,
  round(sum(case when reverts > 0 then 1 else 0 end) * 100.0 / count(*), 2) as reverted_percent,
  sum(case when later > 0 then 1 else 0 end) as by_a_later_write
from (
  select t.commit_hour, t.sequence, count(r.sequence) as reverts, sum(case when r.word = 'later_write' then 1 else 0 end) as later
  from (
    select subject, name, sequence, commit_hour, lead(sequence, 1, '~') over (partition by subject order by sequence) as next_sell
    from position_events
    where name in ('lowcap.execution.trim_recorded.v1', 'lowcap.emergency_exit.executed.v1')
  ) as t
  left join position_events r on r.subject = t.subject and r.name = 'lowcap.execution.reverted.v1'
    and r.history_key = 'last_trim' and r.sequence > t.sequence and r.sequence < t.next_sell
  where t.name = 'lowcap.execution.trim_recorded.v1'
  group by t.sequence, t.commit_hour
) as trims
group by commit_hour
order by commit_hour
