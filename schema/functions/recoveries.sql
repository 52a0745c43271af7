-- Previews, applies and undoes recoveries.

-- Previews a recovery in the current tenant: to a moment, or of what a transaction changed, or of what was deleted with
-- a row. Raises FL404, FL422, FL429. Writes nothing but its record.
CREATE OR REPLACE FUNCTION app.preview_recovery(
  at timestamptz, of_transaction xid8, deleted uuid, tables text[], row_ids uuid[], reason text,
  undone uuid DEFAULT NULL
)
RETURNS TABLE (recovery app.recoveries, examples jsonb)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan  -- else each mention of a plan is a copy of it
AS $$
DECLARE
  r app.recoveries;
  point app.restore_points;
  plan app.planned_row[];
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('app.preview_recovery ' || app.tenant(), 0)) THEN
    RAISE EXCEPTION USING errcode = 'FL429', constraint = 'too_many_at_once',
      message = 'A preview of the tenant is running. Repeat this one when it has been answered.';
  END IF;
  IF at IS NOT NULL THEN
    point := app.restore_point_before(at);
  ELSIF undone IS NULL THEN  -- a recovery that is undone may have written nothing
    of_transaction := app.recorded_transaction(of_transaction, deleted);
  END IF;
  IF 'knowledge_bases' = ANY (tables) AND 'knowledge_base_models' <> ALL (tables) THEN
    tables := tables || '{knowledge_base_models}';
  END IF;
  INSERT INTO app.recoveries AS new (at, of_transaction, tables, row_ids, since, is_exact, reason, undone_id) VALUES (
    preview_recovery.at, preview_recovery.of_transaction, coalesce(preview_recovery.tables, app.recoverable_tables()),
    preview_recovery.row_ids,
    coalesce(point.committed, format('%s:%s:%1$s', of_transaction, of_transaction::text::bigint + 1)::pg_snapshot),
    at IS NULL OR point.taken_at = at, preview_recovery.reason, undone
  ) RETURNING new.* INTO r;
  IF undone IS NULL THEN  -- what has been done can be undone
    PERFORM app.check_changes(r);
  END IF;
  plan := app.plan_recovery(r);
  UPDATE app.recoveries AS u SET
    counts = app.plan_counts(plan), plan_hash = app.plan_hash(plan), swept_along = app.swept_along(plan)
  WHERE u.id = r.id RETURNING u.* INTO r;
  RETURN QUERY SELECT r, app.plan_examples(plan);
END
$$;

-- The newest restore point that is not later, or FL422, also where changes after it are archived.
CREATE OR REPLACE FUNCTION app.restore_point_before(at timestamptz)
RETURNS app.restore_points
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  point app.restore_points;
  archived timestamptz := (
    SELECT max(f.last_at) FROM app.archive_files AS f
    WHERE f.tenant_id = app.tenant() AND f.source = 'row_history' AND f.state = 'stored'
  );
BEGIN
  SELECT p.* INTO point FROM app.restore_points AS p
  WHERE p.taken_at <= at AND (p.tenant_id IS NULL OR p.tenant_id = app.tenant())
  ORDER BY p.taken_at DESC LIMIT 1;
  IF at > now() OR point.id IS NULL OR point.taken_at <= archived THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_range', message = format(
      'body.at: is in the future, or before what can be recovered begins, which is %s. The audit trail goes further.',
      to_char(
        (SELECT min(p.taken_at) FROM app.restore_points AS p WHERE p.taken_at > coalesce(archived, '-infinity'))
          AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
      )
    );
  END IF;
  RETURN point;
END
$$;

-- This transaction, or the last that deleted this row, or FL404. What is archived is not recovered from.
CREATE OR REPLACE FUNCTION app.recorded_transaction(named xid8, deleted uuid)
RETURNS xid8
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  found xid8 := coalesce(named, (
    SELECT h.xid FROM app.row_history AS h
    WHERE h.tenant_id = app.tenant() AND h.row_id = deleted AND h.action = 'delete' ORDER BY h.seq DESC LIMIT 1
  ));
BEGIN
  IF NOT EXISTS (
    SELECT FROM app.recorded_transactions AS t
    WHERE t.tenant_id = app.tenant() AND t.xid = found AND NOT EXISTS (
      SELECT FROM app.archive_files AS f
      WHERE f.tenant_id = t.tenant_id AND f.source = 'row_history' AND f.state = 'stored'
        AND f.last_id >= app.change_id(t.first_seq)
    )
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The history has no such transaction or deleted row, or it is archived and can only be read.';
  END IF;
  RETURN found;
END
$$;

-- Applies a recovery of the current tenant, all of it or nothing, or raises FL409 when what it writes has changed since
-- its preview.
CREATE OR REPLACE FUNCTION app.apply_recovery(recovery uuid)
RETURNS SETOF app.recoveries
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r app.recoveries;
  plan app.planned_row[];
  of_table text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.recovery ' || app.tenant(), 0));
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery AND f.state IN ('previewed', 'pending') FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = 'The recovery is done or has failed.';
  END IF;
  INSERT INTO app.restore_points (tenant_id, reason) VALUES (app.tenant(), 'before a recovery');
  PERFORM app.lock_planned(app.plan_recovery(r));
  plan := app.plan_recovery(r);
  IF app.swept_along(plan) > 0 OR app.plan_hash(plan) IS DISTINCT FROM r.plan_hash THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = 'What the recovery would write has changed since its preview. Preview it again.';
  END IF;
  FOREACH of_table IN ARRAY ARRAY(
    SELECT t.name FROM unnest(app.recoverable_tables()) WITH ORDINALITY AS t (name, ordinal) ORDER BY t.ordinal DESC
  ) LOOP
    PERFORM app.write_planned(plan, of_table, 'delete');
  END LOOP;
  FOREACH of_table IN ARRAY app.recoverable_tables() LOOP
    PERFORM app.write_planned(plan, of_table, 'update');
    PERFORM app.write_planned(plan, of_table, 'insert');
  END LOOP;
  PERFORM app.await_passages(plan);
  RETURN QUERY
  UPDATE app.recoveries AS u SET
    state = 'done', applied_by = coalesce(u.applied_by, current_setting('app.actor')), applied_at = now(),
    applied_xid = pg_current_xact_id(), error = NULL
  WHERE u.id = recovery RETURNING u.*;
END
$$;

-- Applies a previewed recovery at once if it is small. Else a job does, within minutes. Raises FL404, FL409.
CREATE OR REPLACE FUNCTION app.start_recovery(recovery uuid)
RETURNS SETOF app.recoveries
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r app.recoveries;
BEGIN
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  ELSIF r.state <> 'previewed' THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The recovery is %s: preview another one.', r.state);
  ELSIF r.swept_along > 0 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = format('%s further rows hang on what it deletes, and would go along.', r.swept_along);
  ELSIF app.rows_to_write(r.counts) <= 1000 THEN
    RETURN QUERY SELECT * FROM app.apply_recovery(recovery);
  ELSE
    PERFORM app.wait_for_turn('recoveries');
    IF (SELECT count(*) FROM app.recoveries AS p WHERE p.tenant_id = app.tenant() AND p.state = 'pending') >= 3 THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
        message = 'The tenant has 3 recoveries that wait for their turn: wait until one is done.';
    END IF;
    RETURN QUERY
    UPDATE app.recoveries AS u SET state = 'pending', applied_by = current_setting('app.actor')
    WHERE u.id = recovery RETURNING u.*;
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION app.rows_to_write(counts jsonb)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT coalesce(sum(a.value::bigint), 0) FROM jsonb_each(counts) AS t, jsonb_each_text(t.value) AS a
  WHERE a.key IN ('insert', 'update', 'delete')
);

-- Undoes a recovery that is done, whole or not at all. Raises FL409 where something has changed since.
CREATE OR REPLACE FUNCTION app.undo_recovery(recovery uuid)
RETURNS SETOF app.recoveries
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  r app.recoveries;
  undo app.recoveries;
BEGIN
  SELECT * INTO r FROM app.recoveries AS f WHERE f.id = recovery FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  ELSIF r.state <> 'done' THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'wrong_state',
      message = format('The recovery is %s: there is nothing to undo.', r.state);
  END IF;
  SELECT (p.recovery).* INTO undo FROM app.preview_recovery(NULL, r.applied_xid, NULL, r.tables, NULL, NULL, r.id) AS p;
  IF app.rows_to_write(undo.counts) <> app.rows_to_write(r.counts) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'changed_meanwhile',
      message = 'Rows of the recovery have changed since. Preview it by its transaction to undo the others.';
  END IF;
  RETURN QUERY SELECT * FROM app.start_recovery(undo.id);
END
$$;

REVOKE ALL ON FUNCTION app.preview_recovery, app.apply_recovery, app.start_recovery, app.undo_recovery FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.preview_recovery, app.start_recovery, app.undo_recovery TO flo_app;
GRANT EXECUTE ON FUNCTION app.apply_recovery TO flo_job;

-- A moment of which all that has been committed is known, of all tenants.
INSERT INTO app.restore_points (reason) SELECT 'history begins' WHERE NOT EXISTS (SELECT FROM app.restore_points);
