"""Object storage: whether the archive's bucket lets us write, read, list and delete."""

from collections.abc import Callable
from typing import Any

from flomastr import object_storage
from flomastr.doctor.verdicts import SkippedError, Verdict, fail, ok
from flomastr.settings import settings

PROBE = "doctor/probe"  # one key, so that a bucket with versions keeps few


def archive_bucket() -> Verdict:
    """Whether each verb is allowed that the archive's jobs need. Raises SkippedError."""
    bucket = settings().archive_bucket
    if not bucket:
        raise SkippedError("ARCHIVE_BUCKET names none")
    from botocore.exceptions import BotoCoreError, ClientError

    refused: list[str] = []
    for verb, step in steps(object_storage.client(), bucket).items():
        try:
            step()
        except ClientError as error:
            refused.append(f"{verb}: {error.response.get('Error', {}).get('Code', 'refused')}")
        except BotoCoreError as error:
            return fail(f"{bucket}: {type(error).__name__}", "Look at S3Endpoint, at keys and at the way out of a VPC.")
    if refused:
        return fail(
            f"{bucket} refuses {', '.join(refused)}", "Name a bucket that exists, and give these rights over it."
        )
    return ok(f"{bucket} is written, read, listed and emptied")


def steps(client: Any, bucket: str) -> dict[str, Callable[[], object]]:
    """In this order, so that what was written is read and goes."""
    probe = {"Bucket": bucket, "Key": PROBE}
    return {
        "PutObject": lambda: client.put_object(**probe, Body=b"doctor"),
        "GetObject": lambda: client.get_object(**probe)["Body"].read(),
        "ListBucket": lambda: client.list_objects_v2(Bucket=bucket, MaxKeys=1),
        "DeleteObject": lambda: client.delete_object(**probe),
    }
