"""One round trip: BEGIN, app.authorize, the queries and COMMIT go out together in a pipeline; then the answers come.

A simple request so costs one round trip, authorization and commit included. A small transaction ahead of it counts the
request. What may be sent again, and what an error means to the caller, is decided here and nowhere else.
"""

import random
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

import psycopg
from psycopg.rows import args_row, dict_row
from pydantic import BaseModel

from flomastr.database import connection, rate_limits, replica
from flomastr.database.access import AUTHORIZE, AccessRequest, Entry
from flomastr.database.connection import Connection
from flomastr.database.query import Query
from flomastr.database.rate_limits import SPEND, Bucket
from flomastr.database.replica import COMMITTED, WRITTEN, LogPosition
from flomastr.database.sqlstates import (
    CONNECTION_LOST,
    NO_CONNECTION,
    ROLLED_BACK,
    is_vanished,
    sqlstate,
    to_service_error,
)
from flomastr.errors import ServiceError
from flomastr.observability import count, logger, measuring

ATTEMPTS = 6

one_at_a_time = Lock()  # a sandbox has one connection


def execute(
    queries: Sequence[Query[Any]], deadline: float, access: AccessRequest | None = None, *, repeatable: bool = False
) -> list[list[Any]]:
    """The rows of each query. Raises ServiceError or AlreadyAnsweredError.

    `repeatable` says that sending it twice does no harm. Reads are; a write whose COMMIT may have arrived is not.
    """
    repeatable = repeatable or access is None or access.is_read
    with one_at_a_time, measuring("DatabaseTime"):
        for attempt in range(1, ATTEMPTS + 1):
            conn = None
            try:
                conn = connection.connection(deadline)
                return send(conn, queries, deadline, access)
            except psycopg.Error as error:
                reset(conn)
                pause = random.uniform(0.05, 0.1) * 2**attempt
                again = conn is None or may_be_sent_again(sqlstate(error), queries, repeatable)
                if not again or attempt == ATTEMPTS or time.monotonic() + pause > deadline:
                    raise to_service_error(error, queries) from error
                logger.warning("Sending the pipeline again", sqlstate=sqlstate(error), attempt=attempt)
                count("DatabaseRetries")
                time.sleep(pause)
            except BaseException:  # a parameter that cannot be sent, for one
                reset(conn)
                raise
    raise AssertionError("the last attempt answers or raises")


def may_be_sent_again(state: str, queries: Sequence[Query[Any]], repeatable: bool) -> bool:
    """Whether nothing can have been committed, or it does no harm if it was."""
    is_undone = state in ROLLED_BACK | NO_CONNECTION or is_vanished(state, queries)
    return is_undone or (repeatable and state in CONNECTION_LOST)


def send(
    conn: Connection, queries: Sequence[Query[Any]], deadline: float, access: AccessRequest | None
) -> list[list[Any]]:
    """The rows of each query, as `send_to_primary` answers them, or a replica where one may answer and can.

    Both are asked at once. Raises psycopg.Error, and leaves the transaction open then.
    """
    reading = replica.ask(queries, deadline, access) if access else None
    if not (access and reading):
        return send_to_primary(conn, queries, deadline, access)
    try:
        written = vouch(conn, deadline, access)
    finally:
        reading.end()
    rows = reading.rows(written)
    return send_to_primary(conn, queries, deadline, replace(access, is_counted=True)) if rows is None else rows


def vouch(conn: Connection, deadline: float, access: AccessRequest) -> LogPosition:
    """What the primary says to a read by a replica: who may read is authorized, and where the log ended.

    That is looked at before the request is counted, which is a write. Raises psycopg.Error.
    """
    buckets = conn.cursor(row_factory=args_row(Bucket))
    params = access.params(deadline)
    with conn.pipeline():
        conn.execute("BEGIN")
        conn.execute(AUTHORIZE, params)
        written = conn.cursor(row_factory=args_row(LogPosition)).execute(WRITTEN)
        conn.execute("COMMIT")
        if access.is_limited:
            buckets.execute(SPEND, params)
    if access.is_limited and (spent := buckets.fetchall()):
        access.set_headers(rate_limits.headers(spent))
    return written.fetchall()[0]


def send_to_primary(
    conn: Connection, queries: Sequence[Query[Any]], deadline: float, access: AccessRequest | None
) -> list[list[Any]]:
    """The rows of each query, from one flush to the server. Without `access` there is no transaction around them.

    Sets the headers of the rate limit, and of a write its position in the log. Raises psycopg.Error, and leaves the
    transaction open then.
    """
    buckets = conn.cursor(row_factory=args_row(Bucket))
    tells_position = access is not None and not access.is_read and replica.is_configured()
    with conn.pipeline():
        if access:
            params = access.params(deadline)
            conn.execute("BEGIN")
            if access.is_limited:
                buckets.execute(SPEND, params)
                conn.execute("COMMIT AND CHAIN")
            conn.execute(AUTHORIZE, params)
        cursors = [conn.cursor(row_factory=dict_row).execute(query.sql, query.params) for query in queries]
        if access:
            conn.execute("COMMIT")
        committed = conn.execute(COMMITTED) if tells_position else None
    if access and committed:
        access.set_headers(replica.header(committed.fetchall()[0][0]))
    if access and access.is_limited and (spent := buckets.fetchall()):
        access.set_headers(rate_limits.headers(spent))
    return [query.rows(cursor.fetchall()) for query, cursor in zip(queries, cursors, strict=True)]


def reset(conn: Connection | None) -> None:
    """Roll back, or discard a connection whose state is unknown."""
    if conn is None:
        return
    try:
        conn.rollback()
    except psycopg.Error:
        connection.discard()


class Transaction:
    """An open transaction: each query is a round trip and sees what those before it wrote."""

    def __init__(self, conn: Connection):
        self.conn = conn

    def all[Row: BaseModel](self, query: Query[Row]) -> list[Row]:
        """The rows. Raises ServiceError."""
        try:
            return query.rows(self.conn.cursor(row_factory=dict_row).execute(query.sql, query.params).fetchall())
        except psycopg.Error as error:
            raise to_service_error(error, [query]) from error


@contextmanager
def transaction(deadline: float, entry: Entry) -> Generator[Transaction]:
    """Commits when the block ends, rolls back when it raises. Nothing is sent again. Raises ServiceError."""
    with one_at_a_time:
        conn = None
        try:
            conn = connection.connection(deadline)
            with conn.transaction():
                conn.execute(entry.entering, entry.params(deadline))
                yield Transaction(conn)
        except psycopg.Error as error:
            reset(conn)
            raise to_service_error(error, []) from error
        except ServiceError:
            reset(conn)
            raise
