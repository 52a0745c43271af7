"""AWS's clients of one region, with the types that boto3 itself does not know."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

PATIENT = Config(read_timeout=905, retries={"total_max_attempts": 1}, tcp_keepalive=True)  # as long as migrate may take


class Clients:
    def __init__(self, region: str) -> None:
        self._session: Any = cast(Any, boto3).session.Session(region_name=region)

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        return self._session.client("cloudformation")

    @cached_property
    def functions(self) -> "LambdaClient":
        return self._session.client("lambda", config=PATIENT)

    @cached_property
    def s3(self) -> "S3Client":
        return self._session.client("s3")

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        return self._session.client("secretsmanager")

    @cached_property
    def sts(self) -> "STSClient":
        return self._session.client("sts")
