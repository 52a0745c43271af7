"""Whether a caller may search: asked before a vector is paid for, and cached for a minute per caller and target.

The cache grants nothing, since the search itself is authorized and counts against the rate limit. It only says whose
query gets a vector, and by which models.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from flomastr.database.query import Query
from flomastr.database.session import Database

SECONDS = 60.0
MAX_CACHED = 1000  # targets per sandbox

type Key = tuple[object, ...]


class SearchedBy(BaseModel):
    embedding_model: str


cached_models: dict[Key, tuple[float, list[str]]] = {}


@dataclass(frozen=True)
class SearchTarget:
    """What one caller searches: a tenant, or one of its bases."""

    db: Database
    base: UUID | None

    @property
    def key(self) -> Key:
        caller = self.db.access.caller
        return (caller.user_id, caller.email, caller.key_id, caller.key_hash, self.db.access.tenant, self.base)

    def is_cached(self) -> bool:
        until, _ = cached_models.get(self.key, (0.0, []))
        return time.monotonic() < until

    def models(self) -> list[str]:
        """The models that it is searched by. Raises ServiceError if the caller may not search it."""
        if not self.is_cached():
            found = [row.embedding_model for row in self.db.all(searched_by(self.base))]
            if len(cached_models) >= MAX_CACHED:
                cached_models.clear()
            cached_models[self.key] = (time.monotonic() + SECONDS, found)
        return cached_models[self.key][1]

    def forget(self) -> None:
        cached_models.pop(self.key, None)


def searched_by(base: UUID | None) -> Query[SearchedBy]:
    return Query(
        """
        SELECT DISTINCT m.embedding_model FROM app.knowledge_base_models AS m
        WHERE m.is_active AND (%(base)s::uuid IS NULL OR m.knowledge_base_id = %(base)s)
        """,
        {"base": base},
        SearchedBy,
    )
