-- What people prefer: a row of theirs in each tenant, and one without tenant, which is the default in all of them.

CREATE TABLE app.user_preferences (
  id uuid PRIMARY KEY DEFAULT app.uuid7(),
  user_id text NOT NULL CHECK (length(user_id) BETWEEN 1 AND 255),
  tenant_id uuid DEFAULT app.tenant(),
  preferences jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(preferences) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz,
  UNIQUE NULLS NOT DISTINCT (tenant_id, user_id),
  -- only members have preferences in a tenant; they change their name when they accept an invitation
  FOREIGN KEY (tenant_id, user_id) REFERENCES app.tenant_memberships (tenant_id, user_id)
  ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX user_preferences_user_id ON app.user_preferences (user_id);
CALL app.isolate('app.user_preferences');
CALL app.open_to_jobs('app.user_preferences', 'SELECT, DELETE');

-- The row without tenant is its person's alone, in every tenant and outside.
CREATE POLICY own ON app.user_preferences TO flo_app
USING (tenant_id IS NULL AND user_id = (SELECT app.person()))
WITH CHECK (tenant_id IS NULL AND user_id = (SELECT app.person()));

-- Outside tenants people see their rows of all those that they belong to.
CREATE POLICY own_in_tenants ON app.user_preferences FOR SELECT TO flo_app
USING ((SELECT app.tenant()) IS NULL AND user_id = (SELECT app.person()) AND EXISTS (
  SELECT FROM app.tenant_memberships AS m
  JOIN app.tenants AS t ON t.id = m.tenant_id
  WHERE m.tenant_id = user_preferences.tenant_id AND m.user_id = user_preferences.user_id
    AND m.status = 'active' AND t.deleted_at IS NULL
));

-- Within a tenant, members have no part in the rows of others.
CREATE POLICY person ON app.user_preferences AS RESTRICTIVE TO flo_app
USING (app.acts_for(user_id)) WITH CHECK (app.acts_for(user_id));
