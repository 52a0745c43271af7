"""The database as one caller may see it. A query is a value; a request is one round trip."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from flomastr.database import pipeline, sqlstates
from flomastr.database.access import AccessRequest
from flomastr.database.idempotency import IdempotencyKey, reserve, stored_response, storing_response
from flomastr.database.query import Query
from flomastr.errors import NotFoundError

BUDGET_SECONDS = 4.5  # of one request


def deadline_in(seconds: float = BUDGET_SECONDS) -> float:
    """A moment of time.monotonic(), so many seconds from now, and never later than a request may take."""
    return time.monotonic() + min(seconds, BUDGET_SECONDS)


@dataclass(frozen=True)
class Database:
    """What a handler asks. Every call is one round trip: app.authorize, the queries and COMMIT, in one transaction."""

    access: AccessRequest
    deadline: float = field(default_factory=deadline_in)

    def renewed(self) -> "Database":
        """The same with the whole time of a request, after work that took long without the database."""
        return replace(self, deadline=deadline_in())

    def admitted(self) -> "Database":
        """The same, after a round trip that authorizes and counts: what costs more than a query comes after that."""
        if self.access.is_counted:
            return self
        pipeline.execute([], self.deadline, self.access, repeatable=True)
        return self.counted

    @property
    def counted(self) -> "Database":
        """The same, for what follows a round trip of this request."""
        return replace(self, access=replace(self.access, is_counted=True))

    def heavier(self, by: int) -> "Database":
        """The same, for a request that weighs so much more than its route says."""
        return self.weighing(by if self.access.is_counted else self.access.weight + by)

    def weighing(self, weight: int) -> "Database":
        """The same, which counts once more: by so many requests, or fewer where what was counted was too much."""
        return replace(self, access=replace(self.access, weight=weight, is_counted=False))

    def by_replica(self, position: int) -> "Database":
        """The same, whose reads a replica may answer that has replayed the log to that position."""
        return replace(self, access=replace(self.access, replica_from=position))

    def by_primary(self) -> "Database":
        """The same, whose reads no replica may answer."""
        return replace(self, access=replace(self.access, replica_from=None))

    def all[Row: BaseModel](self, query: Query[Row]) -> list[Row]:
        """The rows. Raises ServiceError."""
        (rows,) = pipeline.execute([query], self.deadline, self.access)
        return rows

    def one[Row: BaseModel](self, query: Query[Row]) -> Row:
        """The first row. Raises NotFoundError where there is none, and ServiceError."""
        rows = self.all(query)
        if not rows:
            raise NotFoundError
        return rows[0]

    def both[A: BaseModel, B: BaseModel](self, first: Query[A], second: Query[B]) -> tuple[list[A], list[B]]:
        """Two independent queries in one round trip."""
        answers = pipeline.execute([first, second], self.deadline, self.access)
        return answers[0], answers[1]

    def several(self, *queries: Query[Any]) -> list[list[Any]]:
        """Independent queries in one round trip; the rows of each."""
        return pipeline.execute(queries, self.deadline, self.access)

    def idempotent[Row: BaseModel](self, query: Query[Row], key: IdempotencyKey | None) -> list[Row]:
        """A POST: under one Idempotency-Key it happens once, and repeating it answers what it answered then."""
        if key is None:
            return self.all(query)
        try:
            _, rows = pipeline.execute(
                [reserve(key), storing_response(query, key)], self.deadline, self.access, repeatable=True
            )
        except sqlstates.AlreadyAnsweredError:
            return self.answered(query, key)
        return rows

    def answered[Row: BaseModel](self, query: Query[Row], key: IdempotencyKey) -> list[Row]:
        """What was answered under the key; read anew where only what identifies it was kept.

        What is gone since is not made again: NotFoundError says so.
        """
        rows = self.one(stored_response(key)).rows
        if query.reread is None:
            return query.rows(rows)
        found = [row for kept in rows for row in self.counted.all(query.reread(kept))]
        if len(found) < len(rows):
            raise NotFoundError(
                "What this Idempotency-Key made was deleted since, or taken back by a recovery. "
                "Send a new key to make it again."
            )
        return found

    @contextmanager
    def transaction(self) -> Generator[pipeline.Transaction]:
        """For statements that depend on each other: each is a round trip of its own."""
        with pipeline.transaction(self.deadline, self.access) as transaction:
            yield transaction


def ask[Row: BaseModel](query: Query[Row], seconds: float = BUDGET_SECONDS) -> list[Row]:
    """One statement outside any tenant: row-level security shows it no tenant's rows. Raises ServiceError."""
    (rows,) = pipeline.execute([query], deadline_in(seconds))
    return rows
