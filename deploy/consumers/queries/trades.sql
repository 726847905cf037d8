-- What became of each trade: what lowcap-cdc trades prints, with a column for each thing that the pool was spent on. A fill that a stale
-- write took back counts: it took place. Events up to two minutes behind a trade's end are still its own. In one change the sells come
-- before the end of a trade, and the buys behind the beginning of the next.
with turns as (
  select e.*, substr(sequence, 1, 25) as change,
    case when name = 'lowcap.trade.opened.v1' then case when ends is null then 0 else 2 end
      when name in ('lowcap.execution.buy_recorded.v1', 'lowcap.trim_pool.closed.v1', 'lowcap.trim_pool.recovery_started.v1',
        'lowcap.trim_pool.dx_bought.v1') then 3
      else 1 end as turn
  from (
    select e.*, max(case when name = 'lowcap.trade.closed.v1' then named_trade end)
      over (partition by subject, substr(sequence, 1, 25)) as ends
    from trade_events e
  ) as e
),
named as (
  select t.*, concat(change, cast(turn as varchar), sequence) as place,
    case when name in ('lowcap.trade.opened.v1', 'lowcap.trade.closed.v1') then named_trade
      when turn = 1 and ends is not null then ends
      else entity_trade end as trade_id
  from turns t
),
numbered as (
  select n.*, cast(sum(starts) over (partition by subject order by place rows between unbounded preceding and current row) as bigint) as nr
  from (
    select n.*, case when name = 'lowcap.trade.opened.v1' then 1 when trade_id is null then 0
      when trade_id <> coalesce(lag(trade_id) over (partition by subject order by place), '') then 1 else 0 end as starts
    from named n
  ) as n
),
spans as (
  select subject, nr, begins, begins_us, ends_with, coalesce(ends_us, next_us) as ends_us, next_begins
  from (
    select s.*, nullif(lead(begins_us, 1, cast(0 as bigint)) over (partition by subject order by nr), 0) as next_us,
      nullif(lead(begins, 1, '') over (partition by subject order by nr), '') as next_begins
    from (
      select subject, nr, min(place) as begins, min(committed_us) as begins_us,
        min(case when name in ('lowcap.trade.closed.v1', 'lowcap.position.deleted.v1')
          or (name = 'lowcap.position.baseline.v1' and trade_id is null) then place end) as ends_with,
        min(case when name in ('lowcap.trade.closed.v1', 'lowcap.position.deleted.v1')
          or (name = 'lowcap.position.baseline.v1' and trade_id is null) then committed_us end) as ends_us
      from numbered
      where nr > 0
      group by subject, nr
    ) as s
  ) as s
),
own as (
  -- A fill that was never recorded is told two minutes late, and belongs to the trade in which it took place.
  select n.*, case when n.name = 'lowcap.execution.unrecorded.v1' and n.since_us <= p.ends_us then n.nr - 1 else n.nr end as of_nr
  from numbered n
  left join spans p on p.subject = n.subject and p.nr = n.nr - 1
),
told as (
  select o.*, s.begins, s.ends_us, s.ends_with,
    case when o.name = 'lowcap.trade.closed.v1' or o.place <= coalesce(s.ends_with, s.next_begins, '~') then 1 else 0 end as in_time
  from own o
  join spans s on s.subject = o.subject and s.nr = o.of_nr
  where s.ends_us is null or o.committed_us <= s.ends_us + 120000000
    or (o.name = 'lowcap.execution.unrecorded.v1' and o.since_us <= s.ends_us)
),
sums as (
  select subject, of_nr,
    max(case when begins = place then trade_id end) as its_id,
    substr(max(case when in_time = 1 then concat(place, token) end), 59) as its_token,
    substr(max(case when in_time = 1 then concat(place, timeframe) end), 59) as its_timeframe,
    max(token_key) as its_key,
    max(case when name = 'lowcap.trade.opened.v1' then occurred_at end) as opened_at,
    max(case when name = 'lowcap.position.created.v1' and substr(begins, 1, 25) = change then occurred_at end) as created_at,
    max(case when name = 'lowcap.position.baseline.v1' and substr(begins, 1, 25) = change then 1 else 0 end) as stood,
    max(case when name = 'lowcap.trade.closed.v1' then occurred_at end) as closed_at,
    min(case when name = 'lowcap.position.deleted.v1' and in_time = 1 then occurred_at end) as deleted_at,
    min(case when name = 'lowcap.execution.buy_recorded.v1' then concat(place, word)
      when name = 'lowcap.execution.unrecorded.v1' and word = 'buy' then place end) as first_buy,
    sum(case when name = 'lowcap.execution.buy_recorded.v1' or (name = 'lowcap.execution.unrecorded.v1' and word = 'buy') then 1 else 0 end) as buys,
    max(case when name = 'lowcap.execution.buy_recorded.v1' and word in ('s1', 's2') then 1 else 0 end) as bought_early,
    sum(case when name = 'lowcap.execution.trim_recorded.v1' then 1
      when name = 'lowcap.execution.unrecorded.v1' and word = 'sell' and severity <> 'page' then 1
      when name = 'lowcap.emergency_exit.executed.v1' then -amended else 0 end) as trims,
    sum(case when name in ('lowcap.execution.trim_recorded.v1', 'lowcap.emergency_exit.executed.v1')
      or (name = 'lowcap.execution.unrecorded.v1' and word = 'sell') then out_usd end) as its_usd,
    sum(case when name in ('lowcap.execution.trim_recorded.v1', 'lowcap.emergency_exit.executed.v1')
      or (name = 'lowcap.execution.unrecorded.v1' and word = 'sell') then 1 else 0 end) as sells,
    max(case when name in ('lowcap.position.created.v1', 'lowcap.position.baseline.v1') and substr(begins, 1, 25) = change then extracted_usd end) as before_usd,
    max(case when name = 'lowcap.emergency_exit.abandoned.v1' then 1 else 0 end) as abandoned,
    -- In one change the end of an exit comes before the next one, whatever their order.
    substr(max(case when name = 'lowcap.emergency_exit.pending.v1' then concat(substr(place, 1, 26), '2', sequence, 'pending')
      when name = 'lowcap.emergency_exit.settled.v1' then concat(substr(place, 1, 26), '1', sequence, word) end), 60) as waits,
    substr(max(case when name = 'lowcap.emergency_exit.executed.v1' then concat(place, 'executed')
      when name = 'lowcap.emergency_exit.settled.v1' and word in ('executed', 'emptied') then concat(place, word)
      when name = 'lowcap.execution.unrecorded.v1' and word = 'sell' and severity = 'page' then concat(place, 'emptied') end), 59) as done,
    max(case when name = 'lowcap.emergency_exit.triggered.v1' then 'triggered' end) as triggered,
    max(case when name = 'lowcap.trade.closed.v1' then 1 else 0 end) as is_closed,
    max(case when name = 'lowcap.trade.closed.v1' then tokens end) as closed_tokens,
    substr(max(case when in_time = 1 and name in ('lowcap.position.created.v1', 'lowcap.position.baseline.v1', 'lowcap.position.deleted.v1',
      'lowcap.execution.trim_recorded.v1', 'lowcap.execution.unrecorded.v1', 'lowcap.emergency_exit.executed.v1', 'lowcap.emergency_exit.pending.v1')
      then concat(place, coalesce(cast(tokens as varchar), ''))
      when in_time = 1 and name = 'lowcap.execution.buy_recorded.v1' then place end), 59) as held_tokens,
    max(case when name = 'lowcap.trade.closed.v1' then pnl_usd end) as its_pnl,
    max(case when name = 'lowcap.trade.closed.v1' then book_id end) as its_book,
    sum(case when name in ('lowcap.trim_pool.opened.v1', 'lowcap.trim_pool.increased.v1', 'lowcap.trim_pool.replaced.v1') then fed_usd
      when name = 'lowcap.trim_pool.adjusted.v1' and delta_usd > 0 then delta_usd end) as fed,
    sum(case when name in ('lowcap.trim_pool.reverted.v1', 'lowcap.trim_pool.restored.v1') then -delta_usd end) as lost,
    sum(case when name = 'lowcap.trim_pool.closed.v1' and word = 's2_dip_buy' then gone_usd end) as s2_dip_buy,
    sum(case when name = 'lowcap.trim_pool.closed.v1' and word = 'dx_ladder_complete' then gone_usd end) as dx_ladder_complete,
    sum(case when name = 'lowcap.trim_pool.closed.v1' and word = 's2_entry_new_trade' then gone_usd end) as s2_entry_new_trade,
    sum(case when name = 'lowcap.trim_pool.closed.v1' and word = 'unknown' then gone_usd end) as unknown_usd,
    sum(case when name = 'lowcap.trim_pool.replaced.v1' then gone_usd end) as replaced,
    sum(case when name = 'lowcap.trim_pool.adjusted.v1' and delta_usd < 0 then -delta_usd end) as adjusted
  from told
  group by subject, of_nr
),
blocks as (
  select s.subject as subject, s.nr as nr,
    substr(max(case when b.name = 'lowcap.entry_block.cleared.v1' then concat(b.sequence, 'cleared') else concat(b.sequence, 'set') end), 33) as word
  from spans s
  join sums t on t.subject = s.subject and t.of_nr = s.nr
  join block_stages b on b.token_key = t.its_key
  where b.book_id = 'onchain_crypto' and b.word <> 'manual'
    and b.name in ('lowcap.entry_block.set.v1', 'lowcap.entry_block.refreshed.v1', 'lowcap.entry_block.cleared.v1')
    and b.sequence > substr(s.begins, 1, 25) and (s.next_begins is null or b.sequence < s.next_begins)
    and (s.ends_us is null or b.committed_us <= s.ends_us + 120000000)
  group by s.subject, s.nr
)
select t.its_id as trade_id, case when t.its_token = '' then null else t.its_token end as token, t.its_timeframe as timeframe,
  case when t.opened_at is not null then t.opened_at when t.stood = 0 then t.created_at end as opened_at,
  coalesce(t.closed_at, t.deleted_at) as closed_at,
  case when t.opened_at is not null or (t.created_at is not null and t.stood = 0) then
    case when substr(t.first_buy, 59) = '' then null else substr(t.first_buy, 59) end end as entry_slot,
  t.buys, case when t.trims < 0 then 0 else t.trims end as trims,
  case when t.sells = 0 or coalesce(t.before_usd, 0) > 0 then coalesce(t.its_usd, 0) + coalesce(t.before_usd, 0) else t.its_usd end as usd_out,
  case when t.abandoned = 1 then 'abandoned' when t.waits in ('pending', 'closed') then 'pending' else coalesce(t.done, t.triggered, 'none') end as ended_by,
  case when t.is_closed = 1 then t.closed_tokens when t.held_tokens <> '' then cast(t.held_tokens as decimal(38, 6)) end as tokens_left,
  t.its_pnl as pnl_usd,
  case when n.named_trade is not null then 'not_set'
    when s.ends_us is not null and e.newest_us >= s.ends_us + 120000000 and t.is_closed = 1 and t.its_pnl < 0 and t.its_book = 'onchain_crypto'
      and t.bought_early = 1 and coalesce(b.word, '') <> 'set' then 'not_set'
    when b.word is null and s.ends_us is not null and e.newest_us >= s.ends_us + 120000000 then 'none'
    else b.word end as block,
  coalesce(t.fed, 0) as fed, coalesce(t.lost, 0) as lost, t.s2_dip_buy, t.dx_ladder_complete, t.s2_entry_new_trade, t.unknown_usd, t.replaced, t.adjusted
from sums t
join spans s on s.subject = t.subject and s.nr = t.of_nr
cross join stream_end e
left join blocks b on b.subject = t.subject and b.nr = t.of_nr
left join (select distinct named_trade from losses_told) as n on n.named_trade = t.its_id and t.is_closed = 1
order by case when s.ends_us is null then 1 else 0 end, coalesce(s.ends_us, 0), coalesce(s.ends_with, s.begins)
