"""Readiness: the database answers, its schema is the one that this code needs, and pgvector has its fixes."""

from typing import Literal

from pydantic import BaseModel

from flomastr.database.query import Query
from flomastr.database.session import ask
from flomastr.errors import ErrorCode, UnavailableError

NEEDED_MIGRATION = "0025_grants"
NEEDED_FUNCTIONS = ["ask_for_rehydration", "authorize"]  # and what code calls that came without a migration
NEEDED_PGVECTOR = (0, 8, 4)  # 0.8.3 and older can corrupt HNSW indexes


class Health(BaseModel):
    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    status: Literal["ready"] = "ready"
    postgres: str
    pgvector: str
    migration: str


class State(Readiness):
    missing: list[str]


STATE = """
SELECT
  current_setting('server_version') AS postgres,
  coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), '0') AS pgvector,
  coalesce((SELECT max(name) FROM app.schema_migrations), '') AS migration,
  ARRAY(SELECT name FROM unnest(%(functions)s::text[]) AS name WHERE to_regproc('app.' || name) IS NULL) AS missing
"""


def readiness() -> Readiness:
    (state,) = ask(Query(STATE, {"functions": NEEDED_FUNCTIONS}, State))
    if state.migration < NEEDED_MIGRATION:
        raise UnavailableError(
            f"The schema stands at {state.migration or 'nothing'}: run the migrations.", ErrorCode.SCHEMA_BEHIND
        )
    if state.missing:
        raise UnavailableError(f"The schema lacks app.{state.missing[0]}: run the migrations.", ErrorCode.SCHEMA_BEHIND)
    if tuple(int(part) for part in state.pgvector.split(".")) < NEEDED_PGVECTOR:
        raise UnavailableError(f"pgvector is {state.pgvector}: 0.8.4 or later is needed.", ErrorCode.PGVECTOR_TOO_OLD)
    return state
