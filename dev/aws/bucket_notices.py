"""Buckets that tell queues of objects that have come: the object storage does it by itself, once it is told to."""

from collections.abc import Iterable
from typing import Any, cast

import boto3
from botocore.config import Config

from dev.aws.sqs_poller import REGION, queue_arn
from dev.aws.template import Notice
from dev.services.object_storage import Storage

UPLOADS = "UploadsBucket"  # by its name in the template


def provide(notices: Iterable[Notice], storage: Storage) -> None:
    """Ask for them, when the queues are there."""
    for notice in notices:
        bucket = {UPLOADS: storage.uploads}[notice.bucket]
        told = {"QueueArn": queue_arn(notice.queue), "Events": [notice.event]}
        client(storage).put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [told]}
        )


def client(storage: Storage) -> Any:
    return cast(Any, boto3).client(
        "s3",
        endpoint_url=storage.endpoint,
        region_name=REGION,
        aws_access_key_id=storage.key,
        aws_secret_access_key=storage.key,
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
