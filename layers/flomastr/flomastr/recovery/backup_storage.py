"""Where backups are: a bucket, by any S3 API. An object is written once, in parts, and never changed."""

import base64
from collections.abc import Generator, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cache
from hashlib import md5
from typing import Any

from flomastr import object_storage
from flomastr.object_storage import translating_errors
from flomastr.settings import backup_keys, settings

PREFIX = "backups/"
PART_BYTES = 8 << 20  # of an upload: 10,000 of them are allowed
CHUNK = 1 << 17  # of what is read: decompressed it may be fifty times as much


class AlreadyThereError(Exception):
    """An object has that key."""


@cache
def client() -> Any:
    """The one client of the backups' bucket, which is the archive's where none is named."""
    if not settings().backup_bucket:
        return object_storage.client()
    return object_storage.connect(settings().backup_s3_endpoint, *backup_keys())


def bucket() -> str:
    return settings().backup_bucket or settings().archive_bucket


@cache
def has_lock() -> bool:
    """Whether the bucket has Object Lock. Raises StorageUnavailableError."""
    with translating_errors():
        return find_lock()


def find_lock() -> bool:
    """The same, asked anew. Raises the client's exceptions."""
    from botocore.exceptions import ClientError

    try:
        found = client().get_object_lock_configuration(Bucket=bucket())
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (400, 404, 501):
            return False  # the bucket has none, or the storage knows none
        raise
    return found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"


def locked(until: datetime | None) -> dict[str, Any]:
    """The arguments by which an object can be neither changed nor deleted before then, where the bucket has that."""
    return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until} if until and has_lock() else {}


class Upload:
    """An object that is written in parts. It exists once it is finished, and then as a whole.

    S3 compares each part with its MD5. A killed upload leaves no object, and its parts go by the bucket's lifecycle.
    """

    def __init__(self, key: str, until: datetime | None = None):
        self.key = key
        self.until = until
        self.id: str | None = None
        self.parts: list[dict[str, Any]] = []
        self.buffer = bytearray()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Raises StorageUnavailableError."""
        self.buffer += data
        self.size += len(data)
        if len(self.buffer) >= PART_BYTES:
            self.send_part()

    def send_part(self) -> None:
        with translating_errors():
            if self.id is None:
                made = client().create_multipart_upload(Bucket=bucket(), Key=self.key, **locked(self.until))
                self.id = made["UploadId"]
            number = len(self.parts) + 1
            sent = client().upload_part(
                Bucket=bucket(), Key=self.key, UploadId=self.id, PartNumber=number, **body(bytes(self.buffer))
            )
        self.parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self.buffer.clear()

    def finish(self) -> None:
        """Raises StorageUnavailableError."""
        if self.id is None:
            with translating_errors():
                client().put_object(Bucket=bucket(), Key=self.key, **body(bytes(self.buffer)), **locked(self.until))
            return
        if self.buffer:
            self.send_part()
        with translating_errors():
            client().complete_multipart_upload(
                Bucket=bucket(), Key=self.key, UploadId=self.id, MultipartUpload={"Parts": self.parts}
            )

    def abandon(self) -> None:
        if self.id is not None:
            with suppress(Exception), translating_errors():
                client().abort_multipart_upload(Bucket=bucket(), Key=self.key, UploadId=self.id)


def body(data: bytes) -> dict[str, Any]:
    """With what S3 compares it."""
    return {"Body": data, "ContentMD5": base64.b64encode(md5(data, usedforsecurity=False).digest()).decode()}


def put_new(key: str, data: bytes, until: datetime | None = None) -> None:
    """Writes an object under a key that nobody has. Raises AlreadyThereError, StorageUnavailableError."""
    from botocore.exceptions import ClientError

    with translating_errors():
        try:
            client().put_object(Bucket=bucket(), Key=key, IfNoneMatch="*", **body(data), **locked(until))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (409, 412):
                raise AlreadyThereError(key) from error
            raise


def keep_until(key: str, until: datetime) -> None:
    """Locks an object that a later backup refers to for longer. Raises StorageUnavailableError."""
    if not has_lock():
        return
    with translating_errors():
        kept = client().head_object(Bucket=bucket(), Key=key).get("ObjectLockRetainUntilDate")
        if kept is None or kept < until:
            client().put_object_retention(
                Bucket=bucket(), Key=key, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}
            )


def size(key: str) -> int:
    """Raises ObjectMissingError, StorageUnavailableError."""
    with translating_errors():
        return client().head_object(Bucket=bucket(), Key=key)["ContentLength"]


def read(key: str) -> bytes:
    """A small object. Raises ObjectMissingError, StorageUnavailableError."""
    return b"".join(chunks(key))


def chunks(key: str) -> Generator[bytes]:
    """A whole object, a piece at a time. Raises ObjectMissingError, StorageUnavailableError."""
    with translating_errors():
        yield from client().get_object(Bucket=bucket(), Key=key)["Body"].iter_chunks(CHUNK)


def keys(prefix: str) -> Iterator[str]:
    """Of the objects that are there, in order. Raises StorageUnavailableError."""
    with translating_errors():
        pages = client().get_paginator("list_objects_v2").paginate(Bucket=bucket(), Prefix=PREFIX + prefix)
        for page in pages:
            yield from (found["Key"] for found in page.get("Contents", []))


def remove(removed: list[str]) -> None:
    """Raises StorageUnavailableError."""
    for start in range(0, len(removed), 1000):
        objects = [{"Key": key} for key in removed[start : start + 1000]]
        with translating_errors():
            client().delete_objects(Bucket=bucket(), Delete={"Objects": objects, "Quiet": True})
