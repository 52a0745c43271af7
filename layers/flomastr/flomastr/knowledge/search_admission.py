"""Who may search, before money is spent on it: asked once a minute for each caller and place, and remembered here.

What is remembered opens nothing, since the search itself enters the tenant and is counted: it says whose query is worth
a vector, and by which models.
"""

import time
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from flomastr.database.query import Query
from flomastr.database.session import Database

SECONDS = 60.0
MOST = 1000  # places that a sandbox remembers

type Key = tuple[object, ...]


class SearchedBy(BaseModel):
    embedding_model: str


storing_response: dict[Key, tuple[float, list[str]]] = {}


@dataclass(frozen=True)
class SearchTarget:
    """A tenant, or one of its bases, as one caller comes to it."""

    db: Database
    base: UUID | None

    @property
    def key(self) -> Key:
        caller = self.db.access.caller
        return (caller.user_id, caller.email, caller.key_id, caller.key_hash, self.db.access.tenant, self.base)

    def is_known(self) -> bool:
        until, _ = storing_response.get(self.key, (0.0, []))
        return time.monotonic() < until

    def models(self) -> list[str]:
        """By which models it is searched. Raises the ServiceError of who may not."""
        if not self.is_known():
            found = [row.embedding_model for row in self.db.all(searched_by(self.base))]
            if len(storing_response) >= MOST:
                storing_response.clear()
            storing_response[self.key] = (time.monotonic() + SECONDS, found)
        return storing_response[self.key][1]

    def forget(self) -> None:
        storing_response.pop(self.key, None)


def searched_by(base: UUID | None) -> Query[SearchedBy]:
    return Query(
        "SELECT DISTINCT m.embedding_model FROM app.knowledge_base_models AS m"
        " WHERE m.is_active AND (%(base)s::uuid IS NULL OR m.knowledge_base_id = %(base)s)",
        {"base": base},
        SearchedBy,
    )
