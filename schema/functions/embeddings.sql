-- How passages are given their vectors: claimed by a worker, stored once, tried again later, or given up with a reason.

-- Takes a task until the moment that is returned, by which its taker is known. Nothing if it is done, given up, not due, or
-- somebody else's. A transaction of its own: the attempt counts, whatever becomes of it.
CREATE OR REPLACE FUNCTION app.claim_embedding(tenant uuid, document uuid, model text, lease interval, most_attempts integer)
RETURNS TABLE (claimed_until timestamptz, is_first_attempt boolean)
LANGUAGE sql
AS $$
  WITH taken AS (
    UPDATE app.embedding_tasks AS t SET
      attempts = t.attempts + 1, due_at = clock_timestamp() + lease, updated_at = now(),
      status = CASE WHEN t.attempts < most_attempts THEN t.status ELSE 'failed' END,
      reason = CASE WHEN t.attempts < most_attempts THEN t.reason
        ELSE coalesce(t.reason, format('The work ended %s times without a word: the document may be too large.', t.attempts)) END
    WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model
      AND t.status = 'processing' AND t.due_at <= now()
    RETURNING t.due_at, t.attempts, t.status
  )
  SELECT taken.due_at, taken.attempts = 1 FROM taken WHERE taken.status = 'processing'
$$;

-- What is left to embed of a document. A model that came later has no rows yet, and what has been embedded elsewhere since is
-- taken over.
CREATE OR REPLACE FUNCTION app.pending_chunks(tenant uuid, document uuid, model text)
RETURNS TABLE (id uuid, chunk_index integer, chunk_text text)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan  -- planning over all partitions takes longer than the work
AS $$
BEGIN
  PERFORM FROM app.embedding_tasks AS t  -- whoever writes the document has it, too: passages are copied as they are
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
  SELECT e.id, e.chunk_index, e.chunk_text
  FROM app.chunks AS c JOIN app.embeddings AS e ON e.tenant_id = tenant AND e.id = c.id
  WHERE c.tenant_id = tenant AND c.document_id = document AND e.embedding_model = model AND e.embedding_vector IS NULL
  ORDER BY c.chunk_index;
  IF NOT FOUND THEN
    PERFORM app.end_embedding(tenant, document, model);
  END IF;
END
$$;

-- Ends a task whose every passage has its vector. A document that was replaced meanwhile goes on.
CREATE OR REPLACE FUNCTION app.end_embedding(tenant uuid, document uuid, model text)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET status = 'embedded', attempts = 0, reason = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND NOT EXISTS (
    SELECT FROM app.chunks AS c WHERE c.tenant_id = tenant AND c.document_id = document AND NOT EXISTS (
      SELECT FROM app.embeddings AS e
      WHERE e.tenant_id = tenant AND e.id = c.id AND e.embedding_model = model AND e.embedding_vector IS NOT NULL
    )
  )
$$;

-- Gives passages their vectors. One that has its own keeps it, one that is gone stays gone. How many were stored.
CREATE OR REPLACE FUNCTION app.store_vectors(tenant uuid, document uuid, model text, ids uuid[], vectors public.halfvec[])
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
  UPDATE app.embedding_tasks AS t SET attempts = 0, reason = NULL, updated_at = now()  -- it gets on
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing';
  PERFORM app.end_embedding(tenant, document, model);
  RETURN stored;
END
$$;

-- Writes down what the endpoint counted.
CREATE OR REPLACE FUNCTION app.meter(tenant uuid, model text, chunks bigint, tokens bigint)
RETURNS void
LANGUAGE sql
AS $$
  INSERT INTO app.embedding_usage AS u (tenant_id, day, embedding_model, requests, chunks, tokens)
  VALUES (tenant, (now() AT TIME ZONE 'UTC')::date, model, 1, chunks, tokens)
  ON CONFLICT ON CONSTRAINT embedding_usage_pkey DO UPDATE SET
    requests = u.requests + 1, chunks = u.chunks + excluded.chunks, tokens = u.tokens + excluded.tokens
$$;

-- Puts a task off, or gives it up where it has been tried often enough or trying again is no use. Its status after it, or nothing
-- if it is not this taker's any more: what was tried is not what there is now.
CREATE OR REPLACE FUNCTION app.reschedule_embedding(
  tenant uuid, document uuid, model text, claim timestamptz, told text, wait interval, most_attempts integer
)
RETURNS text
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET
    status = CASE WHEN wait IS NULL OR t.attempts >= most_attempts THEN 'failed' ELSE t.status END,
    reason = left(told, 1000), queued_at = NULL, updated_at = now(),
    due_at = now() + coalesce(greatest(wait, least(interval '15 minutes', interval '10 seconds' * 2 ^ (t.attempts - 1))), '0')
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
  RETURNING t.status
$$;

-- Gives a task back that there was no time for. It does not count as tried.
CREATE OR REPLACE FUNCTION app.release_embedding(tenant uuid, document uuid, model text, claim timestamptz)
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET attempts = greatest(0, t.attempts - 1), due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.tenant_id = tenant AND t.document_id = document AND t.embedding_model = model AND t.status = 'processing'
    AND t.due_at = claim
$$;

-- These have no message on their way after all.
CREATE OR REPLACE FUNCTION app.not_sent(tenants uuid[], documents uuid[], models text[])
RETURNS void
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = NULL
  FROM unnest(tenants, documents, models) AS n (tenant_id, document_id, embedding_model)
  WHERE t.tenant_id = n.tenant_id AND t.document_id = n.document_id AND t.embedding_model = n.embedding_model
$$;

-- What is due and has no message on its way that is younger than `wait`: of each tenant the longest waiting, then of each the
-- next, so that none stands before all others. Counts as sent.
CREATE OR REPLACE FUNCTION app.due_embeddings(most integer, wait interval)
RETURNS TABLE (tenant_id uuid, document_id uuid, embedding_model text)
LANGUAGE sql
AS $$
  UPDATE app.embedding_tasks AS t SET queued_at = now()
  FROM (
    SELECT d.tenant_id, d.id FROM app.embedding_tasks AS d
    WHERE (d.tenant_id, d.id) IN (
      SELECT turn.tenant_id, turn.id FROM app.tenants AS n CROSS JOIN LATERAL (
        SELECT w.tenant_id, w.id, w.due_at, row_number() OVER (ORDER BY w.due_at) AS place
        FROM app.embedding_tasks AS w
        WHERE w.tenant_id = n.id AND w.status = 'processing' AND w.due_at <= now()
          AND (w.queued_at IS NULL OR w.queued_at <= now() - wait)
        ORDER BY w.due_at LIMIT most
      ) AS turn
      ORDER BY turn.place, turn.due_at LIMIT most
    )
    FOR UPDATE SKIP LOCKED
  ) AS due
  WHERE t.tenant_id = due.tenant_id AND t.id = due.id
  RETURNING t.tenant_id, t.document_id, t.embedding_model
$$;

-- Tries again what was given up, or raises FL404.
CREATE OR REPLACE FUNCTION app.retry_embedding(task uuid)
RETURNS SETOF app.embedding_tasks
LANGUAGE plpgsql
AS $$
BEGIN
  RETURN QUERY
  UPDATE app.embedding_tasks AS t SET status = 'processing', attempts = 0, due_at = now(), queued_at = now(), updated_at = now()
  WHERE t.id = task AND t.status = 'failed' RETURNING t.*;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING errcode = 'FL404', constraint = 'not_found', message = 'There is nothing under that id.';
  END IF;
END
$$;

-- Tries again so many of all that were given up, of which `requeue` tells the queue. How many they are.
CREATE OR REPLACE FUNCTION app.retry_embeddings(most integer)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  retried bigint;
BEGIN
  UPDATE app.embedding_tasks AS t SET status = 'processing', attempts = 0, due_at = now(), queued_at = NULL, updated_at = now()
  WHERE t.id IN (SELECT f.id FROM app.embedding_tasks AS f WHERE f.status = 'failed' ORDER BY f.id LIMIT most);
  GET DIAGNOSTICS retried = ROW_COUNT;
  RETURN retried;
END
$$;
