-- Moments of which all that had been committed is known: a recovery to one of them is exact.

-- What has been committed. The current transaction has not, which pg_current_snapshot tells only of others: it leaves
-- out one's own number among those in progress, and counts it as committed when a later one has been.
CREATE FUNCTION app.committed_snapshot()
RETURNS pg_snapshot
LANGUAGE sql
STABLE
RETURN (
  SELECT CASE WHEN pg_visible_in_snapshot(t.own, s.taken) THEN format(
    '%s:%s:%s', least(pg_snapshot_xmin(s.taken), t.own), pg_snapshot_xmax(s.taken), (
      SELECT string_agg(p.xid::text, ',' ORDER BY p.xid)
      FROM (SELECT pg_snapshot_xip(s.taken) UNION SELECT t.own) AS p (xid)
    )
  )::pg_snapshot ELSE s.taken END
  FROM (SELECT pg_current_snapshot() AS taken) AS s, (SELECT pg_current_xact_id_if_assigned() AS own) AS t
);

-- What had been committed at a moment, exactly. Taken every minute, and before what is dangerous.
CREATE TABLE app.restore_points (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid,  -- NULL: of all tenants
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- after the snapshot, which is the statement's
  committed pg_snapshot NOT NULL DEFAULT app.committed_snapshot(),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 255)
);
CREATE INDEX restore_points_taken_at ON app.restore_points (taken_at);
CREATE INDEX restore_points_tenant_id ON app.restore_points (tenant_id, taken_at);
CALL app.isolate('app.restore_points');
REVOKE INSERT, UPDATE, DELETE ON app.restore_points FROM flo_app;
CREATE POLICY everybody ON app.restore_points FOR SELECT TO flo_app
USING (tenant_id IS NULL AND EXISTS (SELECT FROM app.tenants AS t WHERE t.id = app.tenant()));
CREATE POLICY access ON app.restore_points TO flo_owner USING (true) WITH CHECK (true);
CALL app.open_to_jobs('app.restore_points', 'SELECT, INSERT, DELETE');

-- The snapshot does not have the transaction that takes it, so what was just deleted is there.
CREATE FUNCTION app.take_restore_point()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF app.tenant() IS NOT NULL AND session_user <> 'flo_job' AND EXISTS (SELECT FROM stored) THEN
    INSERT INTO app.restore_points (tenant_id, reason) VALUES (app.tenant(), TG_ARGV[0]);
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION app.take_restore_point FROM PUBLIC;

CREATE TRIGGER take_restore_point AFTER DELETE ON app.workflows REFERENCING OLD TABLE AS stored
FOR EACH STATEMENT EXECUTE FUNCTION app.take_restore_point('before a workflow was deleted');
