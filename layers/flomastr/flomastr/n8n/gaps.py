"""Ids of n8n's executions that never arrived, between the first and the last that did, and what is known of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from flomastr.database.query import Query
from flomastr.http.fields import Moment

MOST_RUNS = 20_000  # that are looked at: the tenant's newest of the time
MOST_GAPS = 1_000  # that are told: the newest
USUAL, MOST = timedelta(days=7), timedelta(days=31)

Known = Annotated[
    Literal["not_kept", "pruned", "restarted", "asking", "unknown"],
    Field(
        description="not_kept: n8n had it not when it was asked: it saves no such runs, it was deleted, or the key may "
        "not see it. pruned: older than all that n8n has. restarted: n8n's database began anew since. asking: `pull` "
        "asks for it. unknown: n8n was not asked."
    ),
]


class AskedGaps(BaseModel):
    """Half open, at most 31 days. Without `to` it is now; without `from` it is 7 days before `to`."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    from_: Moment | None = Field(None, alias="from")
    to: Moment | None = None

    def bounds(self) -> dict[str, Any]:
        """Raises RequestValidationError."""
        to = self.to or datetime.now(UTC)
        begin = self.from_ or to - USUAL
        if not begin < to <= begin + MOST:
            error = {"type": "value_error", "loc": ("query", "from"), "msg": "must lie before to, by at most 31 days"}
            raise RequestValidationError([error])
        return {"from": begin, "to": to}


class Gap(BaseModel):
    first: int
    last: int
    runs: int = Field(description="How many ids.")
    known: Known
    after: datetime = Field(description="The start of the run before the gap.")
    before: datetime = Field(description="The start of the run after it.")


class GapReport(BaseModel):
    first: int | None = Field(description="The lowest id that arrived, in the newest of n8n's databases.")
    last: int | None = Field(description="And the highest.")
    arrived: int
    missing: int
    complete: bool = Field(
        description="false: of the time there are more runs of all instances than are looked at, or more gaps."
    )
    gaps: list[Gap] = Field(description="The newest first.")


def report(name: str, bounds: dict[str, Any]) -> Query[GapReport]:
    """No row: there is no such instance."""
    return Query(REPORT, {"name": name, "most_runs": MOST_RUNS, "most_gaps": MOST_GAPS} | bounds, GapReport)


# Of hot executions. An id counts in each of n8n's databases by itself. What is known is found for all gaps at once: an
# operation on each of them would go through all that is noted of the instance.
REPORT = """
WITH instance AS (
  SELECT i.number, coalesce(c.missing, '{}') AS missing, coalesce(c.open, '{}') AS open,
    int8multirange(int8range(NULL, coalesce(c.oldest_id, 0))) AS pruned,
    ARRAY(SELECT r.until FROM app.n8n_resets AS r WHERE r.number = i.number ORDER BY r.until) AS resets
  FROM app.n8n_instances AS i
  LEFT JOIN app.n8n_connections AS c ON c.number = i.number
  WHERE i.name = %(name)s
),
looked_at AS MATERIALIZED (SELECT r.* FROM app.newest_runs(%(from)s, %(to)s, %(most_runs)s) AS r),
arrived AS MATERIALIZED (
  SELECT l.n8n_execution_id::bigint AS id, l.started_at, width_bucket(l.started_at, i.resets) AS epoch
  FROM instance AS i
  JOIN looked_at AS l ON l.n8n_instance = i.number
  WHERE l.n8n_execution_id ~ '^[0-9]{1,18}$'
),
epochs AS (SELECT epoch, min(id) AS first, max(id) AS last, count(*) AS runs FROM arrived GROUP BY epoch),
newest AS (SELECT * FROM epochs ORDER BY epoch DESC LIMIT 1),
between AS (
  SELECT
    epoch, lag(id) OVER ids + 1 AS first, id - 1 AS last, lag(started_at) OVER ids AS after, started_at AS before
  FROM arrived
  WINDOW ids AS (PARTITION BY epoch ORDER BY id)
),
gaps AS MATERIALIZED (SELECT * FROM between WHERE first <= last),
recent AS MATERIALIZED (
  SELECT
    g.after, g.before, int8range(g.first, g.last + 1) AS ids,
    g.epoch = (SELECT n.epoch FROM newest AS n) AS is_current
  FROM gaps AS g ORDER BY g.before DESC, g.first DESC LIMIT %(most_gaps)s
),
parts AS (  -- what is known of parts of gaps, and the gaps
  SELECT k.known, p.ids, NULL::timestamptz AS after, NULL::timestamptz AS before
  FROM instance AS i
  CROSS JOIN (SELECT range_agg(r.ids) AS ids FROM recent AS r WHERE r.is_current) AS g
  CROSS JOIN LATERAL (VALUES
    ('not_kept', g.ids * i.missing),
    ('pruned', g.ids * i.pruned - i.missing),
    ('asking', g.ids * i.open - i.pruned - i.missing),
    ('unknown', g.ids - i.open - i.pruned - i.missing)
  ) AS k (known, ids)
  CROSS JOIN LATERAL unnest(k.ids) AS p (ids)
  UNION ALL
  SELECT NULL, r.ids, r.after, r.before FROM recent AS r WHERE r.is_current
),
placed AS (SELECT *, count(before) OVER (ORDER BY lower(ids), known NULLS FIRST) AS gap FROM parts),
known AS MATERIALIZED (
  SELECT p.known, p.ids, p.after, p.before
  FROM (
    SELECT known, ids, max(after) OVER of_gap AS after, max(before) OVER of_gap AS before
    FROM placed
    WINDOW of_gap AS (PARTITION BY gap)
  ) AS p
  WHERE p.known IS NOT NULL
  UNION ALL
  SELECT 'restarted', r.ids, r.after, r.before FROM recent AS r WHERE NOT r.is_current
),
told AS (
  SELECT lower(k.ids) AS first, upper(k.ids) - 1 AS last, upper(k.ids) - lower(k.ids) AS runs, k.known, k.after,
    k.before
  FROM known AS k ORDER BY k.before DESC, k.ids DESC LIMIT %(most_gaps)s
)
SELECT
  (SELECT n.first FROM newest AS n) AS first,
  (SELECT n.last FROM newest AS n) AS last,
  (SELECT coalesce(sum(e.runs), 0) FROM epochs AS e) AS arrived,
  (SELECT coalesce(sum(g.last - g.first + 1), 0) FROM gaps AS g) AS missing,
  (SELECT count(*) FROM looked_at) < %(most_runs)s
    AND greatest((SELECT count(*) FROM gaps), (SELECT count(*) FROM known)) <= %(most_gaps)s AS complete,
  (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.before DESC, t.first DESC), '[]') FROM told AS t) AS gaps
FROM instance
"""
