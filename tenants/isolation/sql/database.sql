-- Once per database, by its administrator; safe to run again. Roles exist already (tenants.isolation.setup).
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;                      -- no DO blocks for the application
GRANT USAGE ON LANGUAGE plpgsql TO msplex_keeper, msplex_owner;

CREATE SCHEMA IF NOT EXISTS content  AUTHORIZATION msplex_owner;   -- the tenants' tables
CREATE SCHEMA IF NOT EXISTS provider AUTHORIZATION msplex_owner;   -- the provider's tables
CREATE SCHEMA IF NOT EXISTS border   AUTHORIZATION msplex_owner;   -- the few things that cross
CREATE SCHEMA IF NOT EXISTS msplex   AUTHORIZATION msplex_keeper;  -- the context key and its functions
GRANT USAGE ON SCHEMA content  TO msplex_app, msplex_worker, msplex_broker, msplex_sealer;
GRANT USAGE ON SCHEMA provider TO msplex_provider;
GRANT USAGE ON SCHEMA border   TO msplex_app, msplex_worker, msplex_broker, msplex_sealer, msplex_provider;
GRANT USAGE ON SCHEMA msplex   TO msplex_owner, msplex_app, msplex_worker, msplex_broker, msplex_sealer;

SET ROLE msplex_keeper;
CREATE TABLE IF NOT EXISTS msplex.context_key (
    kid  smallint PRIMARY KEY,
    ipad bytea NOT NULL CHECK (length(ipad) = 64),                 -- the key XOR 0x36 (RFC 2104)
    opad bytea NOT NULL CHECK (length(opad) = 64)                  -- the key XOR 0x5c
);
-- msplex.context = kid:expires:tenant:scope:principal:mac, mac = HMAC-SHA256(key, kid:expires:tenant:scope:principal:pid)
-- scope: * for every customer, else a list of ids. Bound to this backend, so a stolen one is of no use.
-- Never IMMUTABLE: a cached plan would keep one tenant's id. Never called without (SELECT ...): it would run per row.
CREATE OR REPLACE FUNCTION msplex.context() RETURNS text[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    raw  text := nullif(current_setting('msplex.context', true), '');
    part text[] := string_to_array(raw, ':');
    key  msplex.context_key;
BEGIN
    IF raw IS NULL THEN
        RAISE EXCEPTION 'no tenant context' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT * INTO key FROM msplex.context_key WHERE kid::text = part[1];
    IF key.kid IS NULL OR cardinality(part) <> 6
       OR encode(sha256(key.opad || sha256(key.ipad || convert_to(
              array_to_string(part[1:5] || pg_backend_pid()::text, ':'), 'UTF8'))), 'hex') <> part[6]
       OR part[2]::bigint < extract(epoch FROM now()) THEN
        RAISE EXCEPTION 'bad tenant context' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN part[3:5];
END $$;
-- In plpgsql, which the planner does not inline: half the planning time of SQL functions.
CREATE OR REPLACE FUNCTION msplex.tenant() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN RETURN (msplex.context())[1]::uuid; END $$;
CREATE OR REPLACE FUNCTION msplex.all_customers() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN RETURN (msplex.context())[2] = '*'; END $$;
CREATE OR REPLACE FUNCTION msplex.customers() RETURNS uuid[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN RETURN string_to_array(nullif((msplex.context())[2], '*'), ',')::uuid[]; END $$;
CREATE OR REPLACE FUNCTION msplex.principal() RETURNS uuid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN RETURN nullif((msplex.context())[3], '')::uuid; END $$;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA msplex FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA msplex
    TO msplex_owner, msplex_app, msplex_worker, msplex_broker, msplex_sealer;
RESET ROLE;
