"""One sandbox in a process of its own: posts workflows, each under its key until it is answered, and reports how."""

import json
import sys
import time

from flomastr.caller import Caller
from functions.workflows.handler import lambda_handler
from tests.support.events import Answer, call


def post(caller: Caller, key: str) -> Answer:
    return call(
        lambda_handler,
        "POST",
        "/routes/workflows",
        body={"name": key, "n8n_workflow_id": key},
        headers={"idempotency-key": key},
        caller=caller,
    )


def main(user_id: str, name: str, times: str) -> None:
    caller = Caller(user_id=user_id)
    for number in range(int(times)):
        key, status = f"{name}-{number}", 0
        while status != 201:
            start = time.monotonic()
            answer = post(caller, key)
            status = answer.status
            answered = {"key": key, "status": status, "body": answer.body, "seconds": time.monotonic() - start}
            print("answered", json.dumps(answered), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
