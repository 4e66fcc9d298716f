-- Needs a superuser. Where there is none (managed PostgreSQL), setup_database says what stays open and why.
REVOKE EXECUTE ON FUNCTION pg_stat_get_activity(int), pg_stat_get_backend_activity(int),
    pg_terminate_backend(int, bigint), pg_cancel_backend(int) FROM PUBLIC;  -- other tenants' queries and backends
GRANT EXECUTE ON FUNCTION pg_stat_get_activity(int) TO pg_monitor;
DO $$ DECLARE f regprocedure; BEGIN                                        -- large objects know no row security
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                                       AND proname ~ '^(lo_|loread$|lowrite$)'
    LOOP EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f); END LOOP; END $$;
