-- Data of executions that lies in object storage.

-- Writes that an execution of the current tenant has its data in an object, which has been claimed. Returns true.
CREATE OR REPLACE FUNCTION app.refer_to_object(execution uuid, execution_data jsonb)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  IF execution_data ? 'flomastr_object' IS NOT TRUE THEN
    RETURN true;
  END IF;
  INSERT INTO app.execution_object_references (sha256, execution_id)
  SELECT o.sha256, execution FROM app.execution_objects AS o
  WHERE o.tenant_id = app.tenant() AND o.sha256 = execution_data #>> '{flomastr_object,sha256}'
  ON CONFLICT DO NOTHING;
  RETURN true;
END
$$;
