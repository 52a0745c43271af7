"""Every day: partitions for the executions of the next fourteen, and each tenant's in its class."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.observability import instrumented
from flomastr.workflows import partition_job


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("partitions", partition_job.run, event, context)
