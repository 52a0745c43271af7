"""Readiness: the database answers, its schema is the one that this code needs, and pgvector is new enough."""

import time
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from flomastr.database.query import Query
from flomastr.database.session import ask
from flomastr.errors import ErrorCode, ServiceError, UnavailableError
from flomastr.observability import logger
from flomastr.settings import settings

NEEDED_MIGRATION = "0119_spared_for_a_day"
# and what code calls that came without a migration
NEEDED_FUNCTIONS = [
    "ask_for_rehydration",
    "authorize",
    "change_n8n_instance",
    "claim_upload",
    "delete_workflow",
    "execution_of",
    "find_passages",
    "first_ids",
    "ids_to_keep",
    "index_words",
    "indexed_text",
    "measured_alerts_v2",
    "message_pattern",
    "minutes_saved",
    "newest_executions_of",
    "newest_of",
    "newest_runs",
    "plan_history",
    "plan_overflow_v2",
    "plan_sessions_v2",
    "policies_v3",
    "query_words",
    "record_all_events",
    "record_deliveries",
    "refer_to_object",
    "store_sizes",
    "tenants_to_keep",
    "values_after_archived",
    "words_to_index",
    "workflows_of_instance",
]
NEEDED_PGVECTOR = (0, 7, 4)  # the oldest that was tried; 0.7.0 brought halfvec and sparsevec
SECONDS = 5.0  # that a sandbox keeps what it found: anybody may ask


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"


class Versions(BaseModel):
    postgres: str
    pgvector: str
    migration: str
    needed_migration: str = NEEDED_MIGRATION
    missing_functions: list[str] = Field(description="What the code calls and the schema lacks.")
    release: str = Field(default_factory=lambda: settings().release, description="The code that answers.")


@dataclass
class Verdict:
    """Why the service is not ready, or None, until a moment of time.monotonic()."""

    until: float = 0.0
    error: ServiceError | None = None


VERSIONS = """
SELECT
  current_setting('server_version') AS postgres,
  coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), '0') AS pgvector,
  coalesce((SELECT max(name) FROM app.schema_migrations), '') AS migration,
  ARRAY(
    SELECT name FROM unnest(%(functions)s::text[]) AS name WHERE to_regproc('app.' || name) IS NULL
  ) AS missing_functions
"""
verdict = Verdict()


def versions() -> Query[Versions]:
    """What the database is, beside what this code needs. One row."""
    return Query(VERSIONS, {"functions": NEEDED_FUNCTIONS}, Versions)


def readiness() -> Readiness:
    """Of the last seconds. Raises UnavailableError without a word of versions, which the log and super admins have."""
    global verdict
    if time.monotonic() >= verdict.until:
        verdict = Verdict(error=why_not_ready())
        verdict.until = time.monotonic() + SECONDS
    if verdict.error:
        raise UnavailableError(verdict.error.detail, verdict.error.code)
    return Readiness()


def why_not_ready() -> ServiceError | None:
    try:
        (found,) = ask(versions())
    except ServiceError as error:
        return error
    if error := shortcoming(found):
        logger.error(error.detail, **found.model_dump())
    return error


def shortcoming(found: Versions) -> UnavailableError | None:
    if found.migration < NEEDED_MIGRATION or found.missing_functions:
        return UnavailableError("The schema is behind the code: run the migrations.", ErrorCode.SCHEMA_BEHIND)
    if version_of(found.pgvector) < NEEDED_PGVECTOR:
        return UnavailableError("pgvector is older than 0.7.4, which is needed.", ErrorCode.PGVECTOR_TOO_OLD)
    return None


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version such as 0.8.4, to be compared."""
    return tuple(int(part) for part in text.split("."))
