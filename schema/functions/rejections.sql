-- Why a delivery is rejected, for people.

CREATE OR REPLACE FUNCTION app.why_rejected(rejection text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
RETURN CASE rejection
  WHEN 'workflow_not_found' THEN 'workflow_id: there is no such workflow.'
  WHEN 'other_workflows_execution' THEN 'n8n_execution_id: this n8n execution belongs to another workflow.'
  WHEN 'legal_hold' THEN 'This is under a legal hold and stays. GET /routes/legal-holds tells which; release it first.'
END;

-- Raises, so that a refused delivery stores no Idempotency-Key and may be repeated until it is accepted.
CREATE OR REPLACE FUNCTION app.require_recorded(rejection text)
RETURNS boolean
LANGUAGE plpgsql
IMMUTABLE
AS $$
BEGIN
  IF rejection IS NOT NULL THEN
    RAISE EXCEPTION USING
      errcode = CASE rejection WHEN 'workflow_not_found' THEN 'FL404' ELSE 'FL409' END,
      constraint = rejection, message = app.why_rejected(rejection);
  END IF;
  RETURN true;
END
$$;
