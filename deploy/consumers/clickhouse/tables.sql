-- The events in ClickHouse: queue reads the topics, events keeps them, feed moves them over. At-least-once: after a restart
-- of ClickHouse the last events may come again; events holds each once, because its key is the event's own, and reads of
-- the views are FINAL.
create table queue (event String) engine = Kafka settings
  kafka_broker_list = 'localhost:9092', kafka_group_name = 'clickhouse', kafka_format = 'JSONAsString',
  kafka_topic_list = 'lowcap.entry-blocks,lowcap.trim-pools,lowcap.emergency-exits,lowcap.executions,lowcap.positions,lowcap.quarantine,lowcap.control';

create table events (
  id String, source LowCardinality(String), name LowCardinality(String), subject String, sequence String,
  time DateTime64(6, 'UTC'), severity LowCardinality(String), data String
) engine = ReplacingMergeTree order by (source, sequence) partition by toYYYYMM(time);

create materialized view feed to events as
select JSONExtractString(event, 'id') as id, JSONExtractString(event, 'source') as source, JSONExtractString(event, 'type') as name,
  JSONExtractString(event, 'subject') as subject, JSONExtractString(event, 'sequence') as sequence,
  parseDateTime64BestEffort(JSONExtractString(event, 'time'), 6, 'UTC') as time, JSONExtractString(event, 'severity') as severity,
  JSONExtractRaw(event, 'data') as data
from queue;

-- What queries/*.sql read; *_us are microseconds since 1970.
create view stream_end as
select max(toUnixTimestamp64Micro(time)) as newest_us from events final;

create view block_stages as
select source, name, subject, sequence, toUnixTimestamp64Micro(time) as committed_us,
  toUnixTimestamp64Micro(parseDateTime64BestEffort(JSONExtractString(data, 'occurred_at'), 6, 'UTC')) as at_us,
  concat(JSONExtractString(data, 'entity', 'token_chain'), '/', token_contract, '/', timeframe) as token_key,
  JSONExtractString(data, 'entity', 'token_contract') as token_contract, JSONExtractString(data, 'entity', 'timeframe') as timeframe,
  JSONExtractString(data, 'entity', 'book_id') as book_id, stage, JSONExtractString(data, 'trigger') as word,
  toInt32(name not in ('lowcap.entry_block.cleared.v1', 'lowcap.entry_block.deleted.v1') and has(JSONExtract(data, 'stages', 'Array(String)'), stage)) as blocked,
  if(name = 'lowcap.entry_block.baseline.v1' or word in (concat(stage, '_failure'), 's1_and_s2_failure'),
    toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull(JSONExtractString(data, 'failure_ts', stage), 6, 'UTC')), at_us) as began_us,
  toDecimal128OrNull(nullIf(JSONExtractRaw(data, 'blocked_for_seconds', stage), 'null'), 6) as seconds
from events final array join ['s1', 's2'] as stage
where name = 'lowcap.entry_block.baseline.v1' or (name like 'lowcap.entry_block.%'
  and (has(JSONExtract(data, 'stages', 'Array(String)'), stage) or has(JSONExtract(data, 'was_blocked', 'Array(String)'), stage)));

create view position_events as
select source, name, subject, sequence, formatDateTime(time, '%Y-%m-%dT%H', 'UTC') as commit_hour,
  toUnixTimestamp(parseDateTimeBestEffort(JSONExtractString(data, 'occurred_at'), 'UTC')) as at_seconds,
  toDecimal128OrNull(coalesce(nullIf(nullIf(JSONExtractRaw(data, 'proceeds_usd'), ''), 'null'), nullIf(JSONExtractRaw(data, 'added_usd'), ''), nullIf(JSONExtractRaw(data, 'closed_basis'), '')), 6) as usd,
  coalesce(nullIf(JSONExtractString(data, 'reason'), ''), nullIf(JSONExtractString(data, 'cause'), ''), JSONExtractString(data, 'kind')) as word,
  JSONExtractString(data, 'key') as history_key,
  coalesce(nullIf(JSONExtractString(data, 'entity', 'token_ticker'), ''), JSONExtractString(data, 'entity', 'token_contract')) as token,
  toDecimal128OrNull(JSONExtractRaw(data, 'delta_usd'), 6) as delta_usd, toDecimal128OrNull(JSONExtractRaw(data, 'old_basis'), 6) as old_basis,
  toDecimal128OrNull(JSONExtractRaw(data, 'history', 'trim_pool', 'usd_basis'), 6) as standing_usd
from events final
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%'
  or name = 'lowcap.position.baseline.v1';

create view trade_events as
select source, name, subject, sequence, toUnixTimestamp64Micro(time) as committed_us,
  toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull(JSONExtractString(data, 'since'), 6, 'UTC')) as since_us, toString(severity) as severity,
  JSONExtractString(data, 'occurred_at') as occurred_at, nullIf(JSONExtractString(data, 'entity', 'trade_id'), '') as entity_trade,
  nullIf(JSONExtractString(data, 'trade_id'), '') as named_trade,
  coalesce(nullIf(JSONExtractString(data, 'entity', 'token_ticker'), ''), JSONExtractString(data, 'entity', 'token_contract')) as token,
  JSONExtractString(data, 'entity', 'timeframe') as timeframe, JSONExtractString(data, 'entity', 'book_id') as book_id,
  concat(JSONExtractString(data, 'entity', 'token_chain'), '/', JSONExtractString(data, 'entity', 'token_contract'), '/', timeframe) as token_key,
  coalesce(nullIf(JSONExtractString(data, 'slot'), ''), nullIf(JSONExtractString(data, 'direction'), ''), nullIf(JSONExtractString(data, 'outcome'), ''),
    JSONExtractString(data, 'reason')) as word,
  toInt32(has(JSONExtract(data, 'flags', 'Array(String)'), 'amended')) as amended,
  coalesce(toDecimal128OrNull(JSONExtractRaw(data, 'proceeds_usd'), 6), toDecimal128OrNull(JSONExtractRaw(data, 'usd'), 6)) as out_usd,
  toDecimal128OrNull(JSONExtractRaw(data, 'total_extracted_usd'), 6) as extracted_usd,
  coalesce(toDecimal128OrNull(JSONExtractRaw(data, 'remaining_quantity'), 6), toDecimal128OrNull(JSONExtractRaw(data, 'held_quantity'), 6),
    toDecimal128OrNull(JSONExtractRaw(data, 'total_quantity'), 6)) as tokens,
  toDecimal128OrNull(JSONExtractRaw(data, 'pnl_usd'), 6) as pnl_usd, toDecimal128OrNull(JSONExtractRaw(data, 'delta_usd'), 6) as delta_usd,
  coalesce(toDecimal128OrNull(JSONExtractRaw(data, 'added_usd'), 6), toDecimal128OrNull(JSONExtractRaw(data, 'new_basis'), 6)) as fed_usd,
  coalesce(toDecimal128OrNull(JSONExtractRaw(data, 'closed_basis'), 6), toDecimal128OrNull(JSONExtractRaw(data, 'old_basis'), 6)) as gone_usd
from events final
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%' or name like 'lowcap.position.%'
  or name like 'lowcap.trade.%';

create view losses_told as
select source, sequence, JSONExtractString(data, 'trade_id') as named_trade from events final where name = 'lowcap.entry_block.not_set.v1';
