-- Recoveries of a tenant, or of some tables or rows of it, to how they were: previewed, then applied, then undone.

CREATE TABLE app.recoveries (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants,
  at timestamptz CHECK ((at IS NULL) <> (of_transaction IS NULL)),  -- to that moment
  of_transaction xid8,  -- or to how rows were before that transaction
  tables text[] NOT NULL CHECK (cardinality(tables) > 0),
  row_ids uuid[],  -- NULL: all rows
  undone_id uuid,  -- of the recovery that it undoes
  since pg_snapshot NOT NULL,  -- what it does not have is undone,
  is_exact boolean NOT NULL,  -- all of it, or what was committed after `at`
  seen pg_snapshot NOT NULL DEFAULT pg_current_snapshot(),  -- what the preview knows; later changes stand in the way
  counts jsonb NOT NULL DEFAULT '{}',  -- of rows, by table and by what is done
  plan_hash text,  -- of what is done with which row
  swept_along bigint NOT NULL DEFAULT 0,  -- rows that would be deleted with others, though it does not name their table
  state text NOT NULL DEFAULT 'previewed' CHECK (state IN ('previewed', 'pending', 'done', 'failed')),
  reason text CHECK (length(reason) BETWEEN 1 AND 1000),
  requested_by text NOT NULL DEFAULT current_setting('app.actor'),
  created_at timestamptz NOT NULL DEFAULT now(),
  applied_by text,
  applied_at timestamptz,
  applied_xid xid8,  -- the transaction that did it
  error text
);
CREATE INDEX recoveries_tenant_id ON app.recoveries (tenant_id, id DESC);
CREATE INDEX recoveries_pending ON app.recoveries (id) WHERE state = 'pending';
CALL app.isolate('app.recoveries');
REVOKE INSERT, UPDATE, DELETE ON app.recoveries FROM flo_app;
CREATE POLICY access ON app.recoveries TO flo_owner USING (tenant_id = (SELECT app.tenant()))
WITH CHECK (tenant_id = (SELECT app.tenant()));
CALL app.open_to_jobs('app.recoveries', 'SELECT, UPDATE, DELETE');

-- What is to be done with one row: insert, update or delete it; else what keeps it as it is.
CREATE TYPE app.planned_row AS (table_name text, id uuid, action text, image jsonb, present jsonb);

-- A value before a change that kept a part of it (app.changed_part), from what it was after it.
CREATE FUNCTION app.whole_before(after jsonb, part jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN part ? 'first' THEN jsonb_path_query_array(
    after, '$[0 to $last]', jsonb_build_object('last', (part -> 'first')::integer - 1)
  )
  ELSE (after - ARRAY(SELECT jsonb_array_elements_text(part -> 'added'))) || (part -> 'members')
END;

-- The part that two changes have kept, of which `part` is of the earlier one.
CREATE FUNCTION app.part_before(after jsonb, part jsonb)
RETURNS jsonb
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE
  WHEN after IS NULL OR part ? 'first' THEN part
  ELSE jsonb_build_object(
    'members', app.whole_before(after -> 'members', part), 'added', (after -> 'added') || (part -> 'added')
  )
END;

-- The image of an earlier change put over that of a later one, or over what is stored: what it has, has the last word.
CREATE FUNCTION app.lay_over(later jsonb, earlier jsonb)
RETURNS jsonb
LANGUAGE plpgsql
IMMUTABLE
STRICT  -- what inserted a row has no image
PARALLEL SAFE
AS $$
DECLARE
  laid jsonb := later || earlier;
  parts jsonb;
  part record;
BEGIN
  IF NOT laid ? 'in_part' THEN
    RETURN laid;
  END IF;
  parts := coalesce(later -> 'in_part', '{}') - ARRAY(SELECT jsonb_object_keys(earlier));
  FOR part IN SELECT p.key, p.value FROM jsonb_each(earlier -> 'in_part') AS p LOOP
    IF later ? part.key THEN
      laid := jsonb_set(laid, ARRAY[part.key], app.whole_before(later -> part.key, part.value));
    ELSE
      parts := parts || jsonb_build_object(part.key, app.part_before(parts -> part.key, part.value));
    END IF;
  END LOOP;
  RETURN CASE parts WHEN '{}' THEN laid - 'in_part' ELSE laid || jsonb_build_object('in_part', parts) END;
END
$$;

-- Images put over each other, the latest first.
CREATE AGGREGATE app.laid_over(jsonb) (sfunc = app.lay_over, stype = jsonb, initcond = '{}');

-- A recovery runs as the owner, in its tenant alone.
CREATE POLICY recovery ON app.workflows TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.workflow_executions TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.webchat_sessions TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));
CREATE POLICY recovery ON app.user_preferences TO flo_owner
USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()));

-- `/routes/recovery/...` is no tenant's.
INSERT INTO app.reserved_slugs (slug) VALUES ('recovery');
