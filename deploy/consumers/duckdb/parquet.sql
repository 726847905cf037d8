-- The Parquet files of lowcap-parquet. type and day are partitions: a query that asks for few of them reads few files.
create or replace view events as
select id, source, type as name, subject, sequence, event->>'$.time' as time, severity, event->'$.data' as data
from read_parquet('type=*/day=*/*.parquet', hive_partitioning = true);
