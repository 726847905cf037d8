-- Every row change is written down here by the transaction that makes it. The table is in no publication. Of one row the
-- ordinals run as its changes were committed: the second writer of a row waits for the first. Nothing here depends on the two
-- tables: they are renamed, dropped and made again.
create table chaos_log (
  ordinal bigint generated always as identity primary key, xid text not null default pg_current_xact_id()::text,
  position boolean not null, entity text not null, op text not null, old jsonb, new jsonb
);

create function chaos_position(status text, trade uuid, features jsonb) returns jsonb language sql as $$
  select jsonb_build_object('status', status, 'trade', trade, 'history',
    (case jsonb_typeof(features) when 'string' then (features #>> '{}')::jsonb else features end) -> 'pm_execution_history')
$$;

create function chaos_block(s1 boolean, s2 boolean) returns jsonb language sql as $$
  select jsonb_build_object('s1', coalesce(s1, false), 's2', coalesce(s2, false))
$$;

-- What is logged of a row that is not there.
create function chaos_none(is_position boolean) returns jsonb language sql as $$
  select case when not is_position then chaos_block(false, false) end
$$;

-- The rows of a table as they are logged.
create function chaos_rows(is_position boolean, name text) returns table (entity text, value jsonb) language plpgsql as $$
begin
  return query execute format(case when is_position
    then 'select id::text, chaos_position(status, current_trade_id, features) from %I'
    else 'select concat_ws(''/'', token_contract, token_chain, timeframe, book_id), chaos_block(blocked_s1, blocked_s2) from %I' end, name);
end $$;

create function chaos_log_position() returns trigger language plpgsql as $$
begin
  insert into chaos_log (position, entity, op, old, new) values (true, coalesce(new.id, old.id)::text, tg_op,
    case when tg_op <> 'INSERT' then chaos_position(old.status, old.current_trade_id, old.features) end,
    case when tg_op <> 'DELETE' then chaos_position(new.status, new.current_trade_id, new.features) end);
  return null;
end $$;

create function chaos_log_block() returns trigger language plpgsql as $$
declare r record;
begin
  if tg_op = 'DELETE' then r := old; else r := new; end if;
  insert into chaos_log (position, entity, op, old, new)
  values (false, concat_ws('/', r.token_contract, r.token_chain, r.timeframe, r.book_id), tg_op,
    chaos_block(old.blocked_s1, old.blocked_s2), chaos_block(new.blocked_s1, new.blocked_s2));
  return null;
end $$;

create function chaos_log_truncate() returns trigger language plpgsql as $$
declare is_position boolean := tg_argv[0];
begin
  insert into chaos_log (position, entity, op, old, new)
  select is_position, entity, 'DELETE', value, chaos_none(is_position) from chaos_rows(is_position, tg_table_name);
  return null;
end $$;

-- Puts the triggers on a table.
create function chaos_watch(is_position boolean, name text) returns void language plpgsql as $$
begin
  execute format('create trigger chaos after insert or update or delete on %I for each row execute function %I()',
    name, case when is_position then 'chaos_log_position' else 'chaos_log_block' end);
  execute format('create trigger chaos_truncate before truncate on %I for each statement execute function chaos_log_truncate(%L)',
    name, is_position);
end $$;

-- Writes down what became of the rows of a table that was dropped and made again: those that are there begin anew.
create function chaos_remade(is_position boolean, name text, before text) returns void language sql as $$
  insert into chaos_log (position, entity, op, old, new)
  select is_position, entity, case when now.value is null then 'DELETE' else 'BASELINE' end,
    coalesce(was.value, chaos_none(is_position)), coalesce(now.value, chaos_none(is_position))
  from chaos_rows(is_position, before) was full join chaos_rows(is_position, name) now using (entity) order by entity
$$;

select chaos_watch(true, 'lowcap_positions'), chaos_watch(false, 'token_timeframe_blocks');
