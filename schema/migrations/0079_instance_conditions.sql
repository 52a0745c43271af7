-- An alert may be on the executions of one n8n instance; what a key delivers may be of one.
ALTER TABLE app.alerts ADD COLUMN n8n_instance smallint
CONSTRAINT alerts_n8n_instance CHECK (workflow_id IS NULL OR n8n_instance IS NULL);
GRANT INSERT (n8n_instance) ON app.alerts TO flo_app;

ALTER TABLE app.api_keys ADD COLUMN instance text
CONSTRAINT api_keys_instance CHECK (instance ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$');
