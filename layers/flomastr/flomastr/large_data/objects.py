"""Objects in object storage with data of executions that is too large for a row, and what the row keeps of it.

An object has the hash of its content as its name. The row keeps a part of the data with a marker that names the object.
"""

import gzip
import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from heapq import nsmallest
from typing import Any, Self, cast
from uuid import UUID

from pydantic_core import to_json

from flomastr import object_storage
from flomastr.object_storage import ObjectMissingError, StorageUnavailableError, key_of_data

MARKER = "flomastr_object"
LARGE = 256_000  # bytes of JSON
ANSWERED = 5_000_000  # bytes of JSON; of more an answer has a link
PART = 7_000  # of which a row keeps so many at most
SHORT = 1_000
MOST_NAMES = 200
FIRST = ("mode", "resultData", "lastNodeExecuted", "error", "retryOf", "retrySuccessId")  # what is looked for in a row
THREADS = 8

type Json = dict[str, Any]


@dataclass(frozen=True)
class DataObject:
    """Data as it is written to object storage: sorted, so that equal data is one object."""

    data: Json
    content: str

    @classmethod
    def of(cls, data: Json) -> Self:
        return cls(data, json.dumps(data, ensure_ascii=False, sort_keys=True))

    @cached_property
    def written(self) -> bytes:
        return self.content.encode()

    @cached_property
    def sha256(self) -> str:
        return sha256(self.written).hexdigest()

    @property
    def in_row(self) -> Json:
        """What the row has in its place."""
        marker = {"sha256": self.sha256, "bytes": len(self.written), "characters": len(self.content)}
        return part_of(self.data, PART) | {MARKER: marker}


def part_of(data: Json, room: int) -> Json:
    """What is short of it: first what is looked for in a row, such as the error and the last node."""
    kept: Json = {}
    for name in nsmallest(MOST_NAMES, data, key=lambda name: (name not in FIRST, name)):
        value = data[name]
        if isinstance(value, dict) and name in FIRST:
            value = part_of(cast(Json, value), room // 2)
        elif isinstance(value, str) and name in FIRST:
            value = value[: SHORT // 2]
        size = len(to_json([name, value]))
        if size <= (room // 2 if name in FIRST else min(SHORT, room)):
            kept[name] = value
            room -= size
    return kept


def is_large(data: Json | None) -> bool:
    """Too large for a row."""
    return bool(data) and size_of(data) > LARGE


def size_of(data: Json) -> int:
    """In bytes of JSON."""
    return len(to_json(data))


def secure(objects: Sequence[tuple[UUID, DataObject]]) -> None:
    """Writes objects, unless they are there, and reads them back. Raises UnavailableError."""
    object_storage.client()  # by one thread
    with ThreadPoolExecutor(min(THREADS, len(objects))) as pool:
        written = [pool.submit(ensure_written, tenant_id, data) for tenant_id, data in objects]
    for done in written:
        done.result()


def ensure_written(tenant_id: UUID, data: DataObject) -> None:
    if is_there(tenant_id, data):
        return
    object_storage.put_bytes(key_of_data(tenant_id, data.sha256), gzip.compress(data.written, mtime=0))
    if not is_there(tenant_id, data):
        raise StorageUnavailableError


def is_there(tenant_id: UUID, data: DataObject) -> bool:
    """With its whole content."""
    try:
        return read(tenant_id, data.sha256) == data.written
    except ObjectMissingError:
        return False


def link(tenant_id: UUID, hash: str) -> str:
    """To the whole, which whoever has the link reads as JSON."""
    answered = {"ResponseContentType": "application/json", "ResponseContentEncoding": "gzip"}
    return object_storage.link(key_of_data(tenant_id, hash), f"{hash}.json", **answered)


def read(tenant_id: UUID, hash: str) -> bytes:
    """What the hash is of. Raises ObjectMissingError, also if that is damaged, and StorageUnavailableError."""
    try:
        found = gzip.decompress(object_storage.read_whole(key_of_data(tenant_id, hash)))
    except (OSError, EOFError, zlib.error) as error:
        raise ObjectMissingError from error
    if sha256(found).hexdigest() != hash:
        raise ObjectMissingError
    return found
