-- Made by go test ./schemas -update from the Go types; do not edit. Replace localhost:9092 by your brokers.

create table entry_blocks (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `before` string,
    `block` string,
    `blocked_for_seconds` row<`s1` decimal(38, 18), `s2` decimal(38, 18)>,
    `entity` row<`token_contract` string, `token_chain` string, `timeframe` string, `book_id` string>,
    `failure_ts` row<`s1` string, `s2` string>,
    `flags` array<string>,
    `last_success_ts` string,
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `pnl_usd` decimal(38, 18),
    `since` string,
    `stage` string,
    `stages` array<string>,
    `trade_id` string,
    `trigger` string,
    `was_blocked` array<string>>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.entry-blocks', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table trim_pools (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `added_usd` decimal(38, 18),
    `after` string,
    `alive_for_seconds` decimal(38, 18),
    `before` string,
    `cause` string,
    `changed` array<string>,
    `closed_basis` decimal(38, 18),
    `delta_usd` decimal(38, 18),
    `dx_count` decimal(38, 18),
    `dx_last_price` decimal(38, 18),
    `dx_next_arm` decimal(38, 18),
    `entity` row<`id` string, `token_chain` string, `token_contract` string, `token_ticker` string, `timeframe` string, `book_id` string, `status` string, `state` string, `trade_id` string>,
    `first_event_id` string,
    `flags` array<string>,
    `from` string,
    `key` string,
    `new_basis` decimal(38, 18),
    `occurred_at` string,
    `occurred_at_quality` string,
    `old_basis` decimal(38, 18),
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `reason` string,
    `reverted_from` string,
    `reverted_to` string,
    `to` string,
    `usd_basis` decimal(38, 18)>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.trim-pools', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table emergency_exits (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `alive_for_seconds` decimal(38, 18),
    `before` string,
    `cause` string,
    `engine_price` decimal(38, 18),
    `entity` row<`id` string, `token_chain` string, `token_contract` string, `token_ticker` string, `timeframe` string, `book_id` string, `status` string, `state` string, `trade_id` string>,
    `exit_reason` string,
    `exit_timestamp` string,
    `exit_value_usd` decimal(38, 18),
    `first_event_id` string,
    `flag` string,
    `flags` array<string>,
    `guard_ts` string,
    `held_quantity` decimal(38, 18),
    `key` string,
    `kind` string,
    `last_sell` string,
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `outcome` string,
    `pending_event_id` string,
    `price` decimal(38, 18),
    `proceeds_usd` decimal(38, 18),
    `quantity` decimal(38, 18),
    `rebuy_used` boolean,
    `remaining_quantity` decimal(38, 18),
    `reminder` bigint,
    `retrigger` boolean,
    `reverted_from` string,
    `reverted_to` string,
    `signal` string,
    `size_frac` decimal(38, 18),
    `trade_id` string,
    `value_usd` decimal(38, 18),
    `wanted` boolean,
    `wanted_since` string>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.emergency-exits', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table executions (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `alive_for_seconds` decimal(38, 18),
    `before` string,
    `cause` string,
    `changed` array<string>,
    `direction` string,
    `entity` row<`id` string, `token_chain` string, `token_contract` string, `token_ticker` string, `timeframe` string, `book_id` string, `status` string, `state` string, `trade_id` string>,
    `first_event_id` string,
    `flags` array<string>,
    `from` string,
    `held_quantity` decimal(38, 18),
    `is_reclaim` boolean,
    `key` string,
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `price` decimal(38, 18),
    `proceeds_usd` decimal(38, 18),
    `profit_usd` decimal(38, 18),
    `remaining_quantity` decimal(38, 18),
    `reverted_from` string,
    `reverted_to` string,
    `signal` string,
    `since` string,
    `size_frac` decimal(38, 18),
    `skipped` boolean,
    `slot` string,
    `sr_level_price` decimal(38, 18),
    `stage` string,
    `to` string,
    `tokens` decimal(38, 18),
    `trade_id` string,
    `usd` decimal(38, 18)>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.executions', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table positions (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `before` string,
    `blocked_by` string,
    `close_reason` string,
    `closed_at` string,
    `completed_trade` string,
    `completed_trades_count` decimal(38, 18),
    `created_at` string,
    `decision_type` string,
    `entity` row<`id` string, `token_chain` string, `token_contract` string, `token_ticker` string, `timeframe` string, `book_id` string, `status` string, `state` string, `trade_id` string>,
    `entry_event` string,
    `flags` array<string>,
    `from` string,
    `history` string,
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `outcome_class` string,
    `pnl_usd` decimal(38, 18),
    `remaining_quantity` decimal(38, 18),
    `to` string,
    `total_allocation_usd` decimal(38, 18),
    `total_extracted_usd` decimal(38, 18),
    `total_quantity` decimal(38, 18),
    `total_tokens_bought` decimal(38, 18),
    `total_tokens_sold` decimal(38, 18),
    `trade_id` string>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.positions', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table quarantine (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `before` string,
    `entity` row<`id` string, `token_chain` string, `token_contract` string, `token_ticker` string, `timeframe` string, `book_id` string, `status` string, `state` string, `trade_id` string>,
    `flags` array<string>,
    `key` string,
    `more` decimal(38, 18),
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `path` string,
    `raw` string,
    `why` string>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.quarantine', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

create table control (
  id string, source string, type string, subject string, `time` string, partitionkey string, sequence string, severity string,
  data row<
    `after` string,
    `before` string,
    `differences` bigint,
    `entity` row<`table` string, slot string>,
    `flags` array<string>,
    `from_lsn` string,
    `from_source` string,
    `from_time` string,
    `occurred_at` string,
    `occurred_at_quality` string,
    `origin` row<`commit_lsn` string, `xid` bigint, `commit_time` string, `op` string, `actor` string, `reason` string, `session` row<`user` string, `session_user` string, `application` string, `client_address` string, `claims` string>>,
    `rows` bigint,
    `sequence_base` bigint,
    `slot_came_along` boolean,
    `table` string,
    `to_lsn` string,
    `to_source` string,
    `to_time` string,
    `why` string>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.control', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);
