"""AWS Lambda's Runtime API, which awslambdaric polls for events and posts answers to."""

import json
import time
from asyncio import QueueShutDown
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dev.aws.sandbox import PAYLOAD_BYTES, Invocation, Sandbox

RUNTIME = "/2018-06-01/runtime"
ACCEPTED = {"status": "OK"}


def runtime_api(sandbox: Sandbox) -> Starlette:
    """The API as the process of this one sandbox sees it."""

    async def next_event(_: Request) -> Response:
        try:
            invocation = await sandbox.take()
        except QueueShutDown:
            return Response(status_code=410)  # its process is gone already
        return Response(invocation.event, headers=_headers(invocation, sandbox.function.timeout))

    async def response(request: Request) -> Response:
        id, body = request.path_params["id"], await request.body()
        if len(body) > PAYLOAD_BYTES:
            sandbox.fail(id, f"answered {len(body)} bytes, which is more than 6 MB")
            return JSONResponse({"errorType": "RequestEntityTooLarge"}, 413)
        sandbox.answer(id, body)
        return JSONResponse(ACCEPTED, 202)

    async def error(request: Request) -> Response:
        sandbox.fail(request.path_params["id"], _reason(await request.body()))
        return JSONResponse(ACCEPTED, 202)

    async def init_error(_: Request) -> Response:
        return JSONResponse(ACCEPTED, 202)  # the process logs its reason and ends by itself

    return Starlette(
        routes=[
            Route(f"{RUNTIME}/invocation/next", next_event),
            Route(f"{RUNTIME}/invocation/{{id}}/response", response, methods=["POST"]),
            Route(f"{RUNTIME}/invocation/{{id}}/error", error, methods=["POST"]),
            Route(f"{RUNTIME}/init/error", init_error, methods=["POST"]),
        ]
    )


def _headers(invocation: Invocation, timeout: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": invocation.id,
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:local:000000000000:function:local",
        # Not sampled: nobody collects traces here.
        "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Sampled=0",
    }


def _reason(body: bytes) -> str:
    error = json.loads(body)
    return f"raised {error['errorType']}: {error['errorMessage'].partition('\n')[0].rstrip('.')}"
