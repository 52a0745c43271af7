-- migrate: as-login-role
-- flo_app loses what no route needs, flo_job what no job does. The tables are flo_owner's, the database is the login role's.

SET LOCAL ROLE flo_owner;
REVOKE DELETE ON app.tenants FROM flo_app;  -- an erasure is requested, and a job carries it out
REVOKE DELETE ON app.api_keys FROM flo_app;  -- a key is revoked
REVOKE DELETE ON app.rate_limits FROM flo_app;
REVOKE DELETE ON app.idempotency_keys FROM flo_app;
REVOKE DELETE ON app.embedding_tasks FROM flo_app;  -- these two go with their document or model
REVOKE DELETE ON app.embeddings FROM flo_app;
REVOKE INSERT ON app.erasures FROM flo_app;
GRANT INSERT (tenant_id, user_id, requested_by) ON app.erasures TO flo_app;  -- requested, and in no other state
REVOKE INSERT ON app.tenant_actions FROM flo_job;
RESET ROLE;

-- No role makes temporary tables. Large objects are for a superuser to forbid, whom a managed Postgres does not give.
DO $$
BEGIN
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
  IF (SELECT r.rolsuper FROM pg_roles AS r WHERE r.rolname = current_user) THEN
    REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create, pg_catalog.lo_creat, pg_catalog.lo_from_bytea FROM PUBLIC;
  END IF;
END
$$;
