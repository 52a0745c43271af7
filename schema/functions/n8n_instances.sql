-- n8n instances: which one a request speaks of, which stored run a report is of, and when a database began anew.

-- The number of an instance that is known. The default one is, even if nothing has come from it. NULL: there is none.
CREATE OR REPLACE FUNCTION app.known_n8n_instance(wanted text)
RETURNS smallint
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN coalesce(
  (SELECT i.number FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.name = wanted),
  CASE wanted WHEN 'default' THEN 0::smallint END
);

CREATE OR REPLACE FUNCTION app.name_of_n8n_instance(tenant uuid, wanted smallint)
RETURNS text
LANGUAGE sql
STABLE
RETURN coalesce(
  (SELECT i.name FROM app.n8n_instances AS i WHERE i.tenant_id = tenant AND i.number = wanted),
  CASE wanted WHEN 0 THEN 'default' END
);

-- The workflows of an instance; of one that there is not, none.
CREATE OR REPLACE FUNCTION app.workflows_of_instance(wanted text)
RETURNS uuid[]
LANGUAGE sql
STABLE
PARALLEL SAFE  -- else no statement that may name an instance is
RETURN ARRAY(
  SELECT w.id FROM app.workflows AS w
  WHERE w.tenant_id = app.tenant() AND w.n8n_instance = (SELECT app.known_n8n_instance(wanted))
);

-- The name of the instance of each workflow, by its id.
CREATE OR REPLACE FUNCTION app.instances_of_workflows()
RETURNS jsonb
LANGUAGE sql
STABLE
RETURN (
  SELECT coalesce(jsonb_object_agg(w.id, coalesce(i.name, 'default')), '{}')
  FROM app.workflows AS w
  LEFT JOIN app.n8n_instances AS i ON i.tenant_id = w.tenant_id AND i.number = w.n8n_instance
  WHERE w.tenant_id = app.tenant()
);

-- The instance of what this request delivers: the one that it names, else that of its API key, else the default one.
-- FL403 `other_instances_key` if these are two.
CREATE OR REPLACE FUNCTION app.delivering_instance(named text)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  of_key text := (
    SELECT k.instance FROM app.api_keys AS k
    WHERE k.id = substr(current_setting('app.actor', true), 5) AND current_setting('app.actor', true) LIKE 'key:%'
  );
BEGIN
  IF named <> of_key THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'other_instances_key',
      message = format('The API key is for the n8n instance %s, and this is of %s.', of_key, named);
  END IF;
  RETURN coalesce(of_key, named, 'default');
END
$$;

-- The number of an instance, which is made if it is new and is said to have been seen just now, once a minute.
CREATE OR REPLACE FUNCTION app.n8n_instance(wanted text)
RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
  known app.n8n_instances;
BEGIN
  SELECT * INTO known FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.name = wanted;
  IF known.last_seen_at > now() - interval '1 minute' THEN
    RETURN known.number;
  ELSIF known.number IS NULL THEN
    RETURN app.create_n8n_instance(wanted);
  END IF;
  UPDATE app.n8n_instances AS i SET last_seen_at = now()
  WHERE (i.tenant_id, i.number) = (
    SELECT s.tenant_id, s.number FROM app.n8n_instances AS s
    WHERE s.tenant_id = app.tenant() AND s.number = known.number FOR NO KEY UPDATE SKIP LOCKED
  );
  RETURN known.number;
END
$$;

-- The number of a new instance, or FL409 `too_many_open` if the tenant has 20 beside the default one, which has its
-- number already: of the requests that are its first, at once, one writes it down and the others do not wait.
CREATE OR REPLACE FUNCTION app.create_n8n_instance(new_name text)
RETURNS smallint
LANGUAGE plpgsql
AS $$
DECLARE
  made smallint;
BEGIN
  IF new_name = 'default' THEN
    INSERT INTO app.n8n_instances (number, name) SELECT 0, new_name
    WHERE pg_try_advisory_xact_lock(hashtextextended('default n8n instance ' || app.tenant(), 0))
    ON CONFLICT DO NOTHING;
    RETURN 0;
  END IF;
  LOOP
    SELECT i.number INTO made FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.name = new_name;
    EXIT WHEN made IS NOT NULL;
    SELECT greatest(max(i.number), 0) + 1 INTO made FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant();
    IF made > 20 THEN
      RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
        message = format('The tenant has 20 n8n instances, and %s is none of them.', new_name);
    END IF;
    INSERT INTO app.n8n_instances (number, name) VALUES (made, new_name) ON CONFLICT DO NOTHING;
    EXIT WHEN FOUND;
  END LOOP;
  RETURN made;
END
$$;

-- Whether a report may be of a stored run with its n8n id: neither had ended when the other began. What has not ended
-- may be resumed months later. A minute is for clocks that differ. A report that names no moment may be of any run; a
-- run that began when it was stored began whenever.
CREATE OR REPLACE FUNCTION app.may_be_of(
  began timestamptz, ended timestamptz, run_began timestamptz, run_ended timestamptz, run_stored timestamptz
)
RETURNS boolean
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN began IS NULL OR (
  began <= coalesce(run_ended, 'infinity') + interval '1 minute'
  AND (run_began = run_stored OR run_began <= coalesce(ended, 'infinity') + interval '1 minute')
);

-- The moment of an end, NULL if the state is none or it is not known. Clocks may say that it is before the start.
CREATE OR REPLACE FUNCTION app.end_of(status text, started_at timestamptz, finished_at timestamptz)
RETURNS timestamptz
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN app.is_final(status) AND finished_at IS NOT NULL THEN greatest(started_at, finished_at) END;

-- Notes the resets that runs have shown. One that is known explains each that its time overlaps, and is narrowed by it.
-- An instance has 100: a reporter that sends one id for all runs would show as many as these are.
CREATE OR REPLACE FUNCTION app.note_resets(results app.merged_delivery[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  shown record;
BEGIN
  FOR shown IN
    SELECT DISTINCT w.n8n_instance, lower(r.reset) AS after, upper(r.reset) AS until
    FROM unnest(results) AS r JOIN app.workflows AS w ON w.id = (r.execution).workflow_id
    WHERE r.reset IS NOT NULL ORDER BY upper(r.reset), lower(r.reset)
  LOOP
    UPDATE app.n8n_resets AS r SET after = greatest(r.after, shown.after), until = least(r.until, shown.until)
    WHERE (r.tenant_id, r.number, r.until) = (
      SELECT k.tenant_id, k.number, k.until FROM app.n8n_resets AS k
      WHERE k.tenant_id = app.tenant() AND k.number = shown.n8n_instance
        AND k.after < shown.until AND shown.after < k.until
      ORDER BY k.until LIMIT 1
    );
    IF NOT FOUND THEN
      INSERT INTO app.n8n_resets (number, after, until)
      SELECT shown.n8n_instance, shown.after, shown.until
      WHERE NOT EXISTS (
        SELECT FROM app.n8n_resets AS k WHERE k.tenant_id = app.tenant() AND k.number = shown.n8n_instance OFFSET 99
      )
      ON CONFLICT DO NOTHING;
    END IF;
  END LOOP;
END
$$;

-- The newest executions of the tenant that started in this time, of all instances, in no order. By an index alone: a
-- plan that sorts reads all that the tenant has of the time.
CREATE OR REPLACE FUNCTION app.newest_runs(since timestamptz, before timestamptz, most integer)
RETURNS TABLE (n8n_execution_id text, n8n_instance smallint, started_at timestamptz)
LANGUAGE plpgsql
STABLE
ROWS 20000
SET plan_cache_mode = force_custom_plan  -- leaves out the partitions of other times
SET enable_sort = off
SET enable_mergejoin = off
AS $$
DECLARE
  first uuid := app.uuid7_floor(since);
  beyond uuid := app.uuid7_floor(before);
BEGIN
  RETURN QUERY
  SELECT e.n8n_execution_id, w.n8n_instance, e.started_at
  FROM (
    SELECT r.n8n_execution_id, r.workflow_id, r.started_at
    FROM app.workflow_executions AS r
    WHERE r.id >= first AND r.id < beyond
    ORDER BY r.id DESC LIMIT most
  ) AS e
  JOIN app.workflows AS w ON w.tenant_id = app.tenant() AND w.id = e.workflow_id;
END
$$;
