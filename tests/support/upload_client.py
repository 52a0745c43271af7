"""Uploads as their client sees them, and the functions behind the queue and the schedule."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote_plus, urlsplit

from functions.ingest.handler import lambda_handler as ingest
from functions.requeue.handler import lambda_handler as requeue
from functions.uploads.handler import lambda_handler as uploads
from tests.support.connected import connected
from tests.support.events import Answer, Context
from tests.support.kb_client import Json, KnowledgeClient, sqs_event
from tests.support.s3 import Bucket

FACTS = "SELECT status, code, attempts, due_at IS NULL, claimed_until FROM app.uploads WHERE id = %s"


@dataclass
class UploadClient:
    kb: KnowledgeClient
    bucket: Bucket

    @property
    def path(self) -> str:
        return f"{self.kb.path}/uploads"

    def asks(self, name: str, size: int, media_type: str = "application/pdf", **more: Any) -> Answer:
        headers = more.pop("headers", {})
        body = {"name": name, "size": size, "media_type": media_type} | more
        return self.kb.ask(uploads, "POST", self.path, body=body, headers=headers)

    def begins(self, name: str, size: int, media_type: str = "application/pdf", **more: Any) -> Json:
        answer = self.asks(name, size, media_type, **more)
        assert answer.status == 202, answer.body
        return answer.json

    def sends(self, name: str, data: bytes, media_type: str = "application/pdf", **more: Any) -> Json:
        """An upload whose file has come, and is not read yet."""
        begun = self.begins(name, len(data), media_type, **more)
        assert put(begun["url"], data, begun["headers"]) == 200
        return begun

    def stores(self, name: str, data: bytes, media_type: str = "application/pdf", **more: Any) -> Json:
        """An upload after its file was read."""
        sent = self.sends(name, data, media_type, **more)
        self.ingest(sent)
        return self.of(sent)

    def of(self, upload: Json) -> Json:
        answer = self.kb.ask(uploads, "GET", f"{self.path}/{upload['id']}")
        assert answer.status == 200, answer.body
        return answer.json

    def all(self) -> list[Json]:
        return self.kb.ask(uploads, "GET", self.path).json

    def ingest(self, *sent: Json, left_ms: int = 180_000) -> None:
        assert self.work([came(key_of(one)) for one in sent], left_ms) == []

    def work(self, bodies: list[str], left_ms: int = 180_000) -> list[str]:
        """A batch of messages. Which are to be delivered again."""
        failed = ingest(sqs_event(bodies), Context(left_ms=left_ms))
        return [failure["itemIdentifier"] for failure in failed["batchItemFailures"]]

    def requeue(self) -> Json:
        with connected(DATABASE_URL=self.kb.job_url):
            return requeue({}, Context(left_ms=120_000))

    def facts(self, upload: Json) -> tuple[Any, ...]:
        """Status, code, attempts, whether all is done, and the claim."""
        return self.kb.superuser.execute(FACTS, (upload["id"],)).fetchall()[0]

    def later(self, upload: Json, minutes: int) -> None:
        """As if it had been begun so long ago."""
        moments = ("created_at", "due_at", "expires_at", "claimed_until")
        moved = ", ".join(f"{name} = {name} - %(ago)s * interval '1 minute'" for name in moments)
        self.kb.superuser.execute(
            f"UPDATE app.uploads SET {moved} WHERE id = %(id)s",  # pyright: ignore[reportArgumentType]
            {"ago": minutes, "id": upload["id"]},
        )

    def left(self) -> list[str]:
        """The files of the tenant that are not removed."""
        return self.bucket.keys(f"tenant={self.kb.tenant.id}/")


def put(url: str, data: bytes, headers: Mapping[str, str]) -> int:
    """As curl does."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", data, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def key_of(upload: Json) -> str:
    return f"tenant={upload['tenant_id']}/{upload['id']}"


def came(*keys: str) -> str:
    """What S3 says when an object was made: keys are encoded as in a query."""
    records = [
        {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key)}}}
        for key in keys
    ]
    return json.dumps({"Records": records})
