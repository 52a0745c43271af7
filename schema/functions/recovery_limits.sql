-- How much one recovery may be of, so that it is planned within two seconds.

CREATE OR REPLACE FUNCTION app.most_changes_of_recovery()
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 50000;

-- As rows were, and as they are.
CREATE OR REPLACE FUNCTION app.most_bytes_of_recovery()
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN 500000000;

CREATE OR REPLACE FUNCTION app.refuse_plan(most text)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'recovery_too_large', message = format(
    'The recovery is of more than %s. Name fewer tables, up to 1,000 row_ids, or a later moment.', most
  );
END
$$;

-- Raises FL422 for a recovery of more changes than a request can plan. With rows named, those that one request
-- inserted with others are not counted.
CREATE OR REPLACE FUNCTION app.check_changes(r app.recoveries)
RETURNS void
LANGUAGE plpgsql
STABLE
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  first bigint := app.first_undone(r);
  changes bigint := 0;
  change record;
BEGIN
  FOR change IN
    SELECT coalesce(cardinality(h.row_ids), 1) AS rows FROM app.row_history AS h
    WHERE h.tenant_id = r.tenant_id AND h.seq >= first AND h.table_name = ANY (r.tables)
      AND (r.row_ids IS NULL OR h.row_id = ANY (r.row_ids))
      AND CASE WHEN r.of_transaction IS NULL THEN NOT pg_visible_in_snapshot(h.xid, r.since)
        ELSE h.xid = r.of_transaction END
  LOOP
    changes := changes + change.rows;
    IF changes > app.most_changes_of_recovery() THEN
      PERFORM app.refuse_plan(to_char(app.most_changes_of_recovery(), 'FM999,999 "changes"'));
    END IF;
  END LOOP;
END
$$;
