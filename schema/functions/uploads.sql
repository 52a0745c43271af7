-- Uploads: begun by a caller, then claimed and ended by `ingest`, which acts in the tenant of the upload's own row.

-- Begins an upload into a base of the authorized tenant, or raises FL404, or FL409 while 20 are open.
CREATE OR REPLACE FUNCTION app.begin_upload(base uuid, sent jsonb, valid interval)
RETURNS SETOF app.uploads
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.require_found(EXISTS (SELECT FROM app.knowledge_bases AS b WHERE b.id = base));
  PERFORM app.wait_for_turn('uploads');
  IF (SELECT count(*) FROM app.uploads AS u
    WHERE u.tenant_id = app.tenant() AND u.status IN ('waiting', 'processing')) >= 20 THEN
    RAISE EXCEPTION USING errcode = 'FL409', constraint = 'too_many_open',
      message = 'The tenant has 20 open uploads: send their files, or wait until their links have expired.';
  END IF;
  RETURN QUERY
  INSERT INTO app.uploads AS u (knowledge_base_id, name, title, metadata, media_type, size, expires_at)
  VALUES (
    base, sent ->> 'name', sent ->> 'title', sent -> 'metadata', sent ->> 'media_type', (sent ->> 'size')::integer,
    now() + valid
  )
  RETURNING u.*;
END
$$;

-- Sets the context of a transaction, as app.authorize does: the tenant of this upload, on behalf of who began it.
-- Raises FL404 when there is no such upload.
CREATE OR REPLACE FUNCTION app.enter_upload(upload uuid, milliseconds integer)
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  entered app.uploads;
BEGIN
  SELECT * INTO entered FROM app.uploads AS u WHERE u.id = upload;
  PERFORM app.require_found(FOUND);
  PERFORM
    set_config('app.tenant_id', entered.tenant_id::text, true),
    set_config('app.actor', entered.created_by, true),
    set_config('app.person', '', true),
    set_config('app.email', '', true),
    set_config('app.role', 'upload', true),
    set_config('statement_timeout', milliseconds::text, true),
    set_config('lock_timeout', least(milliseconds, 5000)::text, true);
END
$$;
REVOKE ALL ON FUNCTION app.enter_upload FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.enter_upload TO flo_app;

-- Raises FL403, FL404 with what has become of the tenant or of the base meanwhile.
CREATE OR REPLACE FUNCTION app.require_place(base uuid)
RETURNS void
LANGUAGE plpgsql
STABLE
AS $$
DECLARE
  tenant app.tenants;
BEGIN
  SELECT * INTO tenant FROM app.tenants AS t WHERE t.id = app.tenant();
  IF tenant.deleted_at IS NOT NULL THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'tenant_not_found',
      message = 'The tenant was deleted before the file was read.';
  ELSIF tenant.status <> 'active' THEN
    RAISE EXCEPTION USING errcode = 'FL403', constraint = 'tenant_suspended',
      message = 'The tenant was suspended before the file was read.';
  ELSIF NOT EXISTS (SELECT FROM app.knowledge_bases AS b WHERE b.id = base) THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found',
      message = 'The knowledge base was deleted before the file was read.';
  END IF;
END
$$;

-- Claims an upload whose file has come, for so long. `claim` is NULL where its end is known, another run reads it, or
-- one reads another file of the tenant: so no tenant's many files are in the way of others'.
CREATE OR REPLACE FUNCTION app.claim_upload(upload uuid, lease interval)
RETURNS TABLE (found app.uploads, claim timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
  until timestamptz;
BEGIN
  PERFORM app.wait_for_turn('uploads');
  UPDATE app.uploads AS u SET arrived_at = now() WHERE u.id = upload AND u.arrived_at IS NULL;
  UPDATE app.uploads AS u
  SET status = 'processing', attempts = u.attempts + 1, claimed_until = now() + lease, due_at = now() + lease
  WHERE u.id = upload AND u.status IN ('waiting', 'processing')
    AND NOT EXISTS (SELECT FROM app.uploads AS o WHERE o.tenant_id = app.tenant() AND o.claimed_until > now())
  RETURNING u.claimed_until INTO until;
  RETURN QUERY SELECT u, until FROM app.uploads AS u WHERE u.id = upload;
END
$$;

-- Whether the claim still holds. It does then until the end of the transaction.
CREATE OR REPLACE FUNCTION app.holds_upload(upload uuid, claim timestamptz)
RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM app.uploads AS u WHERE u.id = upload AND u.claimed_until = claim FOR UPDATE;
  RETURN FOUND;
END
$$;

-- Ends a claim: with a document, or with why there is none.
CREATE OR REPLACE FUNCTION app.finish_upload(
  upload uuid, claim timestamptz, document uuid, chunks integer, failure text, why text
)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.uploads AS u SET
    status = CASE WHEN failure IS NULL THEN 'stored' ELSE 'failed' END, document_id = document, chunk_count = chunks,
    code = failure, reason = left(why, 1000), claimed_until = NULL, due_at = now(), finished_at = now()
  WHERE u.id = upload AND u.claimed_until = claim
$$;

-- Gives a claim back, to try again the later the more often it was tried.
CREATE OR REPLACE FUNCTION app.release_upload(upload uuid, claim timestamptz)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.uploads AS u
  SET claimed_until = NULL, due_at = now() + least(interval '15 minutes', interval '15 seconds' * 2 ^ u.attempts)
  WHERE u.id = upload AND u.claimed_until = claim
$$;

-- The next file of the tenant to read, if one has come.
CREATE OR REPLACE FUNCTION app.next_upload()
RETURNS SETOF app.uploads
LANGUAGE sql
STABLE
AS $$
  SELECT * FROM app.uploads AS u
  WHERE u.tenant_id = app.tenant() AND u.status = 'waiting' AND u.arrived_at IS NOT NULL ORDER BY u.arrived_at LIMIT 1
$$;

-- Uploads that somebody has to look at: that have waited so long that an event may have been lost, that a run did not
-- end, or whose file is left to remove. Ends those whose file did not come, with this code and reason. Of each tenant
-- the longest waiting first.
CREATE OR REPLACE FUNCTION app.due_uploads(most integer, failure text, why text)
RETURNS TABLE (tenant_id uuid, id uuid)
LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE app.uploads AS u
  SET status = 'failed', code = failure, reason = why, finished_at = now(), due_at = now()
  WHERE u.due_at <= now() AND u.status = 'waiting' AND u.arrived_at IS NULL
    AND u.expires_at < now() - interval '15 minutes';
  RETURN QUERY
  UPDATE app.uploads AS u SET due_at = now() + greatest(interval '2 minutes', (now() - u.created_at) / 2)
  FROM (
    SELECT d.tenant_id, d.id FROM app.uploads AS d WHERE d.due_at <= now()
    ORDER BY row_number() OVER (PARTITION BY d.tenant_id ORDER BY d.due_at), d.due_at LIMIT most
  ) AS due
  WHERE u.tenant_id = due.tenant_id AND u.id = due.id
  RETURNING u.tenant_id, u.id;
END
$$;
