"""Small collections of functions, and the local platform that serves them."""

import asyncio
import json
from collections.abc import Callable, Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

from dev.aws.environment import parameters
from dev.aws.platform import Platform, address, listen, platform
from dev.aws.sqs_poller import deliver, provide
from dev.aws.template import Function, Template, read_template
from dev.services.database import Database
from dev.services.object_storage import Storage

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  OidcIssuer: {Type: String, Default: nobody}
Globals:
  Function:
    Runtime: python3.13
    Handler: handler.lambda_handler
    Timeout: 1
    Layers: [!Ref SharedLayer]
    Environment: {Variables: {GREETING: hello, ISSUER: !Ref OidcIssuer, DATABASE_URL: ""}}
Resources:
  SharedLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: shared}
    Metadata: {BuildMethod: python3.13}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Guard
        Authorizers:
          Guard:
            FunctionArn: !GetAtt GuardFunction.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            Identity: {Headers: [Authorization], ReauthorizeEvery: 60}
  GuardFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: guard}
  EchoFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: echo
      Events:
        All: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY, Path: /echo}}
        One: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: ANY, Path: "/echo/{proxy+}"}}
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/echo/{id}/part"}}
  OpenFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: open
      Events:
        Open:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Method: ANY, Path: /open, Auth: {Authorizer: NONE}}
        Hourly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(2 hours)}}
"""

GUARD = """
asked = 0

def lambda_handler(event, context):
    global asked
    asked += 1
    caller = event["identitySource"][0]
    return {"isAuthorized": caller != "stranger", "context": {"caller": caller, "asked": asked}}
"""

ECHO = """
import json

def lambda_handler(event, context):
    answer = {"event": event, "function": context.function_name}
    return {"statusCode": 200, "headers": {"x-kind": "echo"}, "cookies": ["a=1", "b=2"],
            "body": json.dumps(answer)}
"""

OPEN = """
import json, os, sys, time
from shared import VERSION

def lambda_handler(event, context):
    body = event.get("body", "")
    if body == "exit":
        os._exit(1)
    if body == "raise":
        raise ValueError("not today")
    if body == "hang":
        time.sleep(60)
    if body == "large":
        return {"statusCode": 200, "body": "x" * 7_000_000}
    found = {"pid": os.getpid(), "version": VERSION, "path": sys.path, "env": dict(os.environ)}
    return {"statusCode": 200, "body": json.dumps(found)}
"""

FILES = {
    "template.yaml": TEMPLATE,
    "guard/handler.py": GUARD,
    "echo/handler.py": ECHO,
    "open/handler.py": OPEN,
    "shared/shared.py": "VERSION = 1\n",
}


FED_TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  EmbeddingsUrl: {Type: String, Default: nowhere}
Globals:
  Function: {Runtime: python3.13, Handler: handler.lambda_handler, Timeout: 5}
Resources:
  WorkQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: {deadLetterTargetArn: !GetAtt WorkDeadLetters.Arn, maxReceiveCount: 2}
  WorkDeadLetters: {Type: AWS::SQS::Queue}
  SlowQueue: {Type: AWS::SQS::Queue}
  Api: {Type: AWS::Serverless::HttpApi}
  SendFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: send
      Environment: {Variables: {EMBED_QUEUE_URL: !Ref WorkQueue, SQS_ENDPOINT: "", EMBEDDINGS_URL: !Ref EmbeddingsUrl}}
      Events: {Send: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: /send}}}
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: work
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt WorkQueue.Arn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
  SlowFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: slow
      Events: {Queue: {Type: SQS, Properties: {Queue: !GetAtt SlowQueue.Arn}}}
"""

SEND = """
import os
import boto3

def lambda_handler(event, context):
    sqs = boto3.client("sqs", endpoint_url=os.environ["SQS_ENDPOINT"])
    sqs.send_message(QueueUrl=os.environ["EMBED_QUEUE_URL"], MessageBody=event["body"])
    return {"statusCode": 202}
"""

WORK = """
import os
from pathlib import Path

def lambda_handler(event, context):
    for record in event["Records"]:
        with Path(__file__).with_name("seen").open("a") as seen:
            print(record["body"], file=seen)
        if record["body"] == "exit":
            os._exit(1)
    return {"batchItemFailures": []}
"""

SLOW = """
import time
from pathlib import Path

def lambda_handler(event, context):
    Path(__file__).with_name("begun").touch()
    while not Path(__file__).with_name("may_end").exists():
        time.sleep(0.01)
"""

FED = {
    "template.yaml": FED_TEMPLATE,
    "send/handler.py": SEND,
    "work/handler.py": WORK,
    "slow/handler.py": SLOW,
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """The collection while it is served."""

    address: str
    folder: Path
    loop: asyncio.AbstractEventLoop
    platform: Platform

    def invoke(self, function: str, event: object) -> Any:
        """The answer of a function by itself, as Lambda's own API would give it."""
        invoked = self.platform.invoke(function, json.dumps(event).encode())
        return json.loads(asyncio.run_coroutine_threadsafe(invoked, self.loop).result())

    def pid(self, function: str) -> int:
        """Of its process, which runs."""
        pid = self.platform.sandboxes[function].pid
        assert pid
        return pid

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = HTTPConnection(self.address, timeout=30)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read())
        connection.close()
        return answer


NOWHERE, NO_DATABASE = Storage(0, 0), Database("", "", "")


@contextmanager
def running_platform(
    collection: Path,
    data: Path,
    storage: Storage = NOWHERE,
    database: Database = NO_DATABASE,
    only: Collection[str] = (),
    beside: Callable[[str], dict[str, Function]] = lambda url: {},
    **more: str,
) -> Generator[Running]:
    """The platform in a thread of its own, as the tests block theirs.

    `only` names the functions that are served, where not all are; `beside` makes more of them for the platform's URL,
    which no route names; `more` are parameters of the template.
    """
    started, over = Queue[tuple[asyncio.AbstractEventLoop, Platform]](), Event()
    with listen() as listener, ThreadPoolExecutor() as threads:
        url = f"http://{address(listener)}"

        async def serve() -> None:
            served = part(read_template(collection / "template.yaml", parameters(url) | more), only)
            template = replace(served, functions=served.functions | beside(url))
            functions = template.functions.values()
            provide(functions, storage)
            async with platform(listener, template, data, database, storage) as running:
                delivering = asyncio.create_task(deliver(functions, storage, running.invoke))
                started.put((asyncio.get_running_loop(), running))
                await asyncio.to_thread(over.wait)
                delivering.cancel()

        serving = threads.submit(asyncio.run, serve())
        serving.add_done_callback(lambda _: started.shutdown())
        try:
            loop, running = started.get()
            yield Running(address(listener), collection, loop, running)
        finally:
            over.set()
            serving.result()


def part(whole: Template, only: Collection[str]) -> Template:
    """The template with these functions and their routes alone; with all where none is named."""
    if not only:
        return whole
    return replace(
        whole,
        functions={name: whole.functions[name] for name in only},
        routes=tuple(route for route in whole.routes if route.function in only),
    )
