"""Reads by a replica, beside the primary: both are asked before either answers, so it stays one round trip.

The primary says who may read, counts the request, and says where its log ends. The replica authorizes for itself, says
how far it has replayed the log, and reads. Its rows count if it has acted in the same context and is fresh enough; in
any other case there are none, and the primary is asked. Connections are opened beside the requests; after a failure the
replica is left alone for some seconds.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import args_row, dict_row

from flomastr.database import connection
from flomastr.database.access import AUTHORIZE, AccessRequest
from flomastr.database.connection import CONNECT_SECONDS, Connection
from flomastr.database.query import Query
from flomastr.errors import ServiceError
from flomastr.observability import count, logger, measure
from flomastr.settings import replica_url, settings

PATIENCE_SECONDS = 0.5  # for its first word, which comes before the rows, however long those take
FAILED_SECONDS = 5.0  # that it is left alone after a failure
LAGGING_SECONDS = 1.0  # and when it lags
LONG_SECONDS = 86_400  # what is reported of a lag that is not known, or longer

# Positions are bytes of the log. A primary has no position to compare with while it recovers, a replica none without.
WRITTEN = """
SELECT
  CASE WHEN NOT pg_is_in_recovery() THEN (pg_current_wal_flush_lsn() - '0/0')::bigint END, clock_timestamp(),
  (current_setting('app.tenant_id'), current_setting('app.actor'), current_setting('app.role'))::text
"""
REPLAYED = """
SELECT
  CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END, pg_last_xact_replay_timestamp(),
  (current_setting('app.tenant_id'), current_setting('app.actor'), current_setting('app.role'))::text
"""
COMMITTED = """
SELECT (CASE current_setting('synchronous_commit')
  WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn()
END - '0/0')::bigint
"""  # sent after COMMIT, so that what was written is before this position

type Rows = list[list[dict[str, Any]]]

worker = ThreadPoolExecutor(1, "replica")


class LogPosition(NamedTuple):
    """How far a server has come, at what time of the primary's clock, and in which context the caller acts there."""

    position: int | None
    at: datetime | None
    context: str


@dataclass
class Link:
    """The sandbox's connection to the replica."""

    conn: Connection | None = None
    opening: Future[Connection] | None = None
    rests_until: float = 0.0  # of time.monotonic()

    def rest(self, seconds: float, why: str) -> None:
        logger.warning("The replica is left alone for a moment", seconds=seconds, reason=why)
        self.rests_until = time.monotonic() + seconds


link = Link()


@cache
def is_configured() -> bool:
    """Whether there is a replica. Raises UnavailableError if the secret that says so cannot be read."""
    return bool(replica_url())


def discard() -> None:
    """Forgets the connection and whether there is a replica, as at a cold start."""
    global link
    if link.opening:
        wait([link.opening])
    if current := link.conn or opened():
        current.close()
    link = Link()
    is_configured.cache_clear()


def connected() -> Connection | None:
    """The connection, if it is open. If not, it is opened while requests go on without it."""
    if time.monotonic() < link.rests_until:
        return None
    if link.conn and not link.conn.is_idle():
        link.conn.close()
        link.conn = None
    if link.conn is None and link.opening is None:
        link.opening = worker.submit(open_connection)
    return link.conn or opened()


def open_connection() -> Connection:
    return connection.connect(time.monotonic() + CONNECT_SECONDS, replica_url)


def opened() -> Connection | None:
    """What has been opened meanwhile."""
    if link.opening is None or not link.opening.done():
        return None
    opening, link.opening = link.opening, None
    try:
        link.conn = opening.result()
    except (psycopg.Error, ServiceError) as error:
        link.rest(FAILED_SECONDS, type(error).__name__)
    return link.conn


@dataclass(frozen=True)
class Reading:
    """What the replica is being asked."""

    conn: Connection
    queries: Sequence[Query[Any]]
    least: int  # the position that it needs
    answer: Future[tuple[LogPosition, Rows]]

    def end(self) -> None:
        wait([self.answer])

    def rows(self, written: LogPosition) -> list[list[Any]] | None:
        """Its rows, if they are as fresh as they must be."""
        rows = self.fresh_rows(written)
        count("ReplicaShare", rows is not None)
        return rows

    def fresh_rows(self, written: LogPosition) -> list[list[Any]] | None:
        try:
            replayed, rows = self.answer.result()
        except Exception as error:
            self.failed(error)
            return None
        if not self.is_fresh(written, replayed):
            return None
        return [query.rows(found) for query, found in zip(self.queries, rows, strict=True)]

    def failed(self, error: Exception) -> None:
        """Only where the connection is lost has the replica failed: else it may have cancelled the read, for one."""
        if self.conn.closed:
            link.rest(FAILED_SECONDS, type(error).__name__)

    def is_fresh(self, written: LogPosition, replayed: LogPosition) -> bool:
        if replayed.position is None:
            link.rest(FAILED_SECONDS, "it is no replica, or was promoted")
            return False
        seconds = lag(written, replayed)
        measure("ReplicaLag", "Seconds", min(seconds, LONG_SECONDS))
        if seconds > settings().replica_max_lag_seconds:
            link.rest(LAGGING_SECONDS, f"it lags by {seconds:.1f} seconds")
            return False
        return replayed.position >= self.least and replayed.context == written.context


def header(position: int) -> dict[str, str]:
    """What a client sends with its next reads, so that they see what it has written."""
    return {"Flo-Consistency": f"{position:016x}"}


def lag(written: LogPosition, replayed: LogPosition) -> float:
    """How old the commits are that the replica may lack, in seconds of the primary's clock."""
    if written.position is None or replayed.position is None:
        return float("inf")
    if replayed.position >= written.position:
        return 0.0
    if written.at is None or replayed.at is None:
        return float("inf")
    return (written.at - replayed.at).total_seconds()


def ask(queries: Sequence[Query[Any]], deadline: float, access: AccessRequest) -> Reading | None:
    """Begins to read, if the request may be answered by a replica and one is connected. Waits for nothing."""
    if access.replica_from is None or not is_configured():
        return None
    if not (conn := connected()):
        count("ReplicaShare", 0)
        return None
    half = (time.monotonic() + deadline) / 2  # the other is for the primary, should this one not answer
    return Reading(conn, queries, access.replica_from, worker.submit(read, conn, queries, half, access))


def read(
    conn: Connection, queries: Sequence[Query[Any]], deadline: float, access: AccessRequest
) -> tuple[LogPosition, Rows]:
    conn.deadline, conn.speaks_by = deadline, time.monotonic() + PATIENCE_SECONDS
    try:
        with conn.pipeline():
            conn.execute("BEGIN")
            conn.execute(AUTHORIZE, access.params(deadline))
            replayed = conn.cursor(row_factory=args_row(LogPosition)).execute(REPLAYED)
            conn.pgconn.send_flush_request()  # so that it is heard before the rows
            cursors = [conn.cursor(row_factory=dict_row).execute(query.sql, query.params) for query in queries]
            conn.execute("COMMIT")
    except BaseException:
        with suppress(psycopg.Error):
            conn.rollback()
        raise
    return replayed.fetchall()[0], [cursor.fetchall() for cursor in cursors]
