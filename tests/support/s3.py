"""A bucket of object storage, as the archive has one."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3

from dev.services.object_storage import UPLOADS, Storage, storage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


NOWHERE = {  # what functions find around them in tests that need neither bucket nor queue: links can be signed
    "EMBEDDING_MODELS": "model-a,model-b",
    "EMBED_QUEUE_URL": "http://127.0.0.1:1/queue",
    "SQS_ENDPOINT": "http://127.0.0.1:1",
    "ARCHIVE_BUCKET": "archive",
    "UPLOADS_BUCKET": "uploads",
    "INGEST_QUEUE_URL": "http://127.0.0.1:1/ingest",
    "S3_ENDPOINT": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Bucket:
    """That of the archive, with versions, as template.yaml has it."""

    client: "S3Client"
    name: str
    endpoint: str

    @property
    def uploads(self) -> "Bucket":
        """That of uploads, at the same storage."""
        return Bucket(self.client, UPLOADS, self.endpoint)

    def keys(self, prefix: str = "") -> list[str]:
        """Of what is there at the moment."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", []) if "Key" in found]


@contextmanager
def running(data: Path) -> Generator[Bucket]:
    with storage(data) as found:
        yield bucket_in(found)


def bucket_in(storage: Storage) -> Bucket:
    client = boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "s3",
        endpoint_url=storage.endpoint,
        region_name="us-east-1",
        aws_access_key_id=storage.key,
        aws_secret_access_key=storage.key,
    )
    return Bucket(client, storage.bucket, storage.endpoint)


def environment(bucket: Bucket) -> dict[str, str]:
    """What functions that use it find around them."""
    return NOWHERE | {"ARCHIVE_BUCKET": bucket.name, "S3_ENDPOINT": bucket.endpoint}
