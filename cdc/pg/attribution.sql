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
-- that fires it, and waits for nothing. Each expression and each function in it costs every write some time: there are few,
-- and the sidecar reads what can be read there. It says: 48 bytes of code; the eight bytes of the transaction's number; and in JSON
-- [role, session user, application, client's address, client's name in the headers of PostgREST, its claims].
-- Written by lowcap-cdc init --attribution; lowcap-cdc teardown --attribution takes it away.
declare
  content bytea; code bytea; jwt jsonb; claims text; place pg_lsn;
begin
  begin
    -- Of the headers, which hold secrets, only what stands between the first quotes behind that name is taken: its value. Where the
    -- name is itself the value of another header, it is the name of a third one.
    content := xid8send(pg_current_xact_id()) || convert_to(array_to_json(array[current_setting('role', true), session_user,
      current_setting('application_name', true), lowcap_cdc.attribution_client(),
      left(split_part(split_part(current_setting('request.headers', true), '"x-client-info"', 2), '"', 2), 300),
      current_setting('request.jwt.claims', true)])::text, 'UTF8');
    if octet_length(content) > 4000 then -- then claims are long, and read here
      begin
        jwt := current_setting('request.jwt.claims', true);
        claims := jsonb_build_object('sub', left(jwt ->> 'sub', 200), 'role', left(jwt ->> 'role', 200), 'email', left(jwt ->> 'email', 200));
      exception when others then -- what cannot be read is left out
      end;
      content := xid8send(pg_current_xact_id()) || convert_to(array_to_json(array[current_setting('role', true), session_user,
        current_setting('application_name', true), lowcap_cdc.attribution_client(), null, claims])::text, 'UTF8');
    end if;
    -- One hash over key and content is sound with SHA-384: it keeps a part of its state to itself, so no code of a longer content
    -- follows from that of a content. With SHA-256 one does, and it takes the two hashes of HMAC.
    code := sha384((lowcap_cdc.attribution_keys())[1] || content);
    -- A part of the code says what was said: it is not enough to make the whole. 3578 is pg_logical_emit_message in each version.
    if current_setting('lowcap_cdc.said', true) is not distinct from left(encode(code, 'hex'), 16)
        or has_function_privilege(3578::oid, 'execute') is not true
        or set_config('lowcap_cdc.said', left(encode(code, 'hex'), 16), true) is null then
      return new;
    end if;
  exception when others then
    return new;
  end;
  -- Outside of the block, which is a subtransaction: a message of one may be delivered behind the change that follows it. What else
  -- is called here was called in there.
  place := pg_logical_emit_message(true, 'lowcap-cdc.session.2', code || content);
  return new;
end
$attribution$;
