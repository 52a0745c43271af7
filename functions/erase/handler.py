"""Every quarter of an hour: carries out the requested erasures."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.observability import instrumented
from flomastr.retention import erasure_job


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("erase", erasure_job.run, event, context)
