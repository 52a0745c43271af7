-- The work of embedding: a worker claims a task, stores vectors once, reschedules the task or fails it with a reason.

-- Claims a task until the moment that is returned, which identifies the claim. No row: it is done, failed, not due, or
-- claimed by another worker. It runs in a transaction of its own, so that the attempt counts however it ends.
CREATE OR REPLACE FUNCTION app.claim_embedding(
  tenant uuid, document uuid, model text, lease interval, most_attempts integer
)
RETURNS TABLE (claimed_until timestamptz, is_first_attempt boolean)
LANGUAGE sql
AS $$
  WITH claimed AS (
    UPDATE app.embedding_tasks AS t SET
      attempts = t.attempts + 1, due_at = clock_timestamp() + lease, updated_at = now(),
      status = CASE WHEN t.attempts < most_attempts THEN t.status ELSE 'failed' END,
      reason = CASE WHEN t.attempts < most_attempts THEN t.reason
        ELSE coalesce(
          t.reason, format('The work ended %s times without a word: the document may be too large.', t.attempts)
        ) END
    WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model
      AND t.status = 'processing' AND t.due_at <= now()
    RETURNING t.due_at, t.attempts, t.status
  )
  SELECT claimed.due_at, claimed.attempts = 1 FROM claimed WHERE claimed.status = 'processing'
$$;

-- The passages of a document that have no vector yet, and what of each is embedded. Adds rows for a model that was
-- added later, and copies vectors of texts that have been embedded elsewhere since.
CREATE OR REPLACE FUNCTION app.pending_chunks(tenant uuid, document uuid, model text)
RETURNS TABLE (id uuid, chunk_index integer, chunk_text text)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
BEGIN
  PERFORM FROM app.embedding_tasks AS t  -- as writers of the document do: passages are copied as they are
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model FOR UPDATE;
  INSERT INTO app.embeddings AS e (
    id, knowledge_base_id, tenant_id, chunk_text, chunk_metadata, document_name, chunk_index, embedding_model
  )
  SELECT DISTINCT ON (c.id) c.id, c.knowledge_base_id, tenant, e.chunk_text, e.chunk_metadata, e.document_name,
    e.chunk_index, model
  FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
  WHERE c.tenant_id = tenant AND c.document_id = document AND NOT EXISTS (
    SELECT FROM app.embeddings AS o WHERE o.tenant_id = tenant AND o.id = c.id AND o.embedding_model = model
  )
  ON CONFLICT DO NOTHING;
  WITH pending AS MATERIALIZED (
    SELECT e.id, c.content_hash FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
    WHERE c.tenant_id = tenant AND c.document_id = document AND e.embedding_model = model AND e.embedding_vector IS NULL
  ),
  known AS MATERIALIZED (
    SELECT h.content_hash, app.known_vector(tenant, h.content_hash, model) AS vector
    FROM (SELECT DISTINCT p.content_hash FROM pending AS p) AS h
  )
  UPDATE app.embeddings AS e SET embedding_vector = k.vector
  FROM pending AS p JOIN known AS k ON k.content_hash = p.content_hash
  WHERE e.tenant_id = tenant AND e.id = p.id AND e.embedding_model = model AND k.vector IS NOT NULL;
  RETURN QUERY
  SELECT e.id, e.chunk_index, app.indexed_text(c.context, e.chunk_text)
  FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
  WHERE c.tenant_id = tenant AND c.document_id = document AND e.embedding_model = model AND e.embedding_vector IS NULL
  ORDER BY c.chunk_index;
  IF NOT FOUND THEN
    PERFORM app.end_embedding(tenant, document, model);
  END IF;
END
$$;

-- Ends a task whose every passage has its vector. A document that was replaced meanwhile goes on, and so does one
-- that waits for its passages.
CREATE OR REPLACE FUNCTION app.end_embedding(tenant uuid, document uuid, model text)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET status = 'embedded', attempts = 0, reason = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model
    AND t.due_at < 'infinity' AND NOT EXISTS (
    SELECT FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.document_id = document AND NOT EXISTS (
      SELECT FROM app.embeddings AS e
      WHERE e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = model AND e.embedding_vector IS NOT NULL
    )
  )
$$;

-- Stores vectors of passages, and returns how many. A passage that has one keeps it; one that was deleted is ignored.
CREATE OR REPLACE FUNCTION app.store_vectors(
  tenant uuid, document uuid, model text, ids uuid[], vectors public.halfvec[]
)
RETURNS bigint
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
DECLARE
  stored bigint;
BEGIN
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model FOR UPDATE;
  UPDATE app.embeddings AS e SET embedding_vector = public.l2_normalize(v.vector)
  FROM unnest(ids, vectors) AS v (id, vector)
  WHERE e.tenant_id = tenant AND e.id = v.id AND e.embedding_model = model AND e.embedding_vector IS NULL;
  GET DIAGNOSTICS stored = ROW_COUNT;
  UPDATE app.embedding_tasks AS t SET attempts = 0, reason = NULL, updated_at = now()  -- there is progress
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing';
  PERFORM app.end_embedding(tenant, document, model);
  RETURN stored;
END
$$;

-- Adds one request to the usage of today (UTC).
CREATE OR REPLACE FUNCTION app.meter(tenant uuid, model text, chunks bigint, tokens bigint)
RETURNS void
LANGUAGE sql
AS $$
  INSERT INTO app.embedding_usage AS u (tenant_id, day, embedding_model, requests, chunks, tokens)
  VALUES (tenant, (now() AT TIME ZONE 'UTC')::date, model, 1, chunks, tokens)
  ON CONFLICT ON CONSTRAINT embedding_usage_pkey DO UPDATE SET
    requests = u.requests + 1, chunks = u.chunks + excluded.chunks, tokens = u.tokens + excluded.tokens
$$;

-- Reschedules a task after `wait` or later, or fails it: without `wait`, or after most_attempts. Returns its status, or
-- NULL if the claim is no longer valid, since the document has changed.
CREATE OR REPLACE FUNCTION app.reschedule_embedding(
  tenant uuid, document uuid, model text, claim timestamptz, message text, wait interval, most_attempts integer
)
RETURNS text
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET
    status = CASE WHEN wait IS NULL OR t.attempts >= most_attempts THEN 'failed' ELSE t.status END,
    reason = left(message, 1000), queued_at = NULL, updated_at = now(),
    due_at = now()
      + coalesce(greatest(wait, least(interval '15 minutes', interval '10 seconds' * 2 ^ (t.attempts - 1))), '0')
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
  RETURNING t.status
$$;

-- Ends a claim for which there was no time. The attempt does not count.
CREATE OR REPLACE FUNCTION app.release_embedding(tenant uuid, document uuid, model text, claim timestamptz)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t
  SET attempts = greatest(0, t.attempts - 1), due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
$$;

-- Records that these tasks have no message in the queue.
CREATE OR REPLACE FUNCTION app.not_sent(tenants uuid[], documents uuid[], models text[])
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = NULL
  FROM unnest(tenants, documents, models) AS n (tenant_id, document_id, embedding_model)
  WHERE t.tenant_id = n.tenant_id AND t.document_id = n.document_id AND t.embedding_model = n.embedding_model
$$;

-- Due tasks without a message in the queue that is younger than `wait`, and counts them as sent. Tenants take turns: of
-- each the longest waiting task, then of each the next.
CREATE OR REPLACE FUNCTION app.due_embeddings(most integer, wait interval)
RETURNS TABLE (tenant_id uuid, document_id uuid, embedding_model text)
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = now()
  FROM (
    SELECT d.tenant_id, d.id FROM app.embedding_tasks AS d
    WHERE (d.tenant_id, d.id) IN (
      SELECT candidate.tenant_id, candidate.id FROM app.tenants AS n CROSS JOIN LATERAL (
        SELECT w.tenant_id, w.id, w.due_at, row_number() OVER (ORDER BY w.due_at) AS row_number
        FROM app.embedding_tasks AS w
        WHERE w.tenant_id = n.id AND w.status = 'processing' AND w.due_at <= now()
          AND (w.queued_at IS NULL OR w.queued_at <= now() - wait)
        ORDER BY w.due_at LIMIT most
      ) AS candidate
      ORDER BY candidate.row_number, candidate.due_at LIMIT most
    )
    FOR UPDATE SKIP LOCKED
  ) AS due
  WHERE t.tenant_id = due.tenant_id AND t.id = due.id
  RETURNING t.tenant_id, t.document_id, t.embedding_model
$$;

-- Makes a failed task pending again, or raises FL404.
CREATE OR REPLACE FUNCTION app.retry_embedding(task uuid)
RETURNS SETOF app.embedding_tasks
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN QUERY
  UPDATE app.embedding_tasks AS t
  SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
  WHERE t.id = task AND t.status = 'failed' RETURNING t.*;
  PERFORM app.require_found(FOUND);
END
$$;

-- Makes failed tasks pending again, and returns how many: no more than bring those that are pending to `most`, so that
-- what fails is not tried again faster than it is worked off. `requeue` sends their messages, tenants in turn.
CREATE OR REPLACE FUNCTION app.retry_embeddings(most integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  retried bigint;
BEGIN
  UPDATE app.embedding_tasks AS t
  SET status = 'processing', attempts = 0, due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.id IN (
    SELECT f.id FROM app.embedding_tasks AS f WHERE f.status = 'failed' ORDER BY f.id
    LIMIT most - (
      SELECT count(*) FROM (SELECT FROM app.embedding_tasks AS o WHERE o.status = 'processing' LIMIT most) AS pending
    )
  );
  GET DIAGNOSTICS retried = ROW_COUNT;
  RETURN retried;
END
$$;
