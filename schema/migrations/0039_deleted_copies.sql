-- What is reported after somebody has deleted its copy is no copy, though the deleted copy is still remembered.

CREATE POLICY late ON app.rehydrated_rows FOR DELETE TO flo_owner USING (true);

CREATE FUNCTION app.forget_deleted_copy()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('app.rehydrating', true) IS DISTINCT FROM 'on' THEN
    DELETE FROM app.rehydrated_rows AS r WHERE r.tenant_id = new.tenant_id AND r.id = new.id;
  END IF;
  RETURN new;
END
$$;
REVOKE ALL ON FUNCTION app.forget_deleted_copy FROM PUBLIC;
CREATE TRIGGER forget_deleted_copy BEFORE INSERT ON app.workflow_executions
FOR EACH ROW WHEN (new.retention_class = 0) EXECUTE FUNCTION app.forget_deleted_copy();
