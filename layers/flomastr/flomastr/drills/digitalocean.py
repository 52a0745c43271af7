"""DigitalOcean's API for managed databases: backups, forks at a time, and how they are going."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError

RETRIES = 3  # of what only reads, on 5xx and lost connections
TIMEOUT = 10.0
PAUSE = 0.3  # before the first repetition, doubled each time


class ProviderError(Exception):
    """DigitalOcean did not do what it was asked. The message says what it said."""


class UnauthorizedError(ProviderError):
    """The token is not accepted, or lacks a scope."""


class NotFoundError(ProviderError):
    """There is no such cluster, any more or yet."""


class LimitError(ProviderError):
    """The account has as many clusters as it may have, or has asked too often."""


class UnreachableError(ProviderError):
    """No answer, or one with 5xx."""


class Connection(BaseModel):
    uri: str = Field(repr=False)
    host: str
    port: int
    database: str


class Cluster(BaseModel):
    """A database cluster. `status` is creating, online, resizing, migrating or forking."""

    id: str
    name: str
    status: str
    version: str
    region: str
    size: str
    num_nodes: int
    created_at: datetime
    tags: list[str] | None = None
    connection: Connection | None = None


class Backup(BaseModel):
    created_at: datetime
    size_gigabytes: float


@dataclass(frozen=True)
class Client:
    """Of one account, by its token."""

    token: str = field(repr=False)
    url: str

    def clusters(self, tag: str) -> list[Cluster]:
        """Those with a tag. Raises ProviderError."""
        found = self.ask("GET", f"/v2/databases?{urlencode({'tag_name': tag})}")
        return read_all(Cluster, found.get("databases"))

    def cluster(self, id: str) -> Cluster:
        """Raises NotFoundError, ProviderError."""
        return read(Cluster, self.ask("GET", f"/v2/databases/{id}").get("database"))

    def backups(self, id: str) -> list[Backup]:
        """Oldest first. Any moment from the oldest until some minutes ago can be restored. Raises ProviderError."""
        found = read_all(Backup, self.ask("GET", f"/v2/databases/{id}/backups").get("backups"))
        return sorted(found, key=lambda backup: backup.created_at)

    def fork(self, source: Cluster, name: str, at: datetime, tag: str) -> Cluster:
        """A new cluster as the source was at a moment, with one node. It is `creating` first.

        Not repeated when no answer comes: by its tag it is found. Raises LimitError, ProviderError.
        """
        asked = {
            "name": name,
            "engine": "pg",
            "version": source.version,
            "region": source.region,
            "size": source.size,
            "num_nodes": 1,
            "tags": [tag],
            "backup_restore": {
                "database_name": source.name,
                "backup_created_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        }
        return read(Cluster, self.ask("POST", "/v2/databases", asked).get("database"))

    def delete(self, id: str) -> None:
        """One that is gone already is no error. Raises ProviderError."""
        try:
            self.ask("DELETE", f"/v2/databases/{id}")
        except NotFoundError:
            return

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        from urllib3.exceptions import HTTPError

        try:
            answer = pool().request(
                method,
                f"{self.url}{path}",
                body=None if body is None else json.dumps(body),
                headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
                retries=retries(method),
                timeout=TIMEOUT,
            )
        except HTTPError as error:
            raise UnreachableError(f"{method} {path}: no answer ({type(error).__name__}).") from error
        if answer.status >= 400:
            raise error_of(f"{method} {path}", answer.status, answer.data)
        return json.loads(answer.data) if answer.data else {}


@cache
def pool() -> Any:
    from urllib3 import PoolManager

    return PoolManager()


def retries(method: str) -> Any:
    from urllib3 import Retry

    if method == "POST":
        return False
    return Retry(RETRIES, status_forcelist=(500, 502, 503, 504), backoff_factor=PAUSE, raise_on_status=False)


def error_of(asked: str, status: int, data: bytes) -> ProviderError:
    message = f"{asked}: {status} {said(data)}"
    if status in (401, 403):
        return UnauthorizedError(message)
    if status == 404:
        return NotFoundError(message)
    if status == 429 or (status in (412, 422) and "limit" in message.lower()):
        return LimitError(message)
    return UnreachableError(message) if status >= 500 else ProviderError(message)


def said(data: bytes) -> str:
    try:
        return str(json.loads(data)["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return "without a message"


def read[Read: BaseModel](kind: type[Read], found: object) -> Read:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise ProviderError(f"DigitalOcean's answer has another form: {error.errors()[0]['loc']}.") from error


def read_all[Read: BaseModel](kind: type[Read], found: list[object] | None) -> list[Read]:
    return [read(kind, one) for one in found or []]
