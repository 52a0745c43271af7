"""Object storage: whether each bucket lets functions do what they do with it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flomastr import object_storage
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok
from flomastr.recovery import backup_storage
from flomastr.settings import settings

PROBE = "doctor/probe"  # one key, so that a bucket with versions keeps few

type Steps = dict[str, Callable[[], object]]


def archive_bucket() -> Verdict:
    """Whether each verb is allowed that functions over the archive need. Raises SkippedError."""
    return examined("ARCHIVE_BUCKET", settings().archive_bucket, object_storage.client, of_erased)


def uploads_bucket() -> Verdict:
    """The same of those that take uploads. Raises SkippedError."""
    return examined("UPLOADS_BUCKET", settings().uploads_bucket, object_storage.client, of_erased)


def backup_bucket() -> Verdict:
    """The same of those that make backups, where these have a bucket of their own. Raises SkippedError."""
    return examined("BACKUP_BUCKET", settings().backup_bucket, backup_storage.client, of_kept)


def examined(variable: str, bucket: str, connect: Callable[[], Any], steps: Callable[[Any, str], Steps]) -> Verdict:
    if not bucket:
        raise SkippedError(f"{variable} names none")
    from botocore.exceptions import BotoCoreError, ClientError

    refused: list[str] = []
    for verb, step in steps(connect(), bucket).items():
        try:
            step()
        except ClientError as error:
            refused.append(f"{verb}: {error.response.get('Error', {}).get('Code', 'refused')}")
        except BotoCoreError as error:
            return fail(
                f"{bucket}: {type(error).__name__}", "Look at its address, at keys and at the way out of a VPC."
            )
    if refused:
        return fail(
            f"{bucket} refuses {', '.join(refused)}", "Name a bucket that exists, and give these rights over it."
        )
    return ok(f"{bucket} is written, read, listed and emptied")


def denied(verb: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": "AccessDenied"}}, verb)


def of_objects(client: Any, bucket: str, while_it_is_there: Steps) -> Steps:
    """In this order, so that what was written is read and goes."""
    probe = {"Bucket": bucket, "Key": PROBE}
    first: Steps = {
        "PutObject": lambda: client.put_object(**probe, Body=b"doctor"),
        "GetObject": lambda: client.get_object(**probe)["Body"].read(),
        "ListBucket": lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1),
    }
    return first | while_it_is_there | {"DeleteObject": lambda: client.delete_object(**probe)}


def of_erased(client: Any, bucket: str) -> Steps:
    """Erasures delete versions. One that is called null is there, or there is none of that name: both do."""
    versions: Steps = {
        "ListBucketVersions": lambda: client.list_object_versions(Bucket=bucket, MaxKeys=1),
        "DeleteObjectVersion": lambda: client.delete_object(Bucket=bucket, Key=PROBE, VersionId="null"),
    }
    return of_objects(client, bucket, versions)


def of_kept(client: Any, bucket: str) -> Steps:
    """Backups are written in parts, and locked where the bucket has that."""
    probe = {"Bucket": bucket, "Key": PROBE}

    def abort() -> None:
        begun = client.create_multipart_upload(**probe)["UploadId"]
        client.abort_multipart_upload(**probe, UploadId=begun)

    def retain() -> None:
        if backup_storage.find_lock():
            until = datetime.now(UTC) + timedelta(minutes=1)
            client.put_object_retention(**probe, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})

    def read_retention() -> None:
        if backup_storage.find_lock() and "ObjectLockRetainUntilDate" not in client.head_object(**probe):
            raise denied("GetObjectRetention")  # who may not read it is told nothing of it

    kept: Steps = {
        "AbortMultipartUpload": abort,
        "GetBucketObjectLockConfiguration": backup_storage.find_lock,
        "PutObjectRetention": retain,
        "GetObjectRetention": read_retention,
    }
    return of_objects(client, bucket, kept)
