-- Chats of a user with a workflow, one for each pair. Their messages are numbered, and only ever appended.

CREATE TABLE app.webchat_sessions (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  -- 244 random bits: who knows the three ids does not know the key
  session_key text NOT NULL DEFAULT encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'hex')
  CHECK (length(session_key) BETWEEN 1 AND 255),
  tenant_id uuid NOT NULL DEFAULT app.tenant() REFERENCES app.tenants ON DELETE CASCADE,
  workflow_id uuid NOT NULL,
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 255),
  messages jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(messages) = 'array'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),  -- when it was last opened or written to
  -- generated: a list that counted messages would otherwise fetch them all
  message_count integer NOT NULL GENERATED ALWAYS AS (jsonb_array_length(messages)) STORED,
  UNIQUE (tenant_id, user_id, workflow_id),
  UNIQUE (tenant_id, session_key),
  FOREIGN KEY (tenant_id, workflow_id) REFERENCES app.workflows (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX webchat_sessions_newest ON app.webchat_sessions (tenant_id, id);
CREATE INDEX webchat_sessions_newest_of_workflow ON app.webchat_sessions (tenant_id, workflow_id, id);
CREATE INDEX webchat_sessions_updated_at ON app.webchat_sessions (tenant_id, updated_at);  -- which are too old
CALL app.isolate('app.webchat_sessions');
CALL app.open_to_jobs('app.webchat_sessions', 'SELECT, DELETE');

-- Members have no part in the chats of others.
CREATE POLICY person ON app.webchat_sessions AS RESTRICTIVE TO flo_app
USING (app.acts_for(user_id)) WITH CHECK (app.acts_for(user_id));
