-- The file sink's lines, also of its finished segments, or a file of Kafka Connect's that is named events.jsonl. A segment that is
-- being compressed is there twice for a moment: its text is taken then.
set variable files = (select list(file) from (
  select min(file) as file from glob('events*.jsonl*') where not suffix(file, '.partial') group by replace(file, '.gz', '')));
create or replace view events as
select id, source, type as name, subject, sequence, time, severity, data
from read_json(getvariable('files'), format = 'newline_delimited', maximum_object_size = 16777216, columns = {
  id: 'VARCHAR', source: 'VARCHAR', type: 'VARCHAR', subject: 'VARCHAR', sequence: 'VARCHAR', time: 'VARCHAR', severity: 'VARCHAR', data: 'JSON'});
