-- How long was each token blocked, once for a token, timeframe and stage, in the book that the bot consults. A block begins with the
-- failure that set it and ends when the stage is free or its row is gone; one that still stands counts until the newest event, for
-- which a clock may be put. Of a block whose beginning no event knows, seconds are counted from its newest failure, if that is known.
select token_contract, timeframe, stage, count(*) as blocks, sum(still) as open_blocks,
  sum(case when seconds is null then 1 else 0 end) as of_unknown_length, sum(seconds) as blocked_seconds
from (
  select token_contract, timeframe, stage, case when blocked = 1 and ended_us is null then 1 else 0 end as still,
    case when blocked = 1 then cast(coalesce(ended_us, newest_us) - began_us as decimal(18, 0)) * cast(0.000001 as decimal(7, 6))
      else cast(seconds as decimal(25, 6)) end as seconds
  from (
    select b.*, e.newest_us, nullif(lead(at_us, 1, cast(0 as bigint)) over (partition by subject, stage order by sequence), 0) as ended_us
    from (
      select s.*, lag(blocked, 1, -1) over (partition by subject, stage order by sequence) as before
      from block_stages s
      where book_id = 'onchain_crypto' and name in ('lowcap.entry_block.set.v1', 'lowcap.entry_block.cleared.v1',
        'lowcap.entry_block.deleted.v1', 'lowcap.entry_block.baseline.v1')
    ) as b
    cross join stream_end e
    where (blocked = 1 and before <> 1) or (blocked = 0 and before = 1) or (before = -1 and name <> 'lowcap.entry_block.baseline.v1')
  ) as turns
  where blocked = 1 or before = -1
) as blocks
group by token_contract, timeframe, stage
order by token_contract, timeframe, stage
