-- migrate: as-login-role
-- Who may do what. The login role that migrates is no superuser (DigitalOcean gives none) and serves no request.

CREATE EXTENSION IF NOT EXISTS vector;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo_owner') THEN
    CREATE ROLE flo_owner NOLOGIN;  -- owns every table and function
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo_app') THEN
    CREATE ROLE flo_app LOGIN;  -- what the functions connect as: owns nothing, bypasses nothing
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flo_job') THEN
    CREATE ROLE flo_job LOGIN;  -- what scheduled functions connect as, directly: sees the tables that policies open to it
  END IF;
  IF NOT pg_has_role(current_user, 'flo_owner', 'SET') THEN
    EXECUTE format('GRANT flo_owner TO %I WITH SET TRUE', current_user);
  END IF;
END
$$;

GRANT USAGE, CREATE ON SCHEMA app TO flo_owner;
GRANT USAGE ON SCHEMA app TO flo_app;
GRANT USAGE ON SCHEMA app TO flo_job;
GRANT SELECT ON app.schema_migrations TO flo_app;  -- the readiness check compares it with the code
GRANT SELECT ON app.schema_migrations TO flo_job;
