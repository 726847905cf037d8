-- For each emergency exit: seconds until the position was bought again, and the USD of its pool that rebuys used before
-- the next exit. An exit without a rebuy has null.
select e.subject, e.sequence as exit_sequence, max(e.usd) as proceeds_usd,
  min(case when f.name = 'lowcap.execution.buy_recorded.v1' then f.at_seconds end) - max(e.at_seconds) as rebuy_after_seconds,
  sum(case when f.name = 'lowcap.trim_pool.closed.v1' and f.word in ('s2_dip_buy', 'dx_ladder_complete') then f.usd end) as recovered_usd
from (
  select subject, sequence, usd, at_seconds, lead(sequence, 1, '~') over (partition by subject order by sequence) as next_exit
  from position_events
  where name = 'lowcap.emergency_exit.executed.v1'
) as e
left join position_events f on f.subject = e.subject and f.sequence > e.sequence and f.sequence < e.next_exit
group by e.subject, e.sequence
order by exit_sequence
