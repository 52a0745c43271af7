"""Runs that are asked for by their ids, and those whose data n8n cannot give: it fails, or ends for want of memory.

Data that was asked for in vain twice is not asked for any more. If n8n gave nothing else after that either, it has
ended of it: the workflow is spared, and no data of its runs is asked for for a day.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from flomastr.n8n.records import RANGES, SUCCEEDED, Records
from flomastr.workflows.n8n_event import Event

TRIES = 2
SPARED = 100  # workflows of an instance
TO_ASK: LiteralString = """
WITH asked AS (
  SELECT a.*, c.spared, (a.id <@ c.tried)::int + (a.id <@ c.tried_again)::int AS tries
  FROM app.n8n_connections AS c, app.n8n_ids_to_ask(c, %s) WITH ORDINALITY AS a (id, turn, ordinal)
  WHERE c.number = %s
),
recorded AS (
  SELECT DISTINCT ON (e.n8n_execution_id)
    e.n8n_execution_id::bigint AS id, w.n8n_workflow_id AS workflow_id, e.started_at,
    e.status IN ('new', 'running', 'waiting') AS is_under_way
  FROM app.workflow_executions AS e
  JOIN app.workflows AS w ON w.id = e.workflow_id AND w.n8n_instance = %s
  WHERE e.n8n_execution_id = ANY (ARRAY(SELECT a.id::text FROM asked AS a))
  ORDER BY e.n8n_execution_id, is_under_way DESC, e.started_at DESC
)
SELECT a.id, a.turn AS is_turn, a.tries, r.workflow_id, r.started_at,
  coalesce(r.is_under_way, false) AS is_under_way,
  coalesce(r.workflow_id = ANY (a.spared), false) AS was_spared
FROM asked AS a LEFT JOIN recorded AS r ON r.id = a.id
ORDER BY CASE
  WHEN a.tries > 0 THEN a.tries %% 2
  WHEN r.workflow_id IS NOT NULL AND max(a.tries) OVER (PARTITION BY r.workflow_id) > 0 THEN 2
  ELSE 0
END, a.ordinal
"""
ASKED: LiteralString = f"""
  {SUCCEEDED},
  open = c.open - app.ranges_of(%(settled)s::bigint[]),
  tried = c.tried - app.ranges_of(%(settled)s::bigint[]),
  tried_again = c.tried_again - app.ranges_of(%(settled)s::bigint[]),
  missing = app.newest_of(c.missing + app.ranges_of(%(missing)s::bigint[]), %(ranges)s),
  without_data = c.without_data + %(lacking)s
"""
SPARE: LiteralString = """
  (spared, spared_at) = (
    SELECT array_agg(n.id ORDER BY n.at), array_agg(n.at ORDER BY n.at) FROM (
      SELECT s.id, s.at FROM unnest(c.spared, c.spared_at) AS s (id, at) WHERE s.id <> %(id)s AND s.at IS NOT NULL
      UNION ALL SELECT %(id)s, now() ORDER BY at DESC LIMIT %(most)s
    ) AS n
  )
"""


@dataclass(frozen=True)
class ToAsk:
    id: int
    is_turn: bool  # it is one of those that come in turn
    tries: int  # its data has been asked for in vain: never, once, or TRIES times
    workflow_id: str | None  # n8n's, and its start, if it is recorded
    started_at: datetime | None
    is_under_way: bool  # as it is recorded
    was_spared: bool  # its workflow, once: one try is enough
    is_tried_now: bool = False  # by this pull, and n8n may have answered without data since

    @property
    def is_given_up(self) -> bool:
        return self.tries >= (1 if self.was_spared else TRIES)

    @property
    def has_ended_n8n(self) -> bool:
        """n8n answered nothing more after its data had been asked for, and the next pull asks without."""
        return self.is_given_up and not self.is_tried_now

    def gone(self) -> Event | None:
        """How it ended nobody knows, if n8n has it no more: it keeps no runs of the workflow, or it was deleted."""
        if self.workflow_id is None or not self.is_under_way:
            return None
        return Event(
            n8n_workflow_id=self.workflow_id,
            n8n_execution_id=str(self.id),
            status="unknown",
            started_at=self.started_at,
        )


@dataclass(frozen=True)
class SingleRuns:
    """Of one instance."""

    records: Records

    def to_ask(self, most: int) -> list[ToAsk]:
        """Last those whose data may be why n8n did not answer, and then the others of their workflows."""
        with self.records.transaction():
            cursor = self.records.conn.cursor(row_factory=class_row(ToAsk))
            number = self.records.instance.number
            return cursor.execute(TO_ASK, (most, number, number)).fetchall()

    def tried(self, run: ToAsk) -> ToAsk:
        """Its data was asked for in vain. The next pull has to know it, whatever becomes of this one."""
        with self.records.transaction():
            self.records.update(
                """
                tried = (c.tried + app.ranges_of(%(ids)s::bigint[])) * c.open,
                tried_again = (c.tried_again + c.tried * app.ranges_of(%(ids)s::bigint[])) * c.open
                """,
                ids=[run.id],
            )
        return replace(run, tries=run.tries + 1, is_tried_now=True)

    def record(self, run: ToAsk, event: Event | None, *, is_settled: bool, lacks_data: bool, spared: str | None) -> int:
        """None: n8n has it not. How many were rejected; one that is settled is not asked for again.

        `spared` is a workflow that is so from now on.
        """
        is_gone = is_settled and event is None
        told = run.gone() if is_gone else event
        is_lacking = event is not None and is_settled and lacks_data
        events = self.records.with_large_data_stored([told] if told else [])
        with self.records.transaction():
            rejected = self.records.record(events)
            self.records.update(
                ASKED,
                settled=[run.id] if is_settled else [],
                missing=[run.id] if is_gone else [],
                ranges=RANGES,
                lacking=int(is_lacking),
            )
            if spared:
                self.records.update(SPARE, id=spared, most=SPARED)
        return rejected
