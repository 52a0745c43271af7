"""The files that clients have sent, as they came: objects of the bucket for uploads, until they are read."""

import re
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flomastr import object_storage
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError, folder_of_uploads, translating_errors
from flomastr.settings import settings

KEY = re.compile(r"tenant=([0-9a-f-]{36})/([0-9a-f-]{36})")


@dataclass(frozen=True)
class RawFile:
    """What the storage says of an object, and its bytes, which are on their way."""

    size: int
    content_type: str
    body: Any

    def read(self) -> bytes:
        """Raises StorageUnavailableError."""
        with translating_errors():
            return self.body.read()


def key_of(tenant_id: UUID, upload_id: UUID) -> str:
    """Of the object of an upload."""
    return f"{folder_of_uploads(tenant_id)}{upload_id}"


def link(key: str, content_type: str, size: int, seconds: int) -> str:
    """A URL to which anybody may PUT the object within so many seconds, with exactly these headers."""
    arguments = {"Bucket": settings().uploads_bucket, "Key": key, "ContentType": content_type, "ContentLength": size}
    return object_storage.client().generate_presigned_url("put_object", Params=arguments, ExpiresIn=seconds)


@contextmanager
def opened(key: str) -> Generator[RawFile | None]:
    """The object, before its bytes have come; None where there is none. Raises StorageUnavailableError."""
    try:
        with translating_errors():
            found = object_storage.client().get_object(Bucket=settings().uploads_bucket, Key=key)
    except ObjectMissingError:
        yield None
        return
    with closing(found["Body"]) as body:  # of which not all may be read
        yield RawFile(found["ContentLength"], found["ContentType"], body)


def remove(key: str) -> None:
    """Deletes the object, and looks whether it is gone. Raises StorageUnavailableError."""
    named = {"Bucket": settings().uploads_bucket, "Key": key}
    with suppress(ObjectMissingError), translating_errors():
        object_storage.client().delete_object(**named)
        object_storage.client().head_object(**named)
        raise StorageUnavailableError("The object is still there.")
