"""Every five minutes: executions that were reported since are counted in rollups."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.analytics import rollup_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("rollup", rollup_job.run, event, context)
