"""Ids of n8n's executions that never arrived, between the first and the last that did, and what is known of them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from flomastr.database.query import Query
from flomastr.http.fields import Moment

MOST_RUNS = 100_000  # that are looked at: the newest of the time
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
    complete: bool = Field(description="false: of the time there are more runs than are looked at, or more gaps.")
    gaps: list[Gap] = Field(description="The newest first.")


def report(name: str, bounds: dict[str, Any]) -> Query[GapReport]:
    """No row: there is no such instance."""
    return Query(REPORT, {"name": name, "most_runs": MOST_RUNS, "most_gaps": MOST_GAPS} | bounds, GapReport)


# Of hot executions. An id counts in each of n8n's databases by itself.
REPORT = """
WITH instance AS (
  SELECT i.number, c.oldest_id, coalesce(c.missing, '{}') AS missing, coalesce(c.open, '{}') AS open, ARRAY(
    SELECT r.until FROM app.n8n_resets AS r WHERE r.number = i.number ORDER BY r.until
  ) AS resets
  FROM app.n8n_instances AS i
  LEFT JOIN app.n8n_connections AS c ON c.number = i.number
  WHERE i.name = %(name)s
),
newest AS (
  SELECT e.n8n_execution_id::bigint AS id, e.started_at, width_bucket(e.started_at, i.resets) AS epoch
  FROM instance AS i
  JOIN app.workflow_executions AS e ON e.id >= app.uuid7_floor(%(from)s) AND e.id < app.uuid7_floor(%(to)s)
  JOIN app.workflows AS w ON w.id = e.workflow_id AND w.n8n_instance = i.number
  WHERE e.n8n_execution_id ~ '^[0-9]{1,18}$'
  ORDER BY e.id DESC LIMIT %(most_runs)s
),
between AS (
  SELECT
    epoch, lag(id) OVER ids + 1 AS first, id - 1 AS last, lag(started_at) OVER ids AS after, started_at AS before
  FROM newest
  WINDOW ids AS (PARTITION BY epoch ORDER BY id)
),
gaps AS (
  SELECT b.*, b.epoch = (SELECT max(n.epoch) FROM newest AS n) AS is_current,
    int8multirange(int8range(b.first, b.last + 1)) AS ids
  FROM between AS b WHERE b.first <= b.last
),
known AS (
  SELECT g.after, g.before, k.known, r.ids
  FROM gaps AS g CROSS JOIN instance AS i
  CROSS JOIN LATERAL (SELECT int8multirange(int8range(NULL, coalesce(i.oldest_id, 0))) AS pruned) AS p
  CROSS JOIN LATERAL (VALUES
    ('restarted', CASE WHEN NOT g.is_current THEN g.ids END),
    ('not_kept', CASE WHEN g.is_current THEN g.ids * i.missing END),
    ('pruned', CASE WHEN g.is_current THEN g.ids * p.pruned - i.missing END),
    ('asking', CASE WHEN g.is_current THEN g.ids * i.open - p.pruned - i.missing END),
    ('unknown', CASE WHEN g.is_current THEN g.ids - i.open - p.pruned - i.missing END)
  ) AS k (known, ids)
  CROSS JOIN LATERAL unnest(k.ids) AS r (ids)
),
told AS (
  SELECT lower(k.ids) AS first, upper(k.ids) - 1 AS last, upper(k.ids) - lower(k.ids) AS runs, k.known, k.after,
    k.before
  FROM known AS k ORDER BY k.before DESC, k.ids DESC LIMIT %(most_gaps)s
)
SELECT
  (SELECT min(n.id) FROM newest AS n WHERE n.epoch = (SELECT max(e.epoch) FROM newest AS e)) AS first,
  (SELECT max(n.id) FROM newest AS n WHERE n.epoch = (SELECT max(e.epoch) FROM newest AS e)) AS last,
  (SELECT count(*) FROM newest) AS arrived,
  (SELECT coalesce(sum(g.last - g.first + 1), 0) FROM gaps AS g) AS missing,
  (SELECT count(*) FROM newest) < %(most_runs)s AND (SELECT count(*) FROM known) <= %(most_gaps)s AS complete,
  (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.before DESC, t.first DESC), '[]') FROM told AS t) AS gaps
FROM instance
"""
