"""`python -m dev invoke`: one function, run once, as its trigger would."""

import asyncio
import json
from pathlib import Path
from socket import socket

from dev.aws.environment import parameters
from dev.aws.events import Event, HttpRequest, authorizer_event, http_event, scheduled_event
from dev.aws.platform import address, listen, platform
from dev.aws.sandbox import EventTooLargeError, FunctionFailedError
from dev.aws.sqs_poller import provide, sqs_event
from dev.aws.template import Route, Template, read_template
from dev.errors import StartupError
from dev.services import object_storage, postgres
from dev.services.database import Database, database
from dev.services.embeddings_server import embeddings
from dev.services.object_storage import Storage


def invoke(name: str, event: Path | None, data: Path) -> None:
    """Print the function's answer to the event in the file, else to one like its trigger's."""
    if event and not event.exists():
        raise StartupError(f"There is no file {event}.")
    with (
        listen() as listener,
        embeddings(data) as model,
        database(data, postgres.reach) as found,
        object_storage.reach(data) as objects,
    ):
        template = read_template(parameters=parameters(f"http://{address(listener)}", model.url))
        provide(template.functions.values(), objects)
        function = template.function(name).name
        body = event.read_bytes() if event else json.dumps(usual(function, template)).encode()
        print(asyncio.run(_answer(listener, template, data, found, objects, function, body)).decode())


async def _answer(
    listener: socket, template: Template, data: Path, found: Database, objects: Storage, function: str, event: bytes
) -> bytes:
    async with platform(listener, template, data, found, objects) as running:
        try:
            return await running.invoke(function, event)
        except FunctionFailedError as failure:
            raise StartupError(str(failure)) from failure
        except EventTooLargeError as too_large:
            raise StartupError("The event is larger than the 6 MB that Lambda takes.") from too_large


def usual(function: str, template: Template) -> Event:
    """A tick of its schedule, a batch without messages, a GET of its shortest route, or of the shortest that it guards,
    as nobody; or nothing where it has none."""
    if template.functions[function].schedules:
        return scheduled_event()
    if template.functions[function].queues:
        return sqs_event("", [])
    if routes := [route for route in template.routes if route.function == function]:
        return _get(routes)
    if guarded := [route for route in template.routes if route.authorizer and route.authorizer.function == function]:
        return authorizer_event(_get(guarded), ("Bearer",))
    return {}


def _get(routes: list[Route]) -> Event:
    shortest = min(routes, key=lambda route: len(route.path))
    return http_event(HttpRequest("GET", shortest.path), shortest, {})
