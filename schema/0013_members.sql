-- Who belongs to a tenant: nobody gives or takes a role above their own, and an active owner always stays.

-- For those who administer members, up to their own rank.
CREATE FUNCTION app.require_rank(needed text)
RETURNS boolean
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
  IF app.rank(app.role()) < greatest(app.rank(needed), app.rank('admin')) THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'role_too_low',
      message = format('Only an %s may do this.', CASE needed WHEN 'owner' THEN 'owner' ELSE 'admin or an owner' END);
  END IF;
  RETURN true;
END
$$;

-- Waits for other changes of the tenant's owners, then looks whether one is left. A tenant that is itself deleted needs none.
CREATE FUNCTION app.keep_an_owner()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.tenants WHERE id = old.tenant_id FOR NO KEY UPDATE;
  IF FOUND AND NOT EXISTS (
    SELECT FROM app.tenant_memberships AS m
    WHERE m.tenant_id = old.tenant_id AND m.role = 'owner' AND m.status = 'active'
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_owner',
      message = 'This is the last owner of the tenant: make somebody else an owner first.';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER keep_an_owner_on_change AFTER UPDATE OF role, status ON app.tenant_memberships
FOR EACH ROW WHEN (old.role = 'owner' AND old.status = 'active' AND (new.role <> 'owner' OR new.status <> 'active'))
EXECUTE FUNCTION app.keep_an_owner();
CREATE TRIGGER keep_an_owner_on_removal AFTER DELETE ON app.tenant_memberships
FOR EACH ROW WHEN (old.role = 'owner' AND old.status = 'active')
EXECUTE FUNCTION app.keep_an_owner();

-- The same for the platform.
CREATE FUNCTION app.keep_a_super_admin()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('app.keep_a_super_admin', 0));
  IF NOT EXISTS (SELECT FROM app.user_roles AS r WHERE r.role = 'super_admin') THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'last_super_admin',
      message = 'This is the last super admin: make somebody else a super admin first.';
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER keep_a_super_admin_on_change AFTER UPDATE OF role ON app.user_roles
FOR EACH ROW WHEN (old.role = 'super_admin' AND new.role <> 'super_admin') EXECUTE FUNCTION app.keep_a_super_admin();
CREATE TRIGGER keep_a_super_admin_on_removal AFTER DELETE ON app.user_roles
FOR EACH ROW WHEN (old.role = 'super_admin') EXECUTE FUNCTION app.keep_a_super_admin();

-- Who vouches for an invitation; nobody where the platform does. What one may no longer give is no longer accepted.
CREATE TABLE app.invitations (
  tenant_id uuid NOT NULL DEFAULT app.tenant(),
  user_id text NOT NULL,
  invited_by text DEFAULT CASE app.role() WHEN 'super_admin' THEN NULL ELSE app.person() END,
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES app.tenant_memberships (tenant_id, user_id)
  ON UPDATE CASCADE ON DELETE CASCADE
);
CALL app.isolate('app.invitations');

CREATE FUNCTION app.invite_member(invited text, role text)
RETURNS SETOF app.tenant_memberships
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.require_rank(role);
  IF invited = app.invited_person() THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict', message = 'You belong to the tenant already.';
  END IF;
  RETURN QUERY
  INSERT INTO app.tenant_memberships (tenant_id, user_id, role, status)
  VALUES (app.tenant(), invited, invite_member.role, 'pending') RETURNING *;
  INSERT INTO app.invitations (user_id) VALUES (invited);
END
$$;

-- Makes the caller a member. Of two invitations, by id and by e-mail, the one with the higher role counts.
CREATE FUNCTION app.accept_invitation()
RETURNS SETOF app.tenant_memberships
LANGUAGE plpgsql
AS $$
DECLARE
  mine text[] := ARRAY[app.person(), app.invited_person()];
  chosen app.tenant_memberships;
BEGIN
  SELECT * INTO chosen FROM app.tenant_memberships AS m
  WHERE m.status = 'pending' AND m.user_id = ANY (mine)
  ORDER BY app.rank(m.role) DESC, m.id LIMIT 1 FOR UPDATE;
  IF EXISTS (
    SELECT FROM app.invitations AS i
    LEFT JOIN app.tenant_memberships AS m
      ON m.tenant_id = i.tenant_id AND m.user_id = i.invited_by AND m.status = 'active'
    WHERE i.tenant_id = chosen.tenant_id AND i.user_id = chosen.user_id AND i.invited_by IS NOT NULL
      AND app.rank(m.role) < greatest(app.rank(chosen.role), app.rank('admin'))
  ) THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'invitation_is_void',
      message = 'Who invited you may not give this role any more. Ask for a new invitation.';
  END IF;
  DELETE FROM app.tenant_memberships AS m WHERE m.status = 'pending' AND m.user_id = ANY (mine) AND m.id <> chosen.id;
  DELETE FROM app.invitations AS i WHERE i.user_id = chosen.user_id;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET user_id = app.person(), status = 'active', updated_at = now()
  WHERE m.id = chosen.id RETURNING *;
END
$$;
