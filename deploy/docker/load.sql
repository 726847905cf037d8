-- A bot in miniature, for the demonstration: each round writes, one transaction a statement, what the real one writes.
-- Among it what makes a plain diff wrong: a stale write that takes a trim back, and a success that leaves S2 blocked.

create function demo_stamp(shift interval = '0') returns text language sql as
$$ select to_char((clock_timestamp() + shift) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') $$;

-- demo_write sets keys of one position's history, as the bot does: it reads the document and writes the whole of it.
create procedure demo_write(token text, keys jsonb) language sql as
$$
  update lowcap_positions
  set features = jsonb_set(coalesce(features, '{}'), '{pm_execution_history}', coalesce(features -> 'pm_execution_history', '{}') || keys)
  where token_contract = token and token_chain = 'solana' and timeframe = '1h'
$$;

create procedure demo_load(rounds int, pause float8) language plpgsql as
$$
declare
  token text;
  before jsonb; -- what a slower job of the bot has read and will write back
begin
  for round in 1..rounds loop
    token := format('Demo%spump', round % 7);
    insert into lowcap_positions (token_chain, token_contract, token_ticker, timeframe, status, state, book_id)
    values ('solana', token, format('DEMO%s', round % 7), '1h', 'watchlist', 'S1', 'onchain_crypto')
    on conflict do nothing;
    commit;
    perform pg_sleep(pause);

    -- The first buy of a trade.
    update lowcap_positions set status = 'active', state = 'S2', current_trade_id = gen_random_uuid()
    where token_contract = token and timeframe = '1h';
    commit;
    call demo_write(token, jsonb_build_object('prev_state', 'S2', 'last_s2_buy', jsonb_build_object(
      'timestamp', demo_stamp(), 'price', 0.0016, 'size_frac', 0.3, 'signal', 'buy_flag', 'state', 'S2')));
    commit;
    perform pg_sleep(pause);

    -- A trim, and the stale write that takes it back.
    select features into before from lowcap_positions where token_contract = token and timeframe = '1h';
    call demo_write(token, jsonb_build_object('prev_state', 'S3',
      'last_trim', jsonb_build_object('timestamp', demo_stamp(), 'price', 0.0023, 'size_frac', 0.45, 'signal', 'trim_flag', 'sr_level_price', 0.0024),
      'trim_pool', jsonb_build_object('usd_basis', 11.85, 'recovery_started', false, 'dx_count', 0, 'dx_last_price', null, 'dx_next_arm', null)));
    commit;
    perform pg_sleep(pause);
    update lowcap_positions set features = before where token_contract = token and timeframe = '1h';
    commit;
    perform pg_sleep(pause);

    -- Every third trade ends badly, and its token is blocked; the next success lifts S1 only.
    if round % 3 = 0 then
      call demo_write(token, jsonb_build_object('prev_state', 'S0',
        'last_trim', jsonb_build_object('timestamp', demo_stamp(), 'price', 0.0011, 'size_frac', 1.0, 'signal', 'emergency_exit'),
        'trim_pool', jsonb_build_object('usd_basis', 42.5, 'recovery_started', false, 'dx_count', 0, 'dx_last_price', null, 'dx_next_arm', null)));
      commit;
      insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, blocked_s2, last_s1_failure_ts)
      values (token, 'solana', '1h', true, true, clock_timestamp())
      on conflict (token_contract, token_chain, timeframe, book_id)
      do update set blocked_s1 = true, blocked_s2 = true, last_s1_failure_ts = excluded.last_s1_failure_ts, updated_at = clock_timestamp();
      commit;
      perform pg_sleep(pause);
    else
      update token_timeframe_blocks set blocked_s1 = false, last_success_ts = clock_timestamp(), updated_at = clock_timestamp()
      where token_contract = token and blocked_s1;
      commit;
    end if;

    update lowcap_positions set status = 'watchlist', state = 'S4', current_trade_id = null, closed_at = clock_timestamp(), close_reason = 'demo',
      completed_trades = jsonb_build_array(jsonb_build_object('round', round))
    where token_contract = token and timeframe = '1h';
    commit;
    perform pg_sleep(pause);
  end loop;
end
$$;
