-- Which losing trades set no block: of those that bought in S1 or S2, whose book's blocks the bot consults, and of whose end two minutes
-- have passed. entry_block.not_set tells of one a day for each token and timeframe (told); here are all.
select c.named_trade, c.token, c.timeframe, c.occurred_at as closed_at, c.pnl_usd, max(case when n.sequence is null then 0 else 1 end) as told
from trade_events c
join stream_end e on e.newest_us >= c.committed_us + 120000000
join (
  select subject, entity_trade, min(sequence) as first_buy
  from trade_events
  where name = 'lowcap.execution.buy_recorded.v1' and word in ('s1', 's2')
  group by subject, entity_trade
) as b on b.subject = c.subject and b.entity_trade = c.named_trade
left join block_stages s on s.token_key = c.token_key and s.book_id = 'onchain_crypto' and s.word <> 'manual'
  and s.name in ('lowcap.entry_block.set.v1', 'lowcap.entry_block.refreshed.v1')
  and s.sequence > b.first_buy and s.committed_us <= c.committed_us + 120000000
left join losses_told n on n.named_trade = c.named_trade
where c.name = 'lowcap.trade.closed.v1' and e.newest_us >= c.committed_us + 120000000 and c.pnl_usd < 0 and c.book_id = 'onchain_crypto'
group by c.sequence, c.named_trade, c.token, c.timeframe, c.occurred_at, c.pnl_usd
having count(s.sequence) = 0
order by closed_at, c.named_trade
