"""Every night: a backup of all tables to object storage."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.observability import instrumented
from flomastr.recovery import backup_job


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("backup", backup_job.run, event, context)
