-- How long entries into a token were blocked, by what had set the block. Of a stage that was blocked before the stream
-- began the trigger is not known.
select token_contract, coalesce(set_word, 'unknown') as set_by, count(*) as blocks, sum(seconds) as blocked_seconds
from (
  select c.source, c.sequence, c.stage, c.token_contract as token_contract, c.seconds as seconds, s.word as set_word,
    row_number() over (partition by c.source, c.sequence, c.stage order by s.sequence desc) as nearest
  from block_stages c
  left join block_stages s on s.source = c.source and s.subject = c.subject and s.stage = c.stage
    and s.name = 'lowcap.entry_block.set.v1' and s.sequence < c.sequence
  where c.name = 'lowcap.entry_block.cleared.v1' and c.seconds is not null
) as cleared
where nearest = 1
group by token_contract, coalesce(set_word, 'unknown')
order by token_contract, set_by
