-- squawk-ignore-file ban-drop-function
-- Finds a hold by what is held, without reading all holds of the tenant: app.holds_on.
CREATE INDEX legal_holds_held ON app.legal_holds (
  tenant_id, (CASE scope WHEN 'tenant' THEN tenant_id WHEN 'workflow' THEN workflow_id ELSE execution_id END)
) WHERE released_at IS NULL;
-- app.holds_on takes its place; until the code is replaced, the preview of the archive alone is a 503
DROP FUNCTION IF EXISTS app.hold_covers(app.legal_holds, uuid, uuid);
