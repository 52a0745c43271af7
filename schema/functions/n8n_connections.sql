-- How n8n instances are reached and read.

-- How many numbers there are in the ranges.
CREATE OR REPLACE FUNCTION app.size_of(ranges int8multirange)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint FROM unnest(ranges) AS r);

-- Ids as ranges.
CREATE OR REPLACE FUNCTION app.ranges_of(ids bigint[])
RETURNS int8multirange
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (SELECT coalesce(range_agg(int8range(id, id + 1)), '{}') FROM unnest(ids) AS id);

-- The highest so many of ranges, since each page that is read goes through all.
CREATE OR REPLACE FUNCTION app.newest_of(ranges int8multirange, most integer)
RETURNS int8multirange
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN (
  SELECT coalesce(range_agg(n.r), '{}') FROM (SELECT r FROM unnest(ranges) AS r ORDER BY r DESC LIMIT most) AS n
);

-- n8n's ids of workflows whose data is not asked for now. After a day it is.
CREATE OR REPLACE FUNCTION app.n8n_spared(connection app.n8n_connections)
RETURNS text []
LANGUAGE sql
STABLE
PARALLEL SAFE
RETURN (
  SELECT coalesce(array_agg(s.id ORDER BY s.at), '{}')
  FROM unnest(connection.spared, connection.spared_at) AS s (id, at)
  WHERE s.at > now() - interval '1 day'
);

-- Gives an instance its address and key; what is NULL stays. Another address is another n8n, which is read anew. FL422
-- without either at first, and without the key for another address.
CREATE OR REPLACE FUNCTION app.connect_n8n(wanted text, new_url text, new_key bytea)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  of_instance smallint := app.n8n_instance(wanted);
  known app.n8n_connections;
  is_other boolean;
BEGIN
  INSERT INTO app.n8n_instances (number, name) SELECT 0, wanted WHERE of_instance = 0 ON CONFLICT DO NOTHING;
  SELECT * INTO known FROM app.n8n_connections AS c
  WHERE c.tenant_id = app.tenant() AND c.number = of_instance FOR UPDATE;
  is_other := new_url IS DISTINCT FROM known.n8n_url AND new_url IS NOT NULL;
  IF known.number IS NULL AND new_url IS NULL OR new_key IS NULL AND (known.number IS NULL OR is_other) THEN
    RAISE EXCEPTION USING errcode = 'FL422', constraint = 'invalid_value', message = CASE
      WHEN known.number IS NULL AND new_url IS NULL THEN 'body.n8n_url: is needed at first'
      ELSE 'body.api_key: is needed at first, and with another address'
    END;
  END IF;
  INSERT INTO app.n8n_connections AS c (number, n8n_url, api_key, seconds)
  SELECT of_instance, coalesce(new_url, known.n8n_url), coalesce(new_key, known.api_key),
    CASE WHEN NOT EXISTS (
      SELECT FROM app.n8n_instances AS i WHERE i.tenant_id = app.tenant() AND i.number = of_instance AND i.is_suspect
    ) THEN 0 END
  ON CONFLICT (tenant_id, number) DO UPDATE SET
    n8n_url = excluded.n8n_url, api_key = excluded.api_key, version = c.version + 1, next_pull_at = now(),
    failures = 0, error = NULL, spared = '{}', spared_at = '{}',
    key_changed_at = CASE WHEN new_key IS NULL THEN c.key_changed_at ELSE now() END;
  IF is_other THEN
    UPDATE app.n8n_connections AS c SET
      pulled_at = NULL, workflows_at = NULL, known_id = 0, known_at = NULL, oldest_id = NULL, cursor = NULL,
      list_id = NULL, list_at = NULL, list_low = NULL, open = '{}', open_below = NULL, missing = '{}', tried = '{}',
      tried_again = '{}', without_data = 0
    WHERE c.tenant_id = app.tenant() AND c.number = of_instance;
  END IF;
END
$$;

-- The same, and who wins where workflows were changed here. Neither address nor key: the instance may have none.
CREATE OR REPLACE FUNCTION app.change_n8n_instance(wanted text, new_url text, new_key bytea, wins boolean)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  of_instance smallint := app.n8n_instance(wanted);
BEGIN
  IF wins IS NOT NULL THEN
    INSERT INTO app.n8n_instances (number, name) SELECT 0, wanted WHERE of_instance = 0 ON CONFLICT DO NOTHING;
    UPDATE app.n8n_instances AS i SET n8n_wins = wins WHERE i.tenant_id = app.tenant() AND i.number = of_instance;
  END IF;
  IF wins IS NULL OR new_url IS NOT NULL OR new_key IS NOT NULL THEN
    PERFORM app.connect_n8n(wanted, new_url, new_key);
  END IF;
END
$$;

-- Ids that are asked for one by one: the newest so many, which may just be under way, and in turn so many others.
-- `turn`: it is of these.
CREATE OR REPLACE FUNCTION app.n8n_ids_to_ask(connection app.n8n_connections, most integer)
RETURNS TABLE (id bigint, turn boolean)
LANGUAGE sql
STABLE
AS $$
  WITH newest AS (
    SELECT n.id FROM unnest(connection.open) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    ORDER BY n.id DESC LIMIT most
  ),
  others AS (
    SELECT connection.open - (SELECT coalesce(range_agg(int8range(n.id, n.id + 1)), '{}') FROM newest AS n) AS open
  ),
  next AS (
    SELECT n.id FROM others, unnest(open * int8multirange(int8range(NULL, connection.open_below))) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    ORDER BY n.id DESC LIMIT most
  ),
  top AS (  -- when none is left below
    SELECT n.id FROM others, unnest(open) AS r
    CROSS JOIN LATERAL generate_series(upper(r) - 1, greatest(lower(r), upper(r) - most), -1) AS n (id)
    WHERE NOT EXISTS (SELECT FROM next)
    ORDER BY n.id DESC LIMIT most
  )
  SELECT n.id, false FROM newest AS n
  UNION ALL
  SELECT n.id, true FROM next AS n
  UNION ALL
  SELECT n.id, true FROM top AS n
$$;
