"""SQLSTATEs: which statements may be sent again after an error, and which error a caller gets."""

from collections.abc import Sequence
from typing import Any

import psycopg

from flomastr.database import rate_limits
from flomastr.database.query import Query
from flomastr.errors import (
    BY_STATUS,
    ConflictError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
    UnavailableError,
    UnprocessableError,
)
from flomastr.observability import logger

ROLLED_BACK = {"40001", "40P01"}  # serialization failure, deadlock: the transaction is gone for certain

NO_CONNECTION = {"53300", "57P03"}  # the server has no backend left, or starts

CONNECTION_LOST = {"57P01", "57P02", "57P05", "08000", "08001", "08003", "08004", "08006", "08P01"}

BUSY = {
    "25006",
    "25P03",
    "25P04",
    "55P03",
    "57014",
    "57P04",
    *ROLLED_BACK,
    *NO_CONNECTION,
    *CONNECTION_LOST,
}  # 25006: a standby took over

SCHEMA_OUTDATED = {"3F000", "42P01", "42883", "42703"}  # there is no such schema, table, function, column


class AlreadyAnsweredError(Exception):
    """There is a stored response under the Idempotency-Key."""


def is_vanished(state: str, queries: Sequence[Query[Any]]) -> bool:
    """Whether a row that is referred to was deleted after the statement had begun."""
    return state == "23503" and not (queries and queries[-1].missing)


def sqlstate(error: psycopg.Error) -> str:
    """The SQLSTATE. The client's own OperationalErrors have none: the connection is lost."""
    return error.sqlstate or ("08000" if isinstance(error, psycopg.OperationalError) else "")


def error_code(error: psycopg.Error) -> ErrorCode | None:
    """The code that a SQL function has raised, or None: during a deployment the schema may be newer than the code."""
    name = error.diag.constraint_name
    if name in ErrorCode:
        return ErrorCode(name)
    logger.warning("The database raised an unknown error code", code=name)
    return None


def to_service_error(error: psycopg.Error, queries: Sequence[Query[Any]]) -> Exception:
    """The error for the caller, without SQL text and values of rows. `queries` are those that were sent.

    An error that has no meaning for a caller comes back as it is.
    """
    state = sqlstate(error)
    if state == "FL208":
        return AlreadyAnsweredError()
    if state == "FL429":
        headers = rate_limits.headers_of_refusal(error.diag.message_detail or "")
        return TooManyRequestsError(error.diag.message_primary, error_code(error), headers)
    if state.startswith("FL"):
        return BY_STATUS[int(state[2:])](error.diag.message_primary, error_code(error))
    if state == "42501":
        logger.warning("The database refused a row", error=error.diag.message_primary)
        return ForbiddenError(
            "You may act for yourself alone. Admins, owners and API keys act for others.", ErrorCode.NOT_YOURS
        )
    if state == "23505" and queries:
        return ConflictError(queries[-1].conflict)
    if is_vanished(state, queries):
        return UnavailableError()
    if state == "23503":
        return NotFoundError(queries[-1].missing)
    if state == "23514" and not error.diag.constraint_name:
        logger.error("There is no partition for an execution: has the partitions function run?")
        return UnavailableError()
    if state.startswith(("22", "23", "54")) or isinstance(error, psycopg.DataError):
        logger.warning("The database refused a value", sqlstate=state, constraint=error.diag.constraint_name)
        return UnprocessableError()
    if state in SCHEMA_OUTDATED:
        return UnavailableError("The schema is behind the code: run the migrations.", ErrorCode.SCHEMA_BEHIND)
    if state in BUSY or state.startswith("53"):
        logger.warning("The database is unavailable", sqlstate=state, error=type(error).__name__)
        return UnavailableError()
    return error
