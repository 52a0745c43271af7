"""Every hour: what was asked to be erased is, everywhere."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import erasing, jobs
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("erase", erasing.run, event, context)
