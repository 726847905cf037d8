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

create view block_stages as
select source, name, subject, sequence, JSONExtractString(data, 'entity', 'token_contract') as token_contract, stage,
  JSONExtractString(data, 'trigger') as word,
  toDecimal128OrNull(nullIf(JSONExtractRaw(data, 'blocked_for_seconds', stage), 'null'), 6) as seconds
from events final array join JSONExtract(data, 'stages', 'Array(String)') as stage
where name like 'lowcap.entry_block.%';

create view position_events as
select source, name, subject, sequence, formatDateTime(time, '%Y-%m-%dT%H', 'UTC') as commit_hour,
  toUnixTimestamp(parseDateTimeBestEffort(JSONExtractString(data, 'occurred_at'), 'UTC')) as at_seconds,
  toDecimal128OrNull(coalesce(nullIf(nullIf(JSONExtractRaw(data, 'proceeds_usd'), ''), 'null'), nullIf(JSONExtractRaw(data, 'added_usd'), ''), nullIf(JSONExtractRaw(data, 'closed_basis'), '')), 6) as usd,
  coalesce(nullIf(JSONExtractString(data, 'reason'), ''), nullIf(JSONExtractString(data, 'cause'), ''), JSONExtractString(data, 'kind')) as word
from events final
where name like 'lowcap.emergency_exit.%' or name like 'lowcap.trim_pool.%' or name like 'lowcap.execution.%';
