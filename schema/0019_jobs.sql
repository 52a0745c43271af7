-- migrate: as-login-role
-- Jobs have a role of their own: it owns nothing, bypasses nothing, and sees the tables that policies open to it.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo_job') THEN
    CREATE ROLE flo_job LOGIN;  -- what scheduled functions connect as, directly and not through the pool
  END IF;
END
$$;

GRANT USAGE ON SCHEMA app TO flo_job;
GRANT SELECT ON app.schema_migrations TO flo_job;
