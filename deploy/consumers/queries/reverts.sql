-- Of what was reported in an hour (UTC, by commit), how much did stale writes take back. Restored and amended events
-- report nothing new.
select commit_hour, reverted, reported, round(reverted * 100.0 / reported, 2) as reverted_percent
from (
  select commit_hour,
    sum(case when name like '%.reverted.v1' then 1 else 0 end) as reverted,
    sum(case when name like '%.reverted.v1' or name like '%.restored.v1' or name like '%.amended.v1' then 0 else 1 end) as reported
  from position_events
  group by commit_hour
) as hours
order by commit_hour
