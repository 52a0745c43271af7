"""What `pull` writes: a page, a run or names of workflows, and how far it is with them, in one transaction.

It writes as flo_app in one tenant, as requests do: row-level security shows it that tenant's rows alone. What was asked
with an address or a key that has been replaced meanwhile is not written.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row
from pydantic import BaseModel

from flomastr.database.connection import Connection
from flomastr.database.query import Query
from flomastr.large_data import rows as large_data
from flomastr.n8n.progress import Page, Progress
from flomastr.workflows import n8n_events
from flomastr.workflows.n8n_event import Event

STATEMENT_SECONDS = 60
RANGES = 10_000  # of ids that n8n's list has not, as it keeps so many runs: the newest
AGAIN = timedelta(minutes=4)  # after all has been read; the schedule comes every five
TIMES = 10  # as long as an instance took of a run it waits at least, so that it takes no more than a tenth of all
LEAST_WAIT, MOST_WAIT = timedelta(minutes=4), timedelta(hours=6)  # after a failure
KILLED = "The run that read it was ended."
COLUMNS: LiteralString = """
  c.tenant_id, c.number, i.name, c.n8n_url, c.api_key, c.version, c.failures + (c.seconds IS NULL)::int AS failures,
  c.seconds, c.workflows_at, c.known_id, c.known_at, c.oldest_id, c.cursor, c.list_id, c.list_at, c.list_low,
  app.n8n_spared(c) AS spared, app.rate_limit_per_minute(c.tenant_id) AS requests_per_minute
"""
SUCCEEDED: LiteralString = "failures = 0, error = NULL"
MOVED: LiteralString = """
  known_id = %(known_id)s, known_at = %(known_at)s, oldest_id = %(oldest_id)s, cursor = %(cursor)s,
  list_id = %(list_id)s, list_at = %(list_at)s, list_low = %(list_low)s
"""


@dataclass(frozen=True)
class Instance:
    """An instance that is due, and how far it has been read."""

    tenant_id: UUID
    number: int
    name: str
    n8n_url: str
    api_key: bytes
    version: int
    failures: int  # that a run was killed is one
    seconds: float | None  # that it took of the run before; None: that was killed
    workflows_at: datetime | None
    known_id: int
    known_at: datetime | None
    oldest_id: int | None
    cursor: str | None
    list_id: int | None
    list_at: datetime | None
    list_low: int | None
    spared: list[str]  # n8n's ids of workflows whose runs are read without data for now
    requests_per_minute: int  # that the tenant has

    @property
    def progress(self) -> Progress:
        return Progress(
            self.known_id, self.known_at, self.oldest_id, self.cursor, self.list_id, self.list_at, self.list_low
        )


class ReplacedError(Exception):
    """The address or the key is another by now, or the tenant is not active."""


def wait_after(failures: int) -> timedelta:
    """So many before this one."""
    return min(LEAST_WAIT * 2 ** min(failures, 10), MOST_WAIT)


def due(conn: Connection, moment: datetime) -> list[Instance]:
    """Of tenants in turn, and of each the one first that has waited longest."""
    asked = f"""
        SELECT {COLUMNS}
        FROM app.n8n_connections AS c
        JOIN app.n8n_instances AS i ON i.tenant_id = c.tenant_id AND i.number = c.number
        JOIN app.tenants AS t ON t.id = c.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
        WHERE c.next_pull_at <= %s
        ORDER BY row_number() OVER (PARTITION BY c.tenant_id ORDER BY c.next_pull_at, c.number), c.next_pull_at
    """
    return conn.cursor(row_factory=class_row(Instance)).execute(asked, (moment,)).fetchall()


@dataclass(frozen=True)
class Records:
    """Of one instance."""

    conn: Connection
    instance: Instance

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Raises ReplacedError."""
        with self.conn.transaction():
            self.conn.execute(
                "SELECT set_config('app.tenant_id', %s, true), set_config('app.actor', 'job:pull', true),"
                " set_config('statement_timeout', %s, true), set_config('lock_timeout', '5s', true)",
                (str(self.instance.tenant_id), str(STATEMENT_SECONDS * 1000)),
            )
            found = self.conn.execute(
                """
                SELECT FROM app.n8n_connections AS c
                JOIN app.tenants AS t ON t.id = c.tenant_id AND t.status = 'active' AND t.deleted_at IS NULL
                WHERE c.number = %s AND c.version = %s FOR NO KEY UPDATE OF c
                """,
                (self.instance.number, self.instance.version),
            )
            if not found.fetchall():
                raise ReplacedError
            yield

    def update(self, changes: LiteralString, **params: Any) -> None:
        self.conn.execute(
            f"UPDATE app.n8n_connections AS c SET {changes} WHERE c.number = %(number)s",
            params | {"number": self.instance.number},
        )

    def with_large_data_stored(self, events: list[Event]) -> list[Event]:
        """In transactions of its own: what is written to object storage has been claimed before."""
        return large_data.written(events, self.ask)

    def ask[Row: BaseModel](self, query: Query[Row]) -> list[Row]:
        with self.transaction():
            return query.rows(self.conn.cursor(row_factory=dict_row).execute(query.sql, query.params).fetchall())

    def record(self, events: Sequence[Event]) -> int:
        """As events that n8n posts. How many were rejected; they are kept as those are."""
        if not events:
            return 0
        query = n8n_events.record(events, self.instance.name)
        outcomes = self.conn.execute(query.sql, query.params).fetchall()
        return sum(outcome == "rejected" for _, _, _, outcome, *_ in outcomes)

    def begin(self) -> None:
        """Before it is asked, so that a killed run has put it off: the next one begins with others."""
        with self.transaction():
            self.update(
                """
                next_pull_at = now() + %(wait)s, seconds = NULL, failures = least(%(failures)s, 1000),
                error = CASE WHEN c.seconds IS NULL THEN %(error)s ELSE c.error END
                """,
                wait=wait_after(self.instance.failures),
                failures=self.instance.failures,
                error=KILLED,
            )

    def put_off(self, seconds: float) -> None:
        with self.transaction():
            self.update("next_pull_at = now() + %(wait)s, seconds = %(seconds)s", **pause(seconds))

    def page(self, events: list[Event], page: Page, asking: Sequence[int], without_data: int) -> int:
        """A page of the list, and the runs of it that are asked for by their ids. How many were rejected."""
        events = self.with_large_data_stored(events)
        with self.transaction():
            rejected = self.record(events)
            self.update(
                f"""
                {SUCCEEDED}, {MOVED},
                open = app.newest_of(
                  CASE WHEN %(anew)s THEN '{{}}' ELSE c.open END
                    + int8multirange(int8range(%(first)s, %(end)s)) - app.ranges_of(%(listed)s::bigint[])
                    + app.ranges_of(%(asking)s::bigint[]), %(ranges)s
                ),
                missing = CASE WHEN %(anew)s THEN '{{}}' ELSE c.missing END - app.ranges_of(%(listed)s::bigint[]),
                tried = CASE WHEN %(anew)s THEN '{{}}' ELSE c.tried END,
                tried_again = CASE WHEN %(anew)s THEN '{{}}' ELSE c.tried_again END,
                without_data = c.without_data + %(without_data)s
                """,
                **page.params(),
                asking=asking,
                ranges=RANGES,
                without_data=without_data,
            )
        return rejected

    def workflows(self, events: Sequence[Event], *, is_last: bool) -> int:
        """A page of workflows. How many were rejected."""
        with self.transaction():
            rejected = self.record(events)
            if is_last:
                self.update(f"{SUCCEEDED}, workflows_at = now()")
        return rejected

    def done(self, open_below: int | None, seconds: float) -> None:
        with self.transaction():
            self.update(
                f"""
                {SUCCEEDED}, pulled_at = now(), next_pull_at = now() + greatest(%(again)s, %(wait)s),
                open_below = %(open_below)s, seconds = %(seconds)s
                """,
                again=AGAIN,
                open_below=open_below,
                **pause(seconds),
            )

    def failed(self, error: str, wait: timedelta, progress: Progress, seconds: float) -> None:
        with self.transaction():
            self.update(
                f"""
                failures = least(c.failures + 1, 1000), error = %(error)s, next_pull_at = now() + %(wait)s,
                seconds = %(seconds)s, {MOVED}
                """,
                error=error,
                wait=wait,
                seconds=seconds,
                **vars(progress),
            )


def pause(seconds: float) -> dict[str, Any]:
    """What is noted of so many seconds."""
    return {"seconds": seconds, "wait": timedelta(seconds=seconds) * TIMES}
