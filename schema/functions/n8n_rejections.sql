-- Rejected items of n8n's events.

-- Keeps those that were rejected of a request, and of all that are kept the newest 500. Under a hold none goes, and
-- none comes once there are 10,000.
CREATE OR REPLACE FUNCTION app.keep_rejected(events jsonb, results app.recorded_event[], of_instance text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO app.n8n_rejections (id, instance, n8n_execution_id, n8n_workflow_id, error, item, delivery)
  SELECT  -- with ids that fall within their millisecond, so that they are listed in their order
    app.uuid7(now(), overlay(
      gen_random_uuid()::text PLACING lpad(to_hex(4095 - e.ordinal), 3, '0') FROM 16
    )::uuid), of_instance, r.n8n_execution_id, r.n8n_workflow_id, r.error, e.event -> 'item',
    CASE WHEN NOT e.event ? 'outcome' AND length(e.event::text) <= 100000
      AND NOT coalesce(e.event -> 'execution_data' ? 'flomastr_object', false)  -- which lies elsewhere, and is too long
    THEN e.event END
  FROM jsonb_array_elements(events) WITH ORDINALITY AS e (event, ordinal)
  JOIN unnest(results) WITH ORDINALITY AS r (
    n8n_execution_id, n8n_workflow_id, id, outcome, error, restarted, ordinal
  ) ON r.ordinal = e.ordinal
  WHERE r.outcome = 'rejected' AND NOT (app.has_holds(app.tenant()) AND EXISTS (
    SELECT FROM app.n8n_rejections AS k WHERE k.tenant_id = app.tenant() OFFSET 9999
  ))
  ORDER BY e.ordinal LIMIT 500;

  DELETE FROM app.n8n_rejections AS r
  WHERE r.tenant_id = app.tenant() AND NOT app.has_holds(app.tenant()) AND r.id <= (
    SELECT k.id FROM app.n8n_rejections AS k WHERE k.tenant_id = app.tenant() ORDER BY k.id DESC OFFSET 500 LIMIT 1
  );
END
$$;

-- Records an event in the place of a rejected one, which goes, unless the tenant has a hold: what is rejected again is
-- kept anew. No row: there is none.
CREATE OR REPLACE FUNCTION app.replay_rejection(rejection uuid, event jsonb)
RETURNS SETOF app.recorded_event
LANGUAGE plpgsql
AS $$
DECLARE
  of_instance text;
BEGIN
  IF app.has_holds(app.tenant()) THEN
    SELECT r.instance INTO of_instance FROM app.n8n_rejections AS r
    WHERE r.tenant_id = app.tenant() AND r.id = rejection;
  ELSE
    DELETE FROM app.n8n_rejections AS r WHERE r.tenant_id = app.tenant() AND r.id = rejection
    RETURNING r.instance INTO of_instance;
  END IF;
  IF FOUND THEN
    RETURN QUERY SELECT * FROM app.record_events(jsonb_build_array(event), of_instance);
  END IF;
END
$$;
