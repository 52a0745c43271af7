"""What was deployed before, in the bucket that SAM keeps: templates, and one record for each release that went well."""

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from dev.deploy.package import as_text
from dev.deploy.render import Template
from dev.errors import StartupError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

SAMS_STACK = "aws-sam-cli-managed-default"


@dataclass(frozen=True)
class Release:
    name: str
    template_url: str
    parameters: dict[str, str]
    contracted: list[str] = field(default_factory=list[str])  # migrations after which older code cannot run


@dataclass(frozen=True)
class Releases:
    """Those of one stack. Names begin with their moment, so they sort by time."""

    s3: "S3Client"
    bucket: str
    stack: str

    @property
    def prefix(self) -> str:
        return f"releases/{self.stack}/"

    def upload(self, name: str, template: Template) -> str:
        """Where CloudFormation reads the template, which is too long for a request."""
        key = f"templates/{name}.json"
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=as_text(template).encode())
        endpoint = self.s3.meta.endpoint_url
        return f"{endpoint}/{self.bucket}/{key}"

    def record(self, release: Release) -> None:
        body = json.dumps(asdict(release)).encode()
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}{release.name}.json", Body=body)

    def names(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        keys = [found.get("Key", "") for page in pages for found in page.get("Contents", [])]
        return sorted(key.removeprefix(self.prefix).removesuffix(".json") for key in keys)

    def read(self, name: str) -> Release:
        body = self.s3.get_object(Bucket=self.bucket, Key=f"{self.prefix}{name}.json")["Body"].read()
        return Release(**json.loads(body))

    def forget(self, name: str) -> None:
        """A release that was rolled back from is no place to go back to."""
        self.s3.delete_object(Bucket=self.bucket, Key=f"{self.prefix}{name}.json")

    def before(self, running: str) -> Release:
        """The last good one before what runs. Raises StartupError where code of before cannot run any more."""
        if running in self.names() and (contracted := self.read(running).contracted):
            raise StartupError(
                f"{running} took away what older code needs ({', '.join(contracted)}). Go forward: mend it and deploy."
            )
        if not (older := [name for name in self.names() if name < running]):
            raise StartupError(
                f"No good release of {self.stack} came before {running}: none that passed its smoke test."
            )
        return self.read(older[-1])


def bucket_of_sam(client: "CloudFormationClient") -> str:
    (stack,) = client.describe_stacks(StackName=SAMS_STACK)["Stacks"]
    return {row.get("OutputKey"): row.get("OutputValue", "") for row in stack.get("Outputs", [])}["SourceBucket"]
