-- A plan that serves all tenants is made for the average one. Among thousands of small tenants that has a few rows, so
-- all rows of a large one were read to find 50 of them. ANALYZE tells the planner from now on that a tenant has a
-- hundredth of a table.
SET LOCAL lock_timeout = '5s';  -- nobody who reads or writes waits behind it, and a vacuum gives way after one second

CREATE PROCEDURE app.plan_for_large_tenants(tenant_table regclass)
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format(
    'ALTER TABLE %s ALTER COLUMN tenant_id SET (n_distinct = 100, n_distinct_inherited = 100)', tenant_table
  );
END
$$;
REVOKE ALL ON PROCEDURE app.plan_for_large_tenants FROM PUBLIC;

DO $$
DECLARE
  tenant_table record;
BEGIN
  FOR tenant_table IN
    SELECT c.oid::regclass AS name, c.relkind, c.reltuples
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0
    WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p')
  LOOP
    CALL app.plan_for_large_tenants(tenant_table.name);
    IF tenant_table.relkind = 'r' AND tenant_table.reltuples > 0 THEN  -- an empty one would seem to stay empty
      EXECUTE format('ANALYZE %s', tenant_table.name);
    END IF;
  END LOOP;
END
$$;
