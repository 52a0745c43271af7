"""n8n instances of a tenant as they are reached: address and API key, which is shown to nobody, and how `pull` goes."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Literal, LiteralString
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, Strict, StringConstraints

from flomastr.database.query import NoRow, Query
from flomastr.http.fields import UNSET, Changes, TenantName
from flomastr.http.patterns import INSTANCE, N8N_URL, VISIBLE_ASCII
from flomastr.n8n.api_keys import KeyUnreadableError, decrypted, encrypted
from flomastr.outbound.targets import refuse_other_targets
from flomastr.workflows.n8n_instances import LISTED, N8nInstance

BACKLOG: LiteralString = "100"  # ids that are open: so many are asked for in any run of `pull`

type State = Literal["reading", "up_to_date", "failing"]

InPath = Annotated[
    str, Path(pattern=INSTANCE, description="The n8n instance, as its events name it.", examples=["prod"])
]


def of_n8n(url: str) -> str:
    """The address of n8n itself, as its API's may be given too. Raises ValueError."""
    if "?" in refuse_other_targets(url):
        raise ValueError("has a query, and n8n's address has none")
    return url.rstrip("/").removesuffix("/api/v1").rstrip("/")


Address = Annotated[
    str,
    Field(max_length=2000, json_schema_extra={"pattern": N8N_URL}, examples=["https://n8n.example.com"]),
    AfterValidator(of_n8n),
]
ApiKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000, pattern=VISIBLE_ASCII),
    Field(repr=False, description="Of n8n's public API. It is kept encrypted, and shown to nobody."),
]


class Pull(BaseModel):
    n8n_url: str
    key_changed_at: datetime
    state: State
    pulled_at: datetime | None = Field(description="When all that n8n has was read last.")
    next_pull_at: datetime
    failures: int = Field(description="One after the other. Each doubles the time until the next.")
    error: str | None = Field(description="Why the last request was in vain.")
    open: int = Field(description="Ids that are asked for one by one: n8n's list has them not, or they have not ended.")
    without_data: int = Field(description="Runs that are recorded without data, since n8n could not give it.")
    spared: list[str] = Field(
        description="n8n's ids of workflows whose data is not asked for, for a day: n8n ended. Another key empties it."
    )


class PulledInstance(N8nInstance):
    pull: Pull | None = Field(description="null: there is no address and no key.")


class InstanceChanges(Changes):
    """Address and key come together at first. Another address needs the key anew: else it would get the old one.

    `n8n_wins` needs neither.
    """

    tenant_id: TenantName | None = None
    n8n_url: Address = UNSET
    api_key: ApiKey = UNSET
    n8n_wins: Annotated[bool, Strict()] = UNSET


class Connection(BaseModel):
    """How an instance is reached. The key is encrypted."""

    tenant_id: UUID
    name: str
    n8n_url: str | None
    api_key: bytes | None = Field(repr=False)


@dataclass(frozen=True)
class Sealed:
    n8n_url: str | None
    api_key: bytes | None
    n8n_wins: bool | None


PULLED = f"""
SELECT i.*, CASE WHEN c.number IS NOT NULL THEN jsonb_build_object(
  'n8n_url', c.n8n_url, 'key_changed_at', c.key_changed_at, 'pulled_at', c.pulled_at, 'next_pull_at', c.next_pull_at,
  'failures', c.failures, 'error', c.error, 'open', app.size_of(c.open),
  'without_data', c.without_data, 'spared', app.n8n_spared(c),
  'state', CASE
    WHEN c.failures > 0 THEN 'failing' WHEN c.pulled_at IS NULL OR c.cursor IS NOT NULL THEN 'reading'
    WHEN app.n8n_spared(c) <> '{{}}' AND app.size_of(c.open) > {BACKLOG} THEN 'reading'
    ELSE 'up_to_date'
  END
) END AS pull
FROM ({LISTED}) AS i
LEFT JOIN app.n8n_connections AS c ON c.number = i.number
"""


def listed() -> Query[PulledInstance]:
    """The instances of the tenant, by name."""
    return Query(f"{PULLED} ORDER BY i.name", {}, PulledInstance)


def get(name: str) -> Query[PulledInstance]:
    """No row: there is no such instance."""
    return Query(f"{PULLED} WHERE i.name = %(name)s", {"name": name}, PulledInstance)


def connection(name: str) -> Query[Connection]:
    """One row, also for an instance that is not there yet."""
    return Query(
        """
        SELECT app.tenant() AS tenant_id, %(name)s AS name, c.n8n_url, c.api_key
        FROM (VALUES (1)) AS one
        LEFT JOIN app.n8n_instances AS i ON i.name = %(name)s
        LEFT JOIN app.n8n_connections AS c ON c.number = i.number
        """,
        {"name": name},
        Connection,
    )


def sealed(known: Connection, changes: InstanceChanges) -> Sealed:
    """What is written. Raises UnavailableError."""
    given = changes.model_dump(exclude_unset=True)
    key = given.get("api_key")
    return Sealed(given.get("n8n_url"), key and encrypted(key, known.tenant_id, known.name), given.get("n8n_wins"))


def store(name: str, change: Sealed) -> Query[NoRow]:
    """Refused with 422 if either is missing, and 409 `too_many_open` if the instance is new and one too many."""
    params = {"name": name} | asdict(change)
    return Query("SELECT app.change_n8n_instance(%(name)s, %(n8n_url)s, %(api_key)s, %(n8n_wins)s)", params, NoRow)


def disconnect(name: str) -> Query[NoRow]:
    """Workflows, executions and what a killed run says of it stay. No row: there is no such instance, or no address."""
    return Query(
        """
        WITH known AS (SELECT i.number FROM app.n8n_instances AS i WHERE i.name = %(name)s FOR NO KEY UPDATE),
        gone AS (
          DELETE FROM app.n8n_connections AS c USING known AS k WHERE c.number = k.number RETURNING c.number, c.seconds
        )
        UPDATE app.n8n_instances AS i SET is_suspect = g.seconds IS NULL FROM gone AS g WHERE i.number = g.number
        RETURNING i.number
        """,
        {"name": name},
        NoRow,
    )


def key_of(connection: Connection) -> str | None:
    """None: it cannot be decrypted. Raises UnavailableError."""
    try:
        return decrypted(connection.api_key or b"", connection.tenant_id, connection.name)
    except KeyUnreadableError:
        return None
