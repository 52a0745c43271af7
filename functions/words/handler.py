"""Every minute: what is found by words of another language, or by rules of before, is indexed anew."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr import jobs
from flomastr.languages import words_job
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return jobs.run("words", words_job.run, event, context)
