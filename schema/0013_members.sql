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

-- Makes the caller a member. Of two invitations, by id and by e-mail, the one with the higher role counts.
CREATE FUNCTION app.accept_invitation()
RETURNS SETOF app.tenant_memberships
LANGUAGE plpgsql
AS $$
DECLARE
  mine text[] := ARRAY[app.person(), app.invited_person()];
  chosen uuid;
BEGIN
  SELECT m.id INTO chosen FROM app.tenant_memberships AS m
  WHERE m.status = 'pending' AND m.user_id = ANY (mine)
  ORDER BY app.rank(m.role) DESC, m.id LIMIT 1 FOR UPDATE;
  DELETE FROM app.tenant_memberships AS m WHERE m.status = 'pending' AND m.user_id = ANY (mine) AND m.id <> chosen;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET user_id = app.person(), status = 'active', updated_at = now()
  WHERE m.id = chosen RETURNING *;
END
$$;
