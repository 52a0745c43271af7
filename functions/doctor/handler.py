"""Invoked by an operator: looks at everything that a deployment needs, and says what is wrong and what to do."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.doctor.examination import examine
from flomastr.observability import instrumented


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`token` of the event, of a person, has its claims examined too."""
    return examine(event.get("token", "")).model_dump()
