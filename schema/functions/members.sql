-- Who belongs to a tenant: nobody gives or takes a role above their own, and an active owner always stays.

-- For those who administer members, up to their own rank.
CREATE OR REPLACE FUNCTION app.require_rank(needed text)
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

CREATE OR REPLACE FUNCTION app.invite_member(invited text, role text)
RETURNS SETOF app.tenant_memberships
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.require_rank(role);
  IF invited = app.invited_person() THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'conflict', message = 'You belong to the tenant already.';
  END IF;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET role = invite_member.role, status = 'pending', updated_at = now()
  WHERE m.user_id = invited AND m.status = 'inactive' RETURNING *;  -- who was removed under a legal hold
  IF NOT FOUND THEN
    RETURN QUERY
    INSERT INTO app.tenant_memberships (tenant_id, user_id, role, status)
    VALUES (app.tenant(), invited, invite_member.role, 'pending') RETURNING *;
  END IF;
  INSERT INTO app.invitations (user_id) VALUES (invited);
END
$$;

-- Makes the caller a member. Of two invitations, by id and by e-mail, the one with the higher role counts.
CREATE OR REPLACE FUNCTION app.accept_invitation()
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
  UPDATE app.tenant_memberships AS m SET role = chosen.role, status = 'active', updated_at = now()
  WHERE m.user_id = app.person() AND m.status = 'inactive' AND chosen.id IS NOT NULL RETURNING *;
  IF FOUND THEN  -- removed under a legal hold, and invited again by e-mail
    DELETE FROM app.tenant_memberships AS m WHERE m.id = chosen.id;
    RETURN;
  END IF;
  RETURN QUERY
  UPDATE app.tenant_memberships AS m SET user_id = app.person(), status = 'active', updated_at = now()
  WHERE m.id = chosen.id RETURNING *;
END
$$;
