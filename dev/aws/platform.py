"""The collection at work: the gateway, and each function in a sandbox, behind one server."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_server, socket

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from dev.aws.environment import own_code, variables
from dev.aws.gateway import Gateway
from dev.aws.runtime_api import runtime_api
from dev.aws.sandbox import Sandbox
from dev.aws.template import Cors, Function, Template
from dev.services.database import Database
from dev.services.object_storage import Storage
from dev.services.sign_in import SignIn

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Platform:
    sandboxes: dict[str, Sandbox]

    async def invoke(self, function: str, event: bytes) -> bytes:
        return await self.sandboxes[function].invoke(event)

    async def start(self, functions: Iterable[str]) -> None:
        """Let their processes begin before anybody asks."""
        await asyncio.gather(*(self.sandboxes[function].start() for function in functions))

    async def stop(self) -> None:
        await asyncio.gather(*(sandbox.stop() for sandbox in self.sandboxes.values()))


class _Server(uvicorn.Server):
    """Leaves signals alone, so that Ctrl-C unwinds the whole platform in order."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def listen(port: int = 0) -> socket:
    """A listener that answers at once: without NODELAY an answer waits 40 ms for the one before."""
    listener = create_server((HOST, port))
    listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return listener


def address(listener: socket) -> str:
    return f"{HOST}:{listener.getsockname()[1]}"


@asynccontextmanager
async def platform(
    listener: socket, template: Template, data: Path, database: Database, storage: Storage
) -> AsyncGenerator[Platform]:
    """Serve the template's routes at `listener` until the block ends; then no process is left."""
    listeners = {name: listen() for name in template.functions}
    running = Platform(
        {
            name: _sandbox(function, variables(function, address(listeners[name]), data, database, storage), data)
            for name, function in template.functions.items()
        }
    )
    apps: dict[int, ASGIApp] = {
        listeners[name].getsockname()[1]: runtime_api(sandbox) for name, sandbox in running.sandboxes.items()
    }
    apps[listener.getsockname()[1]] = _front(_marked(Gateway(template.routes, running.invoke), template.cors), data)
    async with serving(apps, [listener, *listeners.values()]):
        try:
            yield running
        finally:
            await running.stop()


def _sandbox(function: Function, environment: dict[str, str], data: Path) -> Sandbox:
    return Sandbox(function, environment, own_code(function), data / "logs" / f"{function.name}.log")


def _marked(gateway: ASGIApp, cors: Cors | None) -> ASGIApp:
    """Preflights are answered before routes and authorizers, and every answer says who may read it."""
    if cors is None:
        return gateway
    return CORSMiddleware(
        gateway,
        allow_origins=cors.origins,
        allow_methods=cors.methods,
        allow_headers=cors.headers,
        expose_headers=cors.exposed,
        max_age=cors.seconds,
    )


def _front(gateway: ASGIApp, data: Path) -> Starlette:
    """The gateway, and beside it what an identity provider has elsewhere."""
    return Starlette(routes=[*SignIn(data).routes(), Mount("/", gateway)])


@asynccontextmanager
async def serving(apps: Mapping[int, ASGIApp], listeners: list[socket]) -> AsyncGenerator[None]:
    """One server for all listeners: the port that a request came in by decides its application."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][1]](scope, receive, send)

    config = uvicorn.Config(dispatch, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(listeners))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
