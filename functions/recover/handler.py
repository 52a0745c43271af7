"""Every minute: takes a restore point, and applies recoveries that are too large for a request."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.observability import instrumented
from flomastr.tenant_recovery import recover_job


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("recover", recover_job.run, event, context)
