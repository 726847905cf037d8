-- What did each position's pool earn: the sum of delta_usd, without what was spent or given up. So a sell that a stale write took out
-- of the pool again has earned it nothing. held_usd was in it at the baseline, left_usd is in it now.
select subject, max(token) as token, sum(standing) as held_usd, sum(earned) as earned_usd, sum(spent) as spent_usd,
  sum(given_up) as given_up_usd, sum(standing) + sum(earned) - sum(spent) - sum(given_up) as left_usd
from (
  select p.subject, p.token as token,
    case when name = 'lowcap.position.baseline.v1' then coalesce(standing_usd, 0) else 0 end as standing,
    case when name in ('lowcap.trim_pool.closed.v1', 'lowcap.position.baseline.v1') then 0
      else coalesce(delta_usd, 0) + coalesce(old_basis, 0) end as earned,
    case when name = 'lowcap.trim_pool.closed.v1' and word in ('s2_dip_buy', 'dx_ladder_complete') then -delta_usd else 0 end as spent,
    case when name = 'lowcap.trim_pool.replaced.v1' then coalesce(old_basis, 0)
      when name = 'lowcap.trim_pool.closed.v1' and word not in ('s2_dip_buy', 'dx_ladder_complete') then -delta_usd
      else 0 end as given_up
  from (
    select e.*, row_number() over (partition by subject, name order by sequence) as nth from position_events e
  ) as p
  where name like 'lowcap.trim_pool.%' or (name = 'lowcap.position.baseline.v1' and nth = 1)
) as steps
group by subject
having sum(standing) <> 0 or sum(earned) <> 0 or sum(spent) <> 0 or sum(given_up) <> 0
order by subject
