"""Object storage, by any S3 API. An object is written once, under a name of its own, and never changed."""

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
    """The object is not there, or not as long as it was."""


def key_of(source: str, month: date, tenant_id: UUID, id: UUID) -> str:
    """Where a file lies: a tenant's months are folders, for those who read them with other tools."""
    return f"{source}/month={month:%Y-%m}/tenant={tenant_id}/{id}.parquet"


@cache
def client() -> Any:
    """Imported here, since it loads boto3: only where there are objects to read or write."""
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        connect_timeout=2,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 2},  # in all less than jobs.RESERVE_SECONDS
        s3={"addressing_style": "path" if settings().s3_endpoint else "auto"},
        request_checksum_calculation="when_required",  # other S3 APIs know no newer checksums
        response_checksum_validation="when_required",
    )
    key_id, secret = storage_keys()
    return cast(Any, boto3).client(
        "s3",
        endpoint_url=settings().s3_endpoint or None,
        config=config,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


@contextmanager
def message() -> Generator[None]:
    """What the storage says, in our words."""
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
    with message(), path.open("rb") as body:
        client().put_object(Bucket=settings().archive_bucket, Key=key, Body=body)


def fetch(key: str, path: Path) -> None:
    """The whole object into a file. Raises ObjectMissing."""
    with message(), path.open("wb") as file:
        body = client().get_object(Bucket=settings().archive_bucket, Key=key)["Body"]
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)


def read(key: str, start: int, end: int) -> bytes:
    """Bytes from start up to end. Raises ObjectMissing."""
    with message():
        asked = {"Bucket": settings().archive_bucket, "Key": key, "Range": f"bytes={start}-{end - 1}"}
        return client().get_object(**asked)["Body"].read()


def remove(keys: Iterable[str]) -> None:
    """The objects as readers see them; where the bucket keeps versions, its lifecycle ends these."""
    for some in batched(keys, 1000, strict=False):
        with message():
            remove_all([{"Key": key} for key in some])


def remove_all(objects: list[dict[str, str]]) -> None:
    asked = {"Objects": objects, "Quiet": True}
    if client().delete_objects(Bucket=settings().archive_bucket, Delete=asked).get("Errors", []):
        raise StorageUnavailableError


def folders(prefix: str) -> list[str]:
    """What comes next under a prefix, up to the next slash; where there are only old versions, too."""
    with message():
        versions = client().get_paginator("list_object_versions")
        pages = versions.paginate(Bucket=settings().archive_bucket, Prefix=prefix, Delimiter="/")
        return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]


def erase(prefix: str, but: Container[str] = ()) -> int:
    """Every version of every object whose key starts so, but for these keys. How many objects there were."""
    keys = set[str]()
    with message():
        pages = client().get_paginator("list_object_versions").paginate(Bucket=settings().archive_bucket, Prefix=prefix)
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            versions = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in found
                if version["Key"] not in but
            ]
            if versions:
                remove_all(versions)
            keys.update(version["Key"] for version in versions)
    return len(keys)


def link(key: str, filename: str) -> str:
    """A URL under which anybody may read the object, for five minutes."""
    asked = {
        "Bucket": settings().archive_bucket,
        "Key": key,
        "ResponseContentDisposition": f'attachment; filename="{filename}"',
    }
    return client().generate_presigned_url("get_object", Params=asked, ExpiresIn=LINK_SECONDS)
