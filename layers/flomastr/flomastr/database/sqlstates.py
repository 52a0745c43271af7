"""SQLSTATEs: which statements may be sent again after an error, and which error a caller gets."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg

from flomastr.database import rate_limits
from flomastr.database.connection import DeadlineExceededError
from flomastr.database.query import Query
from flomastr.errors import (
    BY_STATUS,
    ConflictError,
    ErrorCode,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    TooManyRequestsError,
    UnavailableError,
    UnprocessableError,
)
from flomastr.observability import count, logger

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

SCHEMA_OUTDATED = ("3F000", "42P01", "42883", "42703")  # there is no such schema, table, function, column


OUT_OF_TIME = {"57014", "25P04"}  # statement_timeout, transaction_timeout
TOO_LONG = "The request took longer than it may, and nothing of it is stored. Repeat it, or send less at once."
UNANSWERED = (
    "The database did not answer in the time that a request has."
    " Repeat the request, with the same Idempotency-Key if it writes."
)

OUTDATED = "The schema is behind the code: run the migrations."

type Sent = Sequence[Query[Any]]


class AlreadyAnsweredError(Exception):
    """There is a stored response under the Idempotency-Key."""


def is_vanished(state: str, queries: Sent) -> bool:
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


def refused_request(error: psycopg.Error, _: Sent) -> ServiceError:
    """What a SQL function has raised, by the HTTP status in its SQLSTATE."""
    return BY_STATUS[int(sqlstate(error)[2:])](error.diag.message_primary, error_code(error))


def refused_by_limit(error: psycopg.Error, _: Sent) -> ServiceError:
    headers = rate_limits.headers_of_refusal(error.diag.message_detail or "")
    return TooManyRequestsError(error.diag.message_primary, error_code(error), headers)


def refused_row(error: psycopg.Error, _: Sent) -> ServiceError:
    logger.warning("The database refused a row", error=error.diag.message_primary)
    return ForbiddenError(
        "You may act for yourself alone. Admins, owners and API keys act for others.", ErrorCode.NOT_YOURS
    )


def taken(error: psycopg.Error, queries: Sent) -> ServiceError:
    return ConflictError(queries[-1].conflict) if queries else refused_value(error, queries)


def not_there(error: psycopg.Error, queries: Sent) -> ServiceError:
    return UnavailableError() if is_vanished(sqlstate(error), queries) else NotFoundError(queries[-1].missing)


def failed_check(error: psycopg.Error, queries: Sent) -> ServiceError:
    if error.diag.constraint_name:
        return refused_value(error, queries)
    logger.error("There is no partition for an execution: has the partitions function run?")
    return UnavailableError()


def refused_value(error: psycopg.Error, _: Sent) -> ServiceError:
    constraint = error.diag.constraint_name
    logger.warning("The database refused a value", sqlstate=sqlstate(error), constraint=constraint)
    return UnprocessableError()


def unavailable(error: psycopg.Error, _: Sent) -> ServiceError:
    count("DatabaseUnavailable")
    logger.warning("The database is unavailable", sqlstate=sqlstate(error), error=type(error).__name__)
    if isinstance(error, DeadlineExceededError):  # a COMMIT may have arrived
        return UnavailableError(UNANSWERED)
    return UnavailableError(TOO_LONG if sqlstate(error) in OUT_OF_TIME else None)


# By what a SQLSTATE begins with. The first that fits counts.
ANSWERS: Sequence[tuple[tuple[str, ...], Callable[[psycopg.Error, Sent], Exception]]] = (
    (("FL208",), lambda _, __: AlreadyAnsweredError()),
    (("FL429",), refused_by_limit),
    (("FL",), refused_request),
    (("42501",), refused_row),
    (("23505",), taken),
    (("23503",), not_there),
    (("23514",), failed_check),
    (("22", "23", "54"), refused_value),
    (SCHEMA_OUTDATED, lambda _, __: UnavailableError(OUTDATED, ErrorCode.SCHEMA_BEHIND)),
    ((*BUSY, "53"), unavailable),
)


def to_service_error(error: psycopg.Error, queries: Sent) -> Exception:
    """The error for the caller, without SQL text and values of rows. `queries` are those that were sent.

    An error that has no meaning for a caller comes back as it is.
    """
    state = sqlstate(error)
    for beginnings, answer in ANSWERS:
        if state.startswith(beginnings):
            return answer(error, queries)
    return refused_value(error, queries) if isinstance(error, psycopg.DataError) else error
