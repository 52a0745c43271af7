"""A query is a value: SQL text, its parameters, and the model of its rows."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from pydantic import BaseModel


@dataclass(frozen=True)
class Query[Row: BaseModel]:
    """One statement, its parameters, and what its rows are."""

    sql: LiteralString
    params: dict[str, Any]
    row: type[Row]
    conflict: str = "There is such a row already."  # said when a unique constraint refuses it
    missing: str | None = None  # said when what it refers to is not there


class Count(BaseModel):
    count: int


class Deleted(BaseModel):
    id: UUID


class NoRow(BaseModel):
    """That there is a row."""
