"""Runs that are asked for by their ids, and those whose data n8n cannot give: it fails, or ends for want of memory.

Data that was asked for in vain twice is not asked for any more, and neither is that of later runs of that workflow.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from flomastr.n8n.records import RANGES, SUCCEEDED, Records
from flomastr.workflows.n8n_event import Event

TRIES = 2
SPARED = 100  # workflows of an instance
ASKED: LiteralString = f"""
  {SUCCEEDED},
  open = c.open - app.ranges_of(%(settled)s::bigint[]),
  tried = c.tried - app.ranges_of(%(settled)s::bigint[]),
  tried_again = c.tried_again - app.ranges_of(%(settled)s::bigint[]),
  missing = app.newest_of(c.missing + app.ranges_of(%(missing)s::bigint[]), %(ranges)s),
  without_data = c.without_data + %(lacking)s,
  spared = (ARRAY(SELECT unnest(c.spared) UNION SELECT unnest(array_remove(%(spared)s::text[], NULL))))[:%(most)s]
"""


@dataclass(frozen=True)
class ToAsk:
    id: int
    is_turn: bool  # it is one of those that come in turn
    tries: int  # its data has been asked for in vain: never, once, or TRIES times
    workflow_id: str | None  # n8n's, and its start, if it is recorded and has not ended
    started_at: datetime | None

    @property
    def is_given_up(self) -> bool:
        return self.tries >= TRIES

    def gone(self) -> Event | None:
        """How it ended nobody knows, if n8n has it no more: it keeps no runs of the workflow, or it was deleted."""
        if self.workflow_id is None:
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
        """Last those whose data may be why n8n did not answer."""
        asked = """
            WITH asked AS (
              SELECT a.*, (a.id <@ c.tried)::int + (a.id <@ c.tried_again)::int AS tries
              FROM app.n8n_connections AS c, app.n8n_ids_to_ask(c, %s) WITH ORDINALITY AS a (id, turn, ordinal)
              WHERE c.number = %s
            ),
            recorded AS (
              SELECT e.n8n_execution_id::bigint AS id, w.n8n_workflow_id, e.started_at
              FROM app.workflow_executions AS e
              JOIN app.workflows AS w ON w.id = e.workflow_id AND w.n8n_instance = %s
              WHERE e.n8n_execution_id = ANY (ARRAY(SELECT a.id::text FROM asked AS a))
                AND e.status IN ('new', 'running', 'waiting')
            )
            SELECT DISTINCT ON (a.tries = 1, a.ordinal)
              a.id, a.turn AS is_turn, a.tries, r.n8n_workflow_id AS workflow_id, r.started_at
            FROM asked AS a LEFT JOIN recorded AS r ON r.id = a.id
            ORDER BY a.tries = 1, a.ordinal, r.started_at DESC
        """
        with self.records.transaction():
            cursor = self.records.conn.cursor(row_factory=class_row(ToAsk))
            number = self.records.instance.number
            return cursor.execute(asked, (most, number, number)).fetchall()

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
        return replace(run, tries=run.tries + 1)

    def record(self, run: ToAsk, event: Event | None, *, is_settled: bool, lacks_data: bool) -> int:
        """None: n8n has it not. How many were rejected; one that is settled is not asked for again."""
        is_gone = is_settled and event is None
        told = run.gone() if is_gone else event
        lacking = [event.n8n_workflow_id] if event and is_settled and lacks_data else []
        events = self.records.with_large_data_stored([told] if told else [])
        with self.records.transaction():
            rejected = self.records.record(events)
            self.records.update(
                ASKED,
                settled=[run.id] if is_settled else [],
                missing=[run.id] if is_gone else [],
                ranges=RANGES,
                lacking=len(lacking),
                spared=lacking if run.is_given_up else [],
                most=SPARED,
            )
        return rejected
