"""Idempotency-Key: the answer is stored in the transaction of its effect, so that a repeat finds both or neither."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from flomastr.database.query import NoRow, Query


@dataclass(frozen=True)
class IdempotencyKey:
    key: str
    fingerprint: bytes  # of method, path and body

    def params(self) -> dict[str, Any]:
        return {"idempotency_key": self.key, "fingerprint": self.fingerprint}


class StoredResponse(BaseModel):
    rows: list[dict[str, Any]]


def reserve(key: IdempotencyKey) -> Query[NoRow]:
    """Takes the key. SQLSTATE FL208: it has a response. Refused with 422 `idempotency_key_reused`."""
    return Query("SELECT FROM app.reserve_key(%(idempotency_key)s, %(fingerprint)s)", key.params(), NoRow)


def storing_response[Row: BaseModel](query: Query[Row], key: IdempotencyKey) -> Query[Row]:
    """The query, storing its rows under the key. It must be an INSERT ... RETURNING or a SELECT, without WITH."""
    return Query(
        f"""
        WITH effect AS MATERIALIZED (
          {query.sql}
        ), answered AS (
          UPDATE app.idempotency_keys
          SET answer = (SELECT coalesce(jsonb_agg({query.kept}), '[]') FROM effect)
          WHERE key = %(idempotency_key)s AND actor = current_setting('app.actor')
        )
        SELECT * FROM effect
        """,
        query.params | key.params(),
        query.row,
        query.conflict,
        query.missing,
    )


def stored_response(key: IdempotencyKey) -> Query[StoredResponse]:
    """The rows that this caller's request under the key was answered with."""
    return Query(
        """
        SELECT answer AS rows
        FROM app.idempotency_keys
        WHERE key = %(idempotency_key)s AND actor = current_setting('app.actor')
        """,
        key.params(),
        StoredResponse,
    )
