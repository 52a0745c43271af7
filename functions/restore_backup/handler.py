"""Invoked by an operator: verifies a backup, or restores it into an empty database, whose secret the event names."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from flomastr.observability import instrumented
from flomastr.recovery import restore_request
from flomastr.recovery.restore_request import RestoreRequest


@instrumented
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return restore_request.carry_out(RestoreRequest.model_validate(event)).model_dump()
