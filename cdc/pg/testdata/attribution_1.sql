create function lowcap_cdc.read_attribution_secret() returns bytea[] language plpgsql
as $attribution$
-- Returns the two keys, or fails: it waits for nothing.
declare
  keys bytea[];
begin
  lock table lowcap_cdc.attribution_secret in access share mode nowait;
  select array[inner_key, outer_key] into strict keys from lowcap_cdc.attribution_secret;
  -- Whoever calls this puts the keys into a plan: a session that prints its plans must not print that one.
  perform set_config('debug_print_plan', 'off', true);
  return keys;
end
$attribution$;

create function lowcap_cdc.attribution_keys() returns bytea[] language plpgsql immutable
as $attribution$
-- The same as a constant: a session reads the secret when it first plans lowcap_cdc.attribute(), not once a transaction.
-- When that function is replaced every session plans it anew, so a new secret must come with it.
begin
  return lowcap_cdc.read_attribution_secret();
end
$attribution$;

create function lowcap_cdc.attribution_client() returns text language plpgsql immutable
as $attribution$
-- The client's address, a constant for as long as a session lives.
begin
  return host(inet_client_addr());
end
$attribution$;

create function lowcap_cdc.attribute() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $attribution$
-- Says into the WAL who makes the changes of a transaction: once, and again when that changes. It never fails the statement
-- that fires it, and waits for nothing. Each expression and each function in it costs every write some time: there are few.
-- Written by lowcap-cdc init --attribution; lowcap-cdc teardown --attribution takes it away.
declare
  content bytea; jwt jsonb; mac text; place pg_lsn;
begin
  begin
    content := convert_to(json_object(array['xid', pg_current_xact_id()::text,
      'user', coalesce(nullif(current_setting('role', true), 'none'), session_user), 'session_user', session_user,
      'application', current_setting('application_name', true), 'client_address', lowcap_cdc.attribution_client(),
      'claims', null])::text, 'UTF8');
    if current_setting('request.jwt.claims', true) <> '' then
      begin
        jwt := current_setting('request.jwt.claims', true)::jsonb;
        content := substr(content, 1, length(content) - length('null}')) || convert_to(jsonb_build_object(
          'sub', left(jwt ->> 'sub', 200), 'role', left(jwt ->> 'role', 100), 'email', left(jwt ->> 'email', 200),
          'client_info', left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-client-info', 300))::text || '}', 'UTF8');
      exception when others then -- claims that cannot be read stay null
      end;
    end if;
    -- HMAC-SHA-256: the keys are the secret with the two pads.
    mac := encode(sha256((lowcap_cdc.attribution_keys())[2] || sha256((lowcap_cdc.attribution_keys())[1] || content)), 'hex');
    -- A part of the code says what was said: it is not enough to make the whole. 3578 is pg_logical_emit_message in each version.
    if current_setting('lowcap_cdc.said', true) is not distinct from left(mac, 16)
        or has_function_privilege(3578::oid, 'execute') is not true or set_config('lowcap_cdc.said', left(mac, 16), true) is null then
      return new;
    end if;
  exception when others then
    return new;
  end;
  -- Outside of the block, which is a subtransaction: a message of one may be delivered behind the change that follows it. What else
  -- is called here was called in there.
  place := pg_logical_emit_message(true, 'lowcap-cdc.session', convert_to(mac, 'UTF8') || content);
  return new;
end
$attribution$;
