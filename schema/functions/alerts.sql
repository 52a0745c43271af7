-- Sets alerts, compares them with rollups, and keeps the deliveries of what changed.

-- Raises FL409 for numbers that fit an alert, and not one of this kind.
CREATE OR REPLACE FUNCTION app.require_alert_numbers(alert app.alerts)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  least_minutes integer := CASE alert.kind WHEN 'silence' THEN 60 ELSE 15 END;
  most_minutes integer := CASE alert.kind WHEN 'silence' THEN 129600 ELSE 1440 END;
BEGIN
  IF alert.minutes NOT BETWEEN least_minutes AND most_minutes THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict', message = format(
      'body.minutes: must be from %s to %s for the kind %s.', least_minutes, most_minutes, alert.kind
    );
  ELSIF (alert.kind = 'silence') <> (alert.threshold IS NULL) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict',
      message = 'body.threshold: an alert on silence has none, and any other has one.';
  ELSIF alert.kind = 'failure_rate' AND alert.threshold >= 100 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict',
      message = 'body.threshold: must be below 100 per cent.';
  END IF;
END
$$;

-- Sets an alert in the current tenant. Raises FL404 if there is no such workflow or instance, FL409 if the tenant has
-- 100 alerts.
CREATE OR REPLACE FUNCTION app.create_alert(new jsonb)
RETURNS SETOF app.alerts
LANGUAGE plpgsql
AS $$
DECLARE
  alert app.alerts := jsonb_populate_record(NULL::app.alerts, new);
BEGIN
  alert.n8n_instance := app.known_n8n_instance(new ->> 'instance');
  IF alert.n8n_instance IS NULL AND new ->> 'instance' IS NOT NULL THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'body.instance: the tenant has no such n8n instance.';
  END IF;
  IF alert.workflow_id IS NOT NULL AND NOT EXISTS (SELECT FROM app.workflows AS w WHERE w.id = alert.workflow_id) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'workflow_not_found',
      message = 'body.workflow_id: there is no such workflow.';
  END IF;
  PERFORM app.wait_for_turn('alerts');
  IF (SELECT count(*) FROM app.alerts AS a WHERE a.tenant_id = app.tenant()) >= 100 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 100 alerts: delete one first.';
  END IF;
  RETURN QUERY
  INSERT INTO app.alerts (name, kind, workflow_id, n8n_instance, minutes, threshold, min_runs, url, enabled)
  VALUES (
    alert.name, alert.kind, alert.workflow_id, alert.n8n_instance, alert.minutes, alert.threshold, alert.min_runs,
    alert.url, alert.enabled
  )
  RETURNING *;
END
$$;

-- Changes what `changes` names. Raises FL412, FL409. Silence counts anew when it is watched in another way.
CREATE OR REPLACE FUNCTION app.change_alert(alert uuid, changes jsonb, if_match text[])
RETURNS SETOF app.alerts
LANGUAGE plpgsql
AS $$
DECLARE
  old app.alerts;
  changed app.alerts;
BEGIN
  SELECT * INTO old FROM app.alerts AS a WHERE a.id = alert FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  PERFORM app.require_match(app.etag(old), if_match);
  changed := jsonb_populate_record(old, changes);
  PERFORM app.require_alert_numbers(changed);
  RETURN QUERY
  UPDATE app.alerts AS a
  SET name = changed.name, minutes = changed.minutes, threshold = changed.threshold, min_runs = changed.min_runs,
    url = changed.url, enabled = changed.enabled, updated_at = now(),
    watched_since = CASE WHEN (old.minutes, old.enabled) = (changed.minutes, changed.enabled)
      THEN old.watched_since ELSE now() END
  WHERE a.id = alert
  RETURNING *;
END
$$;

-- The alerts of these tenants, locked, with what rollups tell of their time until `as_of`: from the whole quarter hour
-- (of a workflow or an instance: hour) in which it begins. What people start by hand does not count. Rollups are read
-- once for all alerts of a tenant on the same workflow or instance, as alerts and workflows may be many.
CREATE OR REPLACE FUNCTION app.measured_alerts_v2(as_of timestamptz, tenants uuid[])
RETURNS TABLE (
  alert app.alerts, workflow_name text, is_watched boolean, runs bigint, failures bigint, successes bigint,
  duration_keys smallint[], duration_counts bigint[]
)
LANGUAGE sql
AS $$
  WITH page AS MATERIALIZED (
    SELECT
      a.id, a.tenant_id, a.workflow_id, a.n8n_instance, p.grain, a.kind = 'slow' AS is_slow,
      dense_rank() OVER (ORDER BY a.tenant_id, a.workflow_id, a.n8n_instance, a.kind = 'slow') AS scope,
      as_of - make_interval(mins => a.minutes + CASE p.grain WHEN 'quarter' THEN 15 ELSE 60 END) AS begins_after
    FROM app.alerts AS a
    JOIN app.tenants AS t ON t.id = a.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
    CROSS JOIN LATERAL (
      SELECT CASE WHEN a.workflow_id IS NULL AND a.n8n_instance IS NULL THEN 'quarter' ELSE 'hour' END
    ) AS p (grain)
    WHERE a.tenant_id = ANY (tenants) AND (a.enabled OR a.fired_id IS NOT NULL)
  ),
  windows AS MATERIALIZED (SELECT DISTINCT scope, begins_after FROM page),
  watched AS MATERIALIZED (  -- an instance is its workflows
    SELECT s.scope, s.tenant_id, s.grain, s.is_slow, s.begins_after,
      coalesce(s.workflow_id, w.id, '00000000-0000-0000-0000-000000000000') AS workflow_id
    FROM (
      SELECT scope, tenant_id, workflow_id, n8n_instance, grain, is_slow, min(begins_after) AS begins_after
      FROM page GROUP BY 1, 2, 3, 4, 5, 6
    ) AS s
    LEFT JOIN app.workflows AS w ON w.tenant_id = s.tenant_id AND w.n8n_instance = s.n8n_instance
    WHERE s.n8n_instance IS NULL OR w.id IS NOT NULL
  ),
  counted AS MATERIALIZED (
    SELECT
      s.scope, r.bucket_start, sum(r.runs) AS runs,
      coalesce(sum(r.runs) FILTER (WHERE r.status IN ('error', 'crashed')), 0) - sum(r.recovered) AS failures,
      coalesce(sum(r.runs) FILTER (WHERE r.status = 'success'), 0) AS successes
    FROM watched AS s
    JOIN app.execution_rollups AS r ON r.tenant_id = s.tenant_id AND r.grain = s.grain
      AND r.workflow_id = s.workflow_id AND r.bucket_start > s.begins_after AND r.mode_class <> 'manual'
    WHERE NOT s.is_slow
    GROUP BY 1, 2
  ),
  sums AS MATERIALIZED (
    SELECT
      w.scope, w.begins_after, sum(c.runs)::bigint AS runs, sum(c.failures)::bigint AS failures,
      sum(c.successes)::bigint AS successes
    FROM windows AS w
    JOIN counted AS c ON c.scope = w.scope AND c.bucket_start > w.begins_after
    GROUP BY 1, 2
  ),
  timed AS MATERIALIZED (
    SELECT s.scope, r.bucket_start, u.key, sum(u.count) AS count
    FROM watched AS s
    JOIN app.execution_rollups AS r ON r.tenant_id = s.tenant_id AND r.grain = s.grain
      AND r.workflow_id = s.workflow_id AND r.bucket_start > s.begins_after AND r.mode_class <> 'manual'
    CROSS JOIN LATERAL unnest(
      r.duration_keys, coalesce(r.duration_counts, app.histogram_counts(r.duration_keys, r.duration_upto))
    ) AS u (key, count)
    WHERE s.is_slow
    GROUP BY 1, 2, 3
  ),
  histograms AS MATERIALIZED (
    SELECT scope, begins_after, array_agg(key) AS keys, array_agg(count) AS counts
    FROM (
      SELECT w.scope, w.begins_after, t.key, sum(t.count)::bigint AS count
      FROM windows AS w
      JOIN timed AS t ON t.scope = w.scope AND t.bucket_start > w.begins_after
      GROUP BY 1, 2, 3
    ) AS c
    GROUP BY 1, 2
  )
  SELECT
    a, w.name, a.enabled AND (a.workflow_id IS NULL OR w.id IS NOT NULL), coalesce(m.runs, 0), coalesce(m.failures, 0),
    coalesce(m.successes, 0), coalesce(h.keys, '{}'), coalesce(h.counts, '{}')
  FROM page AS p
  JOIN app.alerts AS a ON a.id = p.id AND (a.enabled OR a.fired_id IS NOT NULL)
  LEFT JOIN app.workflows AS w ON w.tenant_id = a.tenant_id AND w.id = a.workflow_id
  LEFT JOIN sums AS m ON m.scope = p.scope AND m.begins_after = p.begins_after
  LEFT JOIN histograms AS h ON h.scope = p.scope AND h.begins_after = p.begins_after
  ORDER BY a.id
  FOR NO KEY UPDATE OF a SKIP LOCKED
$$;

-- The next alerts in the order of their ids, for code of the release before.
CREATE OR REPLACE FUNCTION app.measured_alerts(as_of timestamptz, after uuid, most integer)
RETURNS TABLE (
  alert app.alerts, workflow_name text, is_watched boolean, runs bigint, failures bigint, successes bigint,
  duration_keys smallint[], duration_counts bigint[]
)
LANGUAGE sql
AS $$
  SELECT m.*
  FROM (
    SELECT array_agg(a.tenant_id) AS tenants, array_agg(a.id) AS ids
    FROM (
      SELECT a.id, a.tenant_id FROM app.alerts AS a
      JOIN app.tenants AS t ON t.id = a.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
      WHERE (a.enabled OR a.fired_id IS NOT NULL) AND (after IS NULL OR a.id > after)
      ORDER BY a.id LIMIT most
    ) AS a
  ) AS p
  CROSS JOIN LATERAL app.measured_alerts_v2(as_of, p.tenants) AS m
  WHERE (m.alert).id = ANY (p.ids)
  ORDER BY (m.alert).id
$$;

-- Writes down that an alert fires or is resolved, once: it is locked, and was in the other state.
CREATE OR REPLACE FUNCTION app.note_alert_event(alert app.alerts, type text, data jsonb)
RETURNS void
LANGUAGE sql
AS $$
  WITH event AS (
    INSERT INTO app.alert_events (tenant_id, alert_id, workflow_id, type, data)
    VALUES (alert.tenant_id, alert.id, alert.workflow_id, note_alert_event.type, note_alert_event.data)
    RETURNING id, occurred_at
  )
  UPDATE app.alerts AS a
  SET fired_id = CASE WHEN note_alert_event.type = 'fired' THEN event.id END,
    fired_at = CASE WHEN note_alert_event.type = 'fired' THEN event.occurred_at END
  FROM event WHERE a.id = alert.id
$$;

-- Claims events whose webhook is due, those that were tried least first. Of an alert only the oldest that is not
-- delivered, so that they arrive in order. A claim ends with its time, when the run that had it was killed.
CREATE OR REPLACE FUNCTION app.claim_alert_events(most integer, lease interval)
RETURNS TABLE (event app.alert_events, url text)
LANGUAGE sql
AS $$
  WITH due AS (
    SELECT e.id, a.url
    FROM app.alert_events AS e
    JOIN app.alerts AS a ON a.tenant_id = e.tenant_id AND a.id = e.alert_id
    JOIN app.tenants AS t ON t.id = e.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
    WHERE e.delivery = 'pending' AND e.next_attempt_at <= now()
      AND NOT EXISTS (
        SELECT FROM app.alert_events AS p
        WHERE p.tenant_id = e.tenant_id AND p.alert_id = e.alert_id AND p.delivery = 'pending' AND p.id < e.id
      )
    ORDER BY jsonb_array_length(e.attempts), e.next_attempt_at LIMIT most
    FOR NO KEY UPDATE OF e SKIP LOCKED
  )
  UPDATE app.alert_events AS e SET next_attempt_at = now() + lease FROM due WHERE e.id = due.id
  RETURNING e, due.url
$$;

-- Writes down how an attempt went, unless its claim is over. `wait`: until the next one, which an event of the last
-- three days has; NULL: there is none.
CREATE OR REPLACE FUNCTION app.note_attempt(
  event uuid, claim timestamptz, attempt jsonb, is_delivered boolean, wait interval
)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.alert_events AS e
  SET attempts = e.attempts || attempt, next_attempt_at = now() + coalesce(wait, '0'),
    delivery = CASE
      WHEN is_delivered THEN 'delivered'
      WHEN wait IS NULL OR e.occurred_at < now() - interval '3 days' THEN 'failed'
      ELSE 'pending'
    END
  WHERE e.id = event AND e.delivery = 'pending' AND e.next_attempt_at = claim
$$;
