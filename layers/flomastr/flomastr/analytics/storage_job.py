"""Measures what all tenants keep, hot and archived: four times a day, since it reads whole tables.

What of a row is in TOAST is not read: the row says how long it is.
"""

from datetime import timedelta

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from flomastr.jobs import Job

INTERVAL = timedelta(hours=6)
SECONDS = 60  # that are left for it, or the next run measures
# of rows as they are stored: the number is what a row's header and columns of one length take
HOT = """
  SELECT tenant_id, 'workflow_executions' AS kind, count(*) AS hot_rows, sum(app.execution_bytes(e)) AS hot_bytes,
    0 AS vectors
  FROM app.workflow_executions AS e GROUP BY 1
  UNION ALL
  SELECT tenant_id, 'webchat_sessions', count(*),
    sum(100 + pg_column_size(session_key) + pg_column_size(user_id) + pg_column_size(messages)), 0
  FROM app.webchat_sessions GROUP BY 1
  UNION ALL
  SELECT tenant_id, 'documents', count(*),
    sum(144 + pg_column_size(name) + coalesce(pg_column_size(title), 0) + coalesce(pg_column_size(content), 0)
      + coalesce(pg_column_size(passages), 0) + pg_column_size(metadata) + pg_column_size(chunker)), 0
  FROM app.documents GROUP BY 1
  UNION ALL
  SELECT tenant_id, 'chunks', count(*), sum(144 + pg_column_size(terms) + pg_column_size(weights)), 0
  FROM app.chunks GROUP BY 1
  UNION ALL
  SELECT tenant_id, 'embeddings', count(*),
    sum(96 + pg_column_size(chunk_text) + pg_column_size(chunk_metadata) + pg_column_size(document_name)
      + coalesce(pg_column_size(embedding_vector), 0) + pg_column_size(embedding_model)), count(embedding_vector)
  FROM app.embeddings GROUP BY 1
"""
SIZES = f"""
  SELECT tenant_id::text, kind, sum(hot_rows)::bigint AS hot_rows, sum(hot_bytes)::bigint AS hot_bytes,
    sum(cold_rows)::bigint AS cold_rows, sum(cold_bytes)::bigint AS cold_bytes, sum(vectors)::bigint AS vectors
  FROM (
    SELECT tenant_id, kind, hot_rows, hot_bytes, 0 AS cold_rows, 0 AS cold_bytes, vectors FROM ({HOT}) AS hot
    UNION ALL
    SELECT tenant_id, source, 0, 0, rows, file_bytes, 0 FROM app.archive_files WHERE state = 'stored'
  ) AS parts
  GROUP BY 1, 2
"""


def measure(job: Job) -> None:
    """One statement sees one state of all tables; a second one keeps what it has found."""
    recent = "SELECT FROM app.storage_measurements WHERE measured_at > %s"
    if job.conn.execute(recent, (job.moment - INTERVAL,)).fetchall() or not job.has_time(SECONDS):
        return
    sizes = job.conn.cursor(row_factory=dict_row).execute(SIZES).fetchall()
    job.conn.execute("SELECT app.store_sizes(%s, %s)", (job.moment, Jsonb(sizes)))
    job.counts["storage_measured"] += len(sizes)
