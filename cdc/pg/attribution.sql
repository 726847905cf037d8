create function lowcap_cdc.attribute() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $attribution$
-- Says into the WAL who makes the changes of a transaction: once, and again when that changes. It never fails the statement
-- that fires it, and waits for nothing. Written by lowcap-cdc init --attribution; lowcap-cdc teardown --attribution takes it away.
declare
  claims text := 'null'; content bytea; mac text;
begin
  begin
    if current_setting('request.jwt.claims', true) <> '' then
      declare
        jwt jsonb;
      begin
        jwt := current_setting('request.jwt.claims', true);
        claims := jsonb_build_object('sub', left(jwt ->> 'sub', 200), 'role', left(jwt ->> 'role', 100), 'email', left(jwt ->> 'email', 200),
          'client_info', left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-client-info', 300));
      exception when others then
        claims := 'null';
      end;
    end if;
    content := convert_to(left(json_object(array['xid', pg_current_xact_id()::text,
      'user', case current_setting('role', true) when 'none' then session_user else current_setting('role', true) end,
      'session_user', session_user, 'application', current_setting('application_name', true),
      'client_address', host(inet_client_addr())])::text, -1) || ', "claims" : ' || claims || '}', 'UTF8');
    lock table lowcap_cdc.attribution_secret in access share mode nowait;
    -- HMAC-SHA-256: the keys are the secret with the two pads.
    select encode(sha256(outer_key || sha256(inner_key || content)), 'hex') into strict mac from lowcap_cdc.attribution_secret;
    -- A part of the code says what was said: it is not enough to make the whole. 3578 is pg_logical_emit_message in each version.
    if current_setting('lowcap_cdc.said', true) is not distinct from left(mac, 16)
        or has_function_privilege(3578::oid, 'execute') is not true then
      return null;
    end if;
    content := convert_to(mac, 'UTF8') || content;
  exception when others then
    return null;
  end;
  -- Outside of the block, which is a subtransaction: a message of one may be delivered behind the change that follows it.
  perform pg_logical_emit_message(true, 'lowcap-cdc.session', content), set_config('lowcap_cdc.said', left(mac, 16), true);
  return null;
end
$attribution$
