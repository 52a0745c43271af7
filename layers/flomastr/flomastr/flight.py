"""One network flight: BEGIN, app.enter, the queries and COMMIT go out together; the answers are read when all are in.

A simple request so costs one round trip, authorization and commit included. A small transaction ahead of it counts the
request. What may be sent again, and what an error means to the caller, is decided here and nowhere else.
"""

import random
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, LiteralString

import psycopg
from psycopg.rows import args_row, class_row
from pydantic import BaseModel

from flomastr import connection, ratelimits
from flomastr.connection import Connection
from flomastr.errors import (
    BY_STATUS,
    Conflict,
    Forbidden,
    NotFound,
    ServiceError,
    TooManyRequests,
    Unavailable,
    Unprocessable,
)
from flomastr.identity import Caller
from flomastr.observability import logger
from flomastr.ratelimits import SPEND, Bucket

ATTEMPTS = 6
UNDONE = {"40001", "40P01"}  # serialization failure, deadlock: the transaction is gone for certain
NOT_BEGUN = {"53300", "57P03"}  # no backend was to be had
LOST = {"57P01", "57P02", "57P05", "08000", "08001", "08003", "08004", "08006", "08P01"}
BUSY = {"25006", "25P03", "25P04", "55P03", "57014", "57P04", *UNDONE, *NOT_BEGUN, *LOST}  # 25006: a standby took over

BEHIND = {"3F000", "42P01", "42883", "42703"}  # there is no such schema, table, function, column

ENTER = """
SELECT app.enter(
  %(user_id)s, %(email)s, %(key_id)s, decode(%(key_hash)s, 'hex'), %(tenant)s, %(scope)s, %(milliseconds)s
)
"""

UNLIMITED = ("platform:", "me:", "invitation:", "keys:", "members:write", "tenant:write", "tenant:delete")

one_at_a_time = Lock()  # a sandbox has one connection


@dataclass(frozen=True)
class Query[Row: BaseModel]:
    """One statement, its parameters, and what its rows are."""

    sql: LiteralString
    params: dict[str, Any]
    row: type[Row]
    conflict: str = "There is such a row already."  # said when a unique constraint refuses it
    missing: str | None = None  # said when what it refers to is not there


@dataclass(frozen=True)
class Entry:
    """What app.enter is asked: may this caller enter that place for this purpose."""

    caller: Caller
    tenant: str | None  # id or slug; None is the caller's only tenant
    scope: str  # platform:... and me:... are outside tenants
    tell: Callable[[dict[str, str]], None] = field(default=lambda _: None, compare=False)  # headers of the answer

    @property
    def is_read(self) -> bool:
        return self.scope.endswith(":read")

    @property
    def is_limited(self) -> bool:
        """What administers is not counted: whoever is at the limit must still be able to raise it or end a key."""
        return not self.scope.startswith(UNLIMITED)

    def params(self, deadline: float) -> dict[str, Any]:
        left = max(1, int((deadline - time.monotonic()) * 1000))
        return {**self.caller.model_dump(), "tenant": self.tenant, "scope": self.scope, "milliseconds": left}


class AlreadyAnswered(Exception):
    """The Idempotency-Key has its answer already."""


def fly(
    queries: Sequence[Query[Any]], deadline: float, entry: Entry | None = None, *, repeatable: bool = False
) -> list[list[Any]]:
    """The rows of each query. Raises ServiceError, or AlreadyAnswered.

    `repeatable` says that sending it twice does no harm. Reads are; a write whose COMMIT may have arrived is not.
    """
    repeatable = repeatable or entry is None or entry.is_read
    with one_at_a_time:
        for attempt in range(1, ATTEMPTS + 1):
            conn = None
            try:
                conn = connection.connection(deadline)
                return send(conn, queries, deadline, entry)
            except psycopg.Error as error:
                state = state_of(error)
                surely_undone = conn is None or state in UNDONE | NOT_BEGUN or is_vanished(state, queries)
                leave(conn)
                again = surely_undone or (repeatable and state in LOST)
                pause = random.uniform(0.05, 0.1) * 2**attempt
                if not again or attempt == ATTEMPTS or time.monotonic() + pause > deadline:
                    raise meaning(error, queries) from error
                logger.warning("Sending the flight again", sqlstate=state, attempt=attempt)
                time.sleep(pause)
            except BaseException:  # a parameter that cannot be sent, for one
                leave(conn)
                raise
    raise AssertionError("the last attempt answers or raises")


def send(conn: Connection, queries: Sequence[Query[Any]], deadline: float, entry: Entry | None) -> list[list[Any]]:
    buckets = conn.cursor(row_factory=args_row(Bucket))
    with conn.pipeline():
        if entry:
            conn.execute("BEGIN")
            if entry.is_limited:
                buckets.execute(SPEND, entry.params(deadline))
                conn.execute("COMMIT AND CHAIN")
            conn.execute(ENTER, entry.params(deadline))
        cursors = [conn.cursor(row_factory=class_row(query.row)).execute(query.sql, query.params) for query in queries]
        if entry:
            conn.execute("COMMIT")
    if entry and entry.is_limited and (spent := buckets.fetchall()):
        entry.tell(ratelimits.headers(spent))
    return [cursor.fetchall() for cursor in cursors]


def is_vanished(state: str, queries: Sequence[Query[Any]]) -> bool:
    """What a row was to refer to was there when the statement began, and is deleted now."""
    return state == "23503" and not (queries and queries[-1].missing)


def leave(conn: Connection | None) -> None:
    """A flight that fails leaves its transaction open, or a connection of which nothing is known."""
    if conn is None:
        return
    try:
        conn.rollback()
    except psycopg.Error:
        connection.discard()


def state_of(error: psycopg.Error) -> str:
    """The SQLSTATE. The client's own OperationalErrors have none: the connection is lost."""
    return error.sqlstate or ("08000" if isinstance(error, psycopg.OperationalError) else "")


def meaning(error: psycopg.Error, queries: Sequence[Query[Any]]) -> Exception:
    """What to tell the caller. SQL text and values of rows stay here."""
    state = state_of(error)
    if state == "FL208":
        return AlreadyAnswered()
    if state == "FL429":
        headers = ratelimits.headers_of_refusal(error.diag.message_detail or "")
        return TooManyRequests(error.diag.message_primary, error.diag.constraint_name, headers)
    if state.startswith("FL"):
        return BY_STATUS[int(state[2:])](error.diag.message_primary, error.diag.constraint_name)
    if state == "42501":
        logger.warning("The database refused a row", error=error.diag.message_primary)
        return Forbidden("You may act for yourself alone. Admins, owners and API keys act for others.", "not_yours")
    if state == "23505" and queries:
        return Conflict(queries[-1].conflict)
    if is_vanished(state, queries):
        return Unavailable()
    if state == "23503":
        return NotFound(queries[-1].missing)
    if state == "23514" and not error.diag.constraint_name:
        logger.error("There is no partition for an execution: has the partitions function run?")
        return Unavailable()
    if state.startswith(("22", "23", "54")) or isinstance(error, psycopg.DataError):
        logger.warning("The database refused a value", sqlstate=state, constraint=error.diag.constraint_name)
        return Unprocessable()
    if state in BEHIND:
        return Unavailable("The schema is behind the code: run the migrations.", "schema_behind")
    if state in BUSY or state.startswith("53"):
        logger.warning("The database is unavailable", sqlstate=state, error=type(error).__name__)
        return Unavailable()
    return error


class Transaction:
    """An open transaction: each query is a round trip and sees what those before it wrote."""

    def __init__(self, conn: Connection):
        self.conn = conn

    def all[Row: BaseModel](self, query: Query[Row]) -> list[Row]:
        try:
            return self.conn.cursor(row_factory=class_row(query.row)).execute(query.sql, query.params).fetchall()
        except psycopg.Error as error:
            raise meaning(error, [query]) from error


@contextmanager
def transaction(deadline: float, entry: Entry) -> Generator[Transaction]:
    """Commits when the block ends, rolls back when it raises. Nothing is sent again."""
    with one_at_a_time:
        conn = None
        try:
            conn = connection.connection(deadline)
            with conn.transaction():
                conn.execute(ENTER, entry.params(deadline))
                yield Transaction(conn)
        except psycopg.Error as error:
            leave(conn)
            raise meaning(error, []) from error
        except ServiceError:
            leave(conn)
            raise
