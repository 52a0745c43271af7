"""The SQL of what tenants store: the last measurement, beside the first one of the time that growth is counted over."""

from typing import LiteralString

# For the index: the policy of tenants OR that of the platform would read the sizes of all.
OF_TENANT = "s.tenant_id = (SELECT app.tenant())"
OF_ALL = "true"


FRAME = """
  m AS MATERIALIZED (
    SELECT l.day, l.measured_at AS as_of, b.day AS day_before, b.measured_at AS since,
      extract(EPOCH FROM l.measured_at - b.measured_at)::float / 86400 AS days
    FROM (SELECT max(day) AS day FROM app.storage_measurements) AS d
    LEFT JOIN app.storage_measurements AS l ON l.day = d.day
    LEFT JOIN LATERAL (
      SELECT * FROM app.storage_measurements AS e WHERE e.day < l.day AND e.day >= l.day - %(days)s ORDER BY day LIMIT 1
    ) AS b ON true
  ),
  kinds AS (
    SELECT * FROM unnest(ARRAY['workflow_executions', 'webchat_sessions', 'documents', 'chunks', 'embeddings'])
      WITH ORDINALITY AS k (kind, kind_rank)
  ),
"""


def sizes(groups: LiteralString, condition: LiteralString) -> LiteralString:
    """What was measured, in groups of these columns."""
    return f"""
  {FRAME}
  sizes AS MATERIALIZED (
    SELECT {groups},
      sum(s.hot_rows) FILTER (WHERE s.day = m.day) AS hot_rows,
      sum(s.hot_bytes) FILTER (WHERE s.day = m.day) AS hot_bytes,
      sum(s.cold_rows) FILTER (WHERE s.day = m.day) AS cold_rows,
      sum(s.cold_bytes) FILTER (WHERE s.day = m.day) AS cold_bytes,
      sum(s.vectors) FILTER (WHERE s.day = m.day) AS vectors,
      sum(CASE s.day WHEN m.day THEN s.hot_bytes ELSE -s.hot_bytes END::float) / m.days AS hot_growth,
      sum(CASE s.day WHEN m.day THEN s.cold_bytes ELSE -s.cold_bytes END::float) / m.days AS cold_growth
    FROM m JOIN app.storage_sizes AS s ON s.day IN (m.day, m.day_before)
    WHERE {condition}
    GROUP BY {groups}, m.days
  )
"""


COLUMNS = """
    coalesce(s.hot_rows, 0) AS hot_rows, coalesce(s.hot_bytes, 0) AS hot_bytes, coalesce(s.cold_rows, 0) AS cold_rows,
    coalesce(s.cold_bytes, 0) AS cold_bytes, coalesce(s.vectors, 0) AS vectors,
    coalesce(s.hot_growth, 0 * m.days) AS hot_bytes_per_day, coalesce(s.cold_growth, 0 * m.days) AS cold_bytes_per_day
"""


def kinds(condition: LiteralString) -> LiteralString:
    """One row of each kind."""
    return f"""
  WITH {sizes("s.kind", condition)}
  SELECT
    m.as_of, m.since, k.kind,
    (SELECT count(*) FROM app.tenants WHERE (SELECT app.on_platform())) AS tenant_count,
    {COLUMNS}
  FROM m CROSS JOIN kinds AS k LEFT JOIN sizes AS s USING (kind)
  ORDER BY k.kind_rank
"""


TENANTS = f"""
  WITH {sizes("s.tenant_id, s.kind", OF_ALL)},
  sums AS (
    SELECT tenant_id, sum(hot_rows * hot + cold_rows * cold) AS rows, sum(hot_bytes * hot + cold_bytes * cold) AS bytes,
      sum(hot_growth * hot + cold_growth * cold) AS growth, sum(vectors) AS vectors
    FROM sizes CROSS JOIN (SELECT (%(tier)s <> 'cold')::int AS hot, (%(tier)s <> 'hot')::int AS cold) AS tier
    GROUP BY tenant_id
  ),
  page AS MATERIALIZED (
    SELECT t.id, t.slug, t.name, t.deleted_at, row_number() OVER (
      ORDER BY CASE %(sort)s::text WHEN 'bytes' THEN s.bytes WHEN 'rows' THEN s.rows WHEN 'vectors' THEN s.vectors
        WHEN 'growth' THEN s.growth ELSE CASE WHEN s.bytes >= %(limit_bytes)s::numeric THEN 0 WHEN s.growth > 0
          THEN (s.bytes - %(limit_bytes)s::numeric)::float / s.growth END END DESC NULLS LAST, t.id
    ) AS tenant_rank
    FROM app.tenants AS t LEFT JOIN sums AS s ON s.tenant_id = t.id
    ORDER BY tenant_rank LIMIT %(limit)s OFFSET %(offset)s
  )
  SELECT
    p.id AS tenant_id, p.slug, p.name, p.deleted_at, k.kind,
    {COLUMNS}
  FROM m CROSS JOIN page AS p CROSS JOIN kinds AS k LEFT JOIN sizes AS s ON s.tenant_id = p.id AND s.kind = k.kind
  ORDER BY p.tenant_rank, k.kind_rank
"""
