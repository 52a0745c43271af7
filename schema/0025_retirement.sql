-- Which executions are due, and how they leave: a whole leaf at once, or row by row out of the backlog.

-- The row as it is written to a file and read back, in 60 bits. flomastr.lake computes the same from the file.
CREATE FUNCTION app.checksum(line text)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN ('x0' || left(md5(line), 15))::bit(64)::bigint;

CREATE FUNCTION app.microseconds(moment timestamptz)
RETURNS text
LANGUAGE sql
STABLE  -- as extract is: only so is it inlined
PARALLEL SAFE
RETURN coalesce((extract(EPOCH FROM moment) * 1000000)::bigint::text, '');

CREATE FUNCTION app.execution_checksum(e app.workflow_executions)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.checksum(concat_ws('|',
  e.id, e.tenant_id, e.workflow_id, coalesce(e.n8n_execution_id, ''), e.status, coalesce(e.mode, ''),
  app.microseconds(e.started_at), app.microseconds(e.finished_at), app.microseconds(e.created_at),
  coalesce(e.error_message, ''), coalesce(e.execution_data::text, '')
));

CREATE FUNCTION app.session_checksum(s app.webchat_sessions)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN app.checksum(concat_ws('|',
  s.id, s.tenant_id, s.workflow_id, s.user_id, s.session_key, app.microseconds(s.created_at),
  app.microseconds(s.updated_at), s.message_count, s.messages::text
));

-- What a row takes, without fetching what lies in TOAST.
CREATE FUNCTION app.execution_bytes(e app.workflow_executions)
RETURNS bigint
LANGUAGE sql
STABLE  -- as pg_column_size is
PARALLEL SAFE
RETURN 112 + coalesce(pg_column_size(e.n8n_execution_id), 0) + pg_column_size(e.status) + coalesce(pg_column_size(e.mode), 0)
  + coalesce(pg_column_size(e.error_message), 0) + coalesce(pg_column_size(e.execution_data), 0);

-- The executions that a run at this moment archives: final, not held, no copies, and past the class of their tenant. With a
-- leaf that means the whole leaf; in the backlog, or in a class that the tenant has left, it counts from the last that
-- was heard of the execution.
CREATE FUNCTION app.due_executions(moment timestamptz)
RETURNS TABLE (tenant_id uuid, ttl_class smallint, id uuid, bytes bigint)
LANGUAGE sql
STABLE
AS $$
  SELECT e.tenant_id, e.ttl_class, e.id, app.execution_bytes(e)
  FROM (
    SELECT
      t.id, app.ttl_class(t.hot_ttl_days) AS class, moment - make_interval(days => app.ttl_class(t.hot_ttl_days)) AS before,
      app.uuid7_floor(moment - make_interval(days => app.ttl_class(t.hot_ttl_days))) AS floor,
      app.retired_before(app.ttl_class(t.hot_ttl_days), moment) AS leaves_before
    FROM app.tenants AS t
    OFFSET 0  -- once a tenant, not once a row
  ) AS t
  JOIN app.workflow_executions AS e ON e.tenant_id = t.id AND e.id < t.floor
  WHERE app.is_final(e.status)
    AND CASE WHEN e.ttl_class = t.class THEN e.id < t.leaves_before
      ELSE greatest(e.created_at, e.finished_at) < t.before END
    AND NOT EXISTS (
      SELECT FROM app.legal_holds AS h
      WHERE h.tenant_id = e.tenant_id AND h.released_at IS NULL
        AND (h.scope = 'tenant' OR h.workflow_id = e.workflow_id OR h.execution_id = e.id)
    )
    AND NOT EXISTS (SELECT FROM app.restored_rows AS r WHERE r.tenant_id = e.tenant_id AND r.id = e.id)
$$;

-- What may not leave with its leaf, one tenant at a time: the unfinished and the held.
CREATE FUNCTION app.next_to_keep(class integer, lower uuid, upper uuid, most integer, OUT tenant_id uuid, OUT ids uuid[])
LANGUAGE sql
STABLE
AS $$
  SELECT kept.tenant_id, (array_agg(kept.id ORDER BY kept.id))[:most]
  FROM (
    SELECT e.tenant_id, e.id FROM app.workflow_executions AS e
    WHERE e.ttl_class = class AND e.id >= lower AND e.id < upper AND NOT app.is_final(e.status)
    UNION
    SELECT e.tenant_id, e.id FROM app.legal_holds AS h
    JOIN app.workflow_executions AS e ON e.tenant_id = h.tenant_id
      AND (h.scope = 'tenant' OR e.workflow_id = h.workflow_id OR e.id = h.execution_id)
    WHERE h.released_at IS NULL AND e.ttl_class = class AND e.id >= lower AND e.id < upper
  ) AS kept
  GROUP BY kept.tenant_id LIMIT 1
$$;

CREATE FUNCTION app.set_aside(tenant uuid, class smallint, ids uuid[])
RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  moved bigint;
BEGIN
  PERFORM set_config('app.tenant_id', tenant::text, true), set_config('app.moving', 'on', true);
  PERFORM app.take_turns(ids, class);
  UPDATE app.workflow_executions AS e SET ttl_class = 0
  WHERE e.ttl_class = class AND e.id = ANY (ids) AND e.id BETWEEN ids[1] AND ids[cardinality(ids)]
    AND (NOT app.is_final(e.status) OR app.is_held(e.tenant_id, e.workflow_id, e.id));
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;

-- Leaves that no longer change: whatever is written to one breaks its seal, and it is exported anew.
CREATE TABLE app.sealed_leaves (
  leaf text PRIMARY KEY,
  sealed_at timestamptz NOT NULL DEFAULT now(),
  broken_at timestamptz
);
CALL app.open_to_jobs('app.sealed_leaves', 'SELECT');
CREATE POLICY gate ON app.sealed_leaves TO flo_owner USING (true) WITH CHECK (true);

CREATE FUNCTION app.break_seal()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE app.sealed_leaves AS s SET broken_at = clock_timestamp() WHERE s.leaf = TG_TABLE_NAME AND s.broken_at IS NULL;
  RETURN NULL;
END
$$;

-- Its lock waits for the leaf's writers, so from here on each write breaks the seal.
CREATE FUNCTION app.seal_leaf(leaf text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '20ms'
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM app.leaves() AS l WHERE l.leaf = seal_leaf.leaf) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such leaf.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'break_seal' AND tgrelid = to_regclass('app.' || leaf)) THEN
    EXECUTE format('CREATE TRIGGER break_seal AFTER INSERT OR UPDATE OR DELETE ON app.%I'
      ' FOR EACH ROW EXECUTE FUNCTION app.break_seal()', leaf);
  END IF;
  INSERT INTO app.sealed_leaves AS s (leaf) VALUES (seal_leaf.leaf)
  ON CONFLICT ON CONSTRAINT sealed_leaves_pkey DO UPDATE SET sealed_at = now(), broken_at = NULL;
END
$$;

-- Drops a sealed leaf, last in the transaction that makes its files count. Nobody waits behind its locks for long: they
-- are taken in the order of those who write executions, each within 15 ms or not at all (55P03).
CREATE FUNCTION app.drop_leaf(leaf text)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '15ms'
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM app.leaves() AS l WHERE l.leaf = drop_leaf.leaf AND l.ends <= now() - make_interval(days => l.class)
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL404', message = 'There is no such leaf, or it is not past its class.';
  END IF;
  EXECUTE format('LOCK TABLE ONLY app.%I IN ACCESS EXCLUSIVE MODE', left(leaf, -9));
  EXECUTE format('LOCK TABLE app.%I IN ACCESS EXCLUSIVE MODE', leaf);
  DELETE FROM app.sealed_leaves AS s WHERE s.leaf = drop_leaf.leaf AND s.broken_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'seal_broken', message = 'The leaf has changed since it was sealed.';
  END IF;
  EXECUTE format('DROP TABLE app.%I', leaf);
END
$$;
REVOKE ALL ON FUNCTION app.break_seal, app.seal_leaf, app.drop_leaf FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.seal_leaf, app.drop_leaf TO flo_job;
