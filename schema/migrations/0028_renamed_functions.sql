-- squawk-ignore-file ban-drop-function
-- Functions that have another name, or other names of parameters, in schema/functions. Nothing has been released that
-- calls the old ones.
DROP FUNCTION IF EXISTS app.take(text, text, integer);
DROP FUNCTION IF EXISTS app.meet_workflows(jsonb);
DROP FUNCTION IF EXISTS app.state_of(app.documents);
DROP FUNCTION IF EXISTS app.rehydrate(uuid, jsonb);
DROP FUNCTION IF EXISTS app.reserve_key(text, bytea);
