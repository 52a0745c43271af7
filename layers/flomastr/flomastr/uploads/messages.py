"""Messages of the queue in front of `ingest`. Each only says where to look, so a lost or doubled one does no harm."""

from collections.abc import Iterable
from typing import Any, Self
from urllib.parse import unquote_plus
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from flomastr.embeddings import queue
from flomastr.embeddings.queue import MAX_MESSAGES
from flomastr.settings import settings
from flomastr.uploads import raw_files


class Look(BaseModel):
    """What `requeue` sends: the key of an object."""

    tenant: UUID
    key: str

    @classmethod
    def at(cls, tenant_id: UUID, upload_id: UUID) -> Self:
        """At an upload's object."""
        return cls(tenant=tenant_id, key=raw_files.key_of(tenant_id, upload_id))


class OfS3(BaseModel):
    """What the object storage sends when an object has come; without records it is a test of the way."""

    class Record(BaseModel):
        s3: dict[str, Any]

    Records: list[Record] = []

    def keys(self) -> list[str]:
        return [unquote_plus(record.s3["object"]["key"]) for record in self.Records]


MESSAGE: TypeAdapter[Look | OfS3] = TypeAdapter(Look | OfS3)


def keys_in(body: str) -> list[str]:
    """The keys of the objects that a message names. Raises ValidationError."""
    message = MESSAGE.validate_json(body)
    return [message.key] if isinstance(message, Look) else message.keys()


def send(looks: Iterable[Look]) -> int:
    """Sends them. Returns how many were sent: the first failure ends it, and what is left is due again."""
    waiting, sent = list(looks), 0
    while batch := waiting[sent : sent + MAX_MESSAGES]:
        bodies = [(look.tenant, look.model_dump_json()) for look in batch]
        if not queue.send_batch(settings().ingest_queue_url, bodies):
            break
        sent += len(batch)
    return sent
