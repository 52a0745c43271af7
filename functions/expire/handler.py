"""Every hour: what ends by itself, such as restored copies, old files and deleted tenants."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import expiry, jobs
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("expire", expiry.run, event, context)
