create function lowcap_cdc.attribute() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $attribution$
-- Says into the WAL who makes the changes of a transaction: once, and again when that changes. It never fails the statement
-- that fires it. Written by lowcap-cdc init --attribution; lowcap-cdc teardown --attribution takes it away.
declare
  jwt text; claims jsonb; content text; mac text; message bytea; secret record;
begin
  begin
    jwt := current_setting('request.jwt.claims', true);
    if coalesce(jwt, '') <> '' then
      begin
        claims := jwt::jsonb;
        claims := jsonb_build_object('sub', left(claims ->> 'sub', 200), 'role', left(claims ->> 'role', 100),
          'email', left(claims ->> 'email', 200),
          'client_info', left(nullif(current_setting('request.headers', true), '')::jsonb ->> 'x-client-info', 300));
      exception when others then
        claims := null;
      end;
    end if;
    content := json_build_object('xid', pg_current_xact_id()::text,
      'user', case current_setting('role', true) when 'none' then session_user else current_setting('role', true) end,
      'session_user', session_user, 'application', current_setting('application_name', true),
      'client_address', host(inet_client_addr()), 'claims', claims)::text;
    select inner_key, outer_key into strict secret from lowcap_cdc.attribution_secret;
    -- HMAC-SHA-256: the keys are the secret with the two pads.
    mac := encode(sha256(secret.outer_key || sha256(secret.inner_key || convert_to(content, 'UTF8'))), 'hex');
    if current_setting('lowcap_cdc.said', true) is not distinct from md5(mac)
        or not (select every(has_function_privilege(p.oid, 'execute')) from pg_proc p
          where p.proname = 'pg_logical_emit_message' and p.pronamespace = 'pg_catalog'::regnamespace) then
      return null;
    end if;
    message := convert_to(mac || content, 'UTF8');
  exception when others then
    return null;
  end;
  -- Outside of the block, which is a subtransaction: a message of one may be delivered behind the change that follows it.
  perform pg_logical_emit_message(true, 'lowcap-cdc.session', message);
  perform set_config('lowcap_cdc.said', md5(mac), true);
  return null;
end
$attribution$
