-- Every row change is written down here by the transaction that makes it. The table is in no publication. Of one row the
-- ordinals run as its changes were committed: the second writer of a row waits for the first.
create table chaos_log (
  ordinal bigint generated always as identity primary key, xid text not null default pg_current_xact_id()::text,
  position boolean not null, entity text not null, op text not null, old jsonb, new jsonb
);

create function chaos_position(r lowcap_positions) returns jsonb language sql as $$
  select jsonb_build_object('status', r.status, 'trade', r.current_trade_id, 'history',
    (case jsonb_typeof(r.features) when 'string' then (r.features #>> '{}')::jsonb else r.features end) -> 'pm_execution_history')
$$;

create function chaos_log_position() returns trigger language plpgsql as $$
begin
  insert into chaos_log (position, entity, op, old, new) values (true, coalesce(new.id, old.id)::text, tg_op,
    case when tg_op <> 'INSERT' then chaos_position(old) end, case when tg_op <> 'DELETE' then chaos_position(new) end);
  return null;
end $$;
create trigger chaos after insert or update or delete on lowcap_positions for each row execute function chaos_log_position();

create function chaos_log_block() returns trigger language plpgsql as $$
declare r token_timeframe_blocks := coalesce(new, old);
begin
  insert into chaos_log (position, entity, op, old, new)
  values (false, r.token_contract || '/' || r.token_chain || '/' || r.timeframe || '/' || r.book_id, tg_op,
    jsonb_build_object('s1', coalesce(old.blocked_s1, false), 's2', coalesce(old.blocked_s2, false)),
    jsonb_build_object('s1', coalesce(new.blocked_s1, false), 's2', coalesce(new.blocked_s2, false)));
  return null;
end $$;
create trigger chaos after insert or update or delete on token_timeframe_blocks for each row execute function chaos_log_block();
