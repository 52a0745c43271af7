"""Object storage, by any S3 API. An object has a key of its own and is never changed."""

from collections import defaultdict
from collections.abc import Container, Generator, Iterable
from contextlib import contextmanager
from datetime import date
from functools import cache
from itertools import batched
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from flomastr.errors import UnavailableError
from flomastr.settings import settings, storage_keys

LINK_SECONDS = 300


class StorageUnavailableError(UnavailableError):
    """The object storage cannot be reached at the moment. Repeat the request."""


class ObjectMissingError(Exception):
    """The object is missing, or shorter than recorded."""


def key_of(source: str, month: date, tenant_id: UUID, id: UUID) -> str:
    """The key of an archive file: months and tenants are folders in the style of Hive, which other tools can read."""
    return f"{source}/month={month:%Y-%m}/tenant={tenant_id}/{id}.parquet"


def folder_of_data(tenant_id: UUID) -> str:
    """Of a tenant's large data, in the bucket of the archive."""
    return f"execution_data/tenant={tenant_id}/"


def key_of_data(tenant_id: UUID, hash: str) -> str:
    """The key of an object with large data, by its SHA-256."""
    return f"{folder_of_data(tenant_id)}{hash}.json.gz"


def folder_of_uploads(tenant_id: UUID) -> str:
    """Of a tenant, in the bucket for uploads."""
    return f"tenant={tenant_id}/"


@cache
def client() -> Any:
    """The one client of the archive and of uploads."""
    return connect(settings().s3_endpoint, *storage_keys())


def connect(endpoint: str, key_id: str | None, secret: str | None) -> Any:
    """A client. It imports boto3, which loads slowly, when it is first needed."""
    import boto3
    from botocore.config import Config

    style = "path" if endpoint else "virtual"  # links by "auto" name no region: a new bucket's fail
    config = Config(
        signature_version="s3v4",
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 2},  # in all less than jobs.RESERVE_SECONDS
        s3={"addressing_style": style, "us_east_1_regional_endpoint": "regional"},
        request_checksum_calculation="when_required",  # other S3 APIs know no newer checksums
        response_checksum_validation="when_required",
    )
    return cast(Any, boto3).client(
        "s3",
        endpoint_url=endpoint or None,
        config=config,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


@contextmanager
def translating_errors() -> Generator[None]:
    """Raises ObjectMissingError or StorageUnavailableError in place of the client's exceptions."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404", "InvalidRange", "416"):
            raise ObjectMissingError from error
        raise StorageUnavailableError from error
    except BotoCoreError as error:
        raise StorageUnavailableError from error


def put(key: str, path: Path) -> None:
    """Writes a file as an object. Raises StorageUnavailableError."""
    with translating_errors(), path.open("rb") as body:
        client().put_object(Bucket=settings().archive_bucket, Key=key, Body=body)


def put_bytes(key: str, body: bytes) -> None:
    """Writes an object from memory. Raises StorageUnavailableError."""
    with translating_errors():
        client().put_object(Bucket=settings().archive_bucket, Key=key, Body=body)


def read_whole(key: str) -> bytes:
    """A whole object. Raises ObjectMissingError, StorageUnavailableError."""
    with translating_errors():
        return client().get_object(Bucket=settings().archive_bucket, Key=key)["Body"].read()


def fetch(key: str, path: Path) -> str:
    """Copies a whole object into a file. Returns its ETag. Raises ObjectMissingError, StorageUnavailableError."""
    with translating_errors(), path.open("wb") as file:
        found = client().get_object(Bucket=settings().archive_bucket, Key=key)
        for chunk in found["Body"].iter_chunks(1 << 20):
            file.write(chunk)
    return found["ETag"]


def is_unchanged(key: str, size: int, etag: str) -> bool:
    """Whether the object is there with this size and ETag, which another content would not have.

    Raises StorageUnavailableError.
    """
    try:
        with translating_errors():
            found = client().head_object(Bucket=settings().archive_bucket, Key=key)
    except ObjectMissingError:
        return False
    return (found["ContentLength"], found["ETag"]) == (size, etag)


def read(key: str, start: int, end: int) -> bytes:
    """The bytes from `start` to before `end`. Raises ObjectMissingError, StorageUnavailableError."""
    with translating_errors():
        arguments = {"Bucket": settings().archive_bucket, "Key": key, "Range": f"bytes={start}-{end - 1}"}
        return client().get_object(**arguments)["Body"].read()


def remove(keys: Iterable[str]) -> None:
    """Deletes objects. In a bucket with versions the older ones stay until its lifecycle rule deletes them."""
    for batch in batched(keys, 1000, strict=False):
        with translating_errors():
            remove_all([{"Key": key} for key in batch])


def remove_all(objects: list[dict[str, str]], bucket: str = "") -> None:
    arguments = {"Objects": objects, "Quiet": True}
    if client().delete_objects(Bucket=bucket or settings().archive_bucket, Delete=arguments).get("Errors", []):
        raise StorageUnavailableError


def folders(prefix: str) -> list[str]:
    """The folders under a prefix, including those with old versions alone."""
    with translating_errors():
        versions = client().get_paginator("list_object_versions")
        pages = versions.paginate(Bucket=settings().archive_bucket, Prefix=prefix, Delimiter="/")
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]


def folders_of_tenants(source: str) -> dict[str, list[str]]:
    """The folders of a source's files by tenant, in one listing of the months and of each month's folders."""
    found = defaultdict[str, list[str]](list)
    for month in folders(f"{source}/"):
        for folder in folders(month):
            found[folder.removeprefix(month).removeprefix("tenant=").rstrip("/")].append(folder)
    return found


def erase(prefix: str, kept: Container[str] = (), bucket: str = "") -> int:
    """Deletes every version of every object under a prefix, except for the kept keys. Returns how many objects."""
    keys = set[str]()
    with translating_errors():
        listed = client().get_paginator("list_object_versions")
        for page in listed.paginate(Bucket=bucket or settings().archive_bucket, Prefix=prefix):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            versions = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in found
                if version["Key"] not in kept
            ]
            if versions:
                remove_all(versions, bucket)
            keys.update(version["Key"] for version in versions)
    return len(keys)


def link(key: str, filename: str, **answered: str) -> str:
    """A URL by which anybody may read the object for LINK_SECONDS, `answered` with these headers."""
    arguments = {
        "Bucket": settings().archive_bucket,
        "Key": key,
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
    } | answered
    return client().generate_presigned_url("get_object", Params=arguments, ExpiresIn=LINK_SECONDS)
