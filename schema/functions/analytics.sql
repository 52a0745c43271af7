-- Reads rollups.

-- A time zone of the IANA database by its name there, or FL422. Postgres would also take abbreviations and offsets.
CREATE OR REPLACE FUNCTION app.require_time_zone(field text, zone text)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  IF zone !~ '^(UTC|GMT|Etc/GMT[+-][0-9]{1,2}|[A-Za-z_]+(/[A-Za-z_-]+)+)$' THEN
    RAISE EXCEPTION invalid_parameter_value;
  END IF;
  PERFORM now() AT TIME ZONE zone;
  RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
  RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
    message = format('%s: is no time zone of the IANA database, such as Europe/Berlin.', field);
END
$$;

-- What is answered: from the whole quarter hour, or hour of workflows, at or before `asked_from`, to that at or after
-- `asked_to`, and which whole days of it rollups by day tell. NULL: the 30 days until the end of today. Raises FL422.
CREATE OR REPLACE FUNCTION app.analytics_frame(
  bucket text, asked_from timestamptz, asked_to timestamptz, asked_zone text, of_workflows boolean,
  most_buckets integer,
  OUT starts timestamptz, OUT ends timestamptz, OUT zone text, OUT days_from timestamptz, OUT days_until timestamptz,
  OUT hours_align boolean, OUT as_of timestamptz
)
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  built_in text := app.rollup_zone(app.tenant());
BEGIN
  zone := app.require_time_zone('query.time_zone', coalesce(asked_zone, built_in));
  as_of := (SELECT p.folded_at FROM app.rollup_progress AS p);
  asked_to := coalesce(asked_to, (date_trunc('day', now() AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone);
  asked_from := coalesce(asked_from, (asked_to AT TIME ZONE zone - interval '30 days') AT TIME ZONE zone);
  IF asked_to <= asked_from THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = 'query.to: must be later than from.';
  ELSIF (asked_to - asked_from) / most_buckets > ('1 ' || bucket)::interval THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value',
      message = format(
        'query.bucket: there would be more than %s buckets: choose a larger bucket or a shorter time.', most_buckets
      );
  END IF;
  hours_align := zone = built_in OR NOT EXISTS (
    SELECT FROM generate_series(asked_from, asked_to + interval '1 day', interval '1 day') AS day
    WHERE date_trunc('hour', day, zone) <> date_trunc('hour', day, built_in)
  );
  IF of_workflows AND NOT hours_align THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value', message = format(
      'query.time_zone: workflows are counted by hours of %s, which are no hours of %s: '
      'choose another zone, or ask for all workflows.',
      built_in, zone
    );
  END IF;
  IF of_workflows THEN
    starts := date_trunc('hour', asked_from, built_in);
    ends := date_trunc('hour', asked_to + interval '1 hour' - interval '1 microsecond', built_in);
  ELSE
    starts := date_bin('15 minutes', asked_from, 'epoch');
    ends := date_bin('15 minutes', asked_to + interval '15 minutes' - interval '1 microsecond', 'epoch');
  END IF;
  hours_align := hours_align AND starts = date_trunc('hour', starts, built_in)
    AND ends = date_trunc('hour', ends, built_in);
  days_from := ends;
  days_until := ends;
  IF zone = built_in AND bucket <> 'hour' THEN
    days_from := date_trunc('day', starts, zone);
    IF days_from < starts THEN
      days_from := (days_from AT TIME ZONE zone + interval '1 day') AT TIME ZONE zone;
    END IF;
    IF EXISTS (
      SELECT FROM app.execution_rollups AS r
      WHERE r.tenant_id = app.tenant() AND r.grain = 'quarter'
        AND r.workflow_id = '00000000-0000-0000-0000-000000000000' AND r.bucket_start >= ends
    ) THEN
      days_until := greatest(date_trunc('day', ends, zone), days_from);
    END IF;
  END IF;
END
$$;

-- The rollups of a frame: those of its whole days, and by hour (of workflows) or quarter hour (of all) what is beside
-- them. `of_workflow`: one, or NULL; of all by workflow, or of all together. Becomes a part of the query that calls it.
CREATE OR REPLACE FUNCTION app.rollups_between_v2(
  starts timestamptz, ends timestamptz, days_from timestamptz, days_until timestamptz, of_workflow uuid,
  by_workflow boolean
)
RETURNS SETOF app.execution_rollups
LANGUAGE sql
STABLE
AS $$
  SELECT r.*
  FROM (
    VALUES
    ('day', days_from, least(days_until, ends)),
    (CASE WHEN of_workflow IS NULL AND NOT by_workflow THEN 'quarter' ELSE 'hour' END, starts, least(days_from, ends)),
    (CASE WHEN of_workflow IS NULL AND NOT by_workflow THEN 'quarter' ELSE 'hour' END, days_until, ends)
  ) AS p (grain, first, until)
  CROSS JOIN LATERAL (
    SELECT * FROM app.execution_rollups AS r
    WHERE r.tenant_id = app.tenant() AND r.grain = p.grain
      AND r.workflow_id >= CASE WHEN of_workflow IS NOT NULL THEN of_workflow WHEN by_workflow
        THEN '00000000-0000-0000-0000-000000000001'::uuid ELSE '00000000-0000-0000-0000-000000000000'::uuid END
      AND r.workflow_id <= CASE WHEN of_workflow IS NOT NULL THEN of_workflow WHEN by_workflow
        THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid ELSE '00000000-0000-0000-0000-000000000000'::uuid END
      AND r.bucket_start >= p.first AND r.bucket_start < p.until
    OFFSET 0  -- by the primary key, whatever it is joined with
  ) AS r
  WHERE p.first < p.until
$$;

-- The same for code of the release before, which reads counts.
CREATE OR REPLACE FUNCTION app.rollups_between(
  starts timestamptz, ends timestamptz, days_from timestamptz, days_until timestamptz, of_workflow uuid,
  by_workflow boolean
)
RETURNS SETOF app.execution_rollups
LANGUAGE sql
STABLE
AS $$
  SELECT (c.rollup).*
  FROM app.rollups_between_v2(starts, ends, days_from, days_until, of_workflow, by_workflow) AS r
  CROSS JOIN LATERAL (
    SELECT CASE WHEN r.duration_counts IS NOT NULL THEN r ELSE jsonb_populate_record(r, jsonb_build_object(
      'duration_counts', app.histogram_counts(r.duration_keys, r.duration_upto)
    )) END AS rollup
    OFFSET 0  -- once
  ) AS c
$$;

-- What a successful run of a workflow saves, in minutes, as its metadata say; NULL where they do not.
CREATE OR REPLACE FUNCTION app.minutes_saved(metadata jsonb)
RETURNS double precision
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE WHEN metadata -> 'minutes_saved_per_run' BETWEEN '-1000000000' AND '1000000000'  -- others are no numbers
  THEN (metadata ->> 'minutes_saved_per_run')::double precision END;
