-- Deleting documents, one or those of some metadata. Locks are taken in the order of writers and of the worker.

-- Deletes a document and returns it. Locks the base first, as writers do.
CREATE OR REPLACE FUNCTION app.delete_document(base uuid, named text, if_match text[])
RETURNS SETOF app.documents
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM app.lock_knowledge_base(base);
  PERFORM FROM app.documents AS d JOIN app.embedding_tasks AS t ON t.document_id = d.id
  WHERE d.knowledge_base_id = base AND d.name = named FOR UPDATE OF t;  -- then its tasks, as the worker does
  RETURN QUERY
  DELETE FROM app.documents AS d
  WHERE d.knowledge_base_id = base AND d.name = named AND app.require_known(d, if_match)
  RETURNING d.*;
END
$$;

-- Deletes the oldest documents of these metadata, with some 20,000 passages at most, and returns how many.
CREATE OR REPLACE FUNCTION app.delete_documents(base uuid, contained jsonb, condition jsonpath)
RETURNS bigint
LANGUAGE plpgsql
AS $$
DECLARE
  chosen uuid[];
BEGIN
  PERFORM app.lock_knowledge_base(base);
  chosen := ARRAY(
    SELECT m.id FROM (
      SELECT d.id, sum(d.chunk_count) OVER (ORDER BY d.id) - d.chunk_count AS before FROM app.documents AS d
      WHERE d.knowledge_base_id = base AND app.passes(ROW(NULL, contained, condition), d.name, d.metadata)
    ) AS m
    WHERE m.before < 20000 ORDER BY m.id LIMIT 1000
  );
  PERFORM FROM app.embedding_tasks AS t
  WHERE t.document_id = ANY (chosen) ORDER BY t.id FOR UPDATE;  -- then its tasks, as the worker does
  DELETE FROM app.documents AS d WHERE d.id = ANY (chosen);
  RETURN cardinality(chosen);
END
$$;
