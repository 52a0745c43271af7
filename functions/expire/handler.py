"""Every hour: ends what has a time limit, such as rehydrated copies, old files and deleted tenants."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.observability import instrumented
from flomastr.retention import expiry_job


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("expire", expiry_job.run, event, context)
