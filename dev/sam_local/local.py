"""`python -m dev local`: the whole platform with its functions in containers under `sam local`, until Ctrl-C."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

from starlette.applications import Starlette

from dev.aws import bucket_notices
from dev.aws.environment import declared, parameters
from dev.aws.platform import HOST, address, listen, serving
from dev.aws.scheduler import run_schedules
from dev.aws.sqs_poller import deliver, provide
from dev.aws.template import Template, read_template
from dev.console import console, paste, step
from dev.errors import StartupError
from dev.sam_local import docker
from dev.sam_local.containers import Built, Lambdas, build, command, served, write_variables
from dev.samples.load_demo import TENANT, Api, load_demo
from dev.samples.people import OWNER, PEOPLE
from dev.serve import alone, migrate
from dev.services.database import Database, database
from dev.services.embeddings_server import embeddings
from dev.services.object_storage import Storage, storage
from dev.services.oidc_issuer import Identity
from dev.services.postgres import cluster
from dev.services.sign_in import SignIn

ATTEMPTS = 5


@dataclass(frozen=True)
class Platform:
    """What has been built, and the services that its functions use."""

    built: Built
    template: Template
    database: Database
    storage: Storage
    issuer: socket
    data: Path


def local(port: int, data: Path) -> None:
    """Build, start everything, load the demo, say how to use it, and stay. The next port is Lambda's endpoint."""
    console.print("FloMastr data platform under sam local, each function in a container")
    with ExitStack() as opened:
        opened.enter_context(alone(data))
        network = f"flomastr-{port}"
        host = opened.enter_context(docker.network(network))
        with step("sam build (the first time takes a few minutes)"):
            built = build(data / "sam", network)
        with step("Services"):
            model = opened.enter_context(embeddings(data))
            ready = opened.enter_context(database(data, cluster))
            objects = opened.enter_context(storage(data))
            issuer = opened.enter_context(listen())
            model.wait()
        template = read_template(parameters=parameters(f"http://{address(issuer)}", model.url))
        provide(template.functions.values(), objects)
        bucket_notices.provide(template.notices, objects)
        asyncio.run(_stay(port, host, Platform(built, template, ready, objects, issuer, data)))


async def _stay(port: int, host: str, platform: Platform) -> None:
    functions, lambdas = platform.template.functions.values(), Lambdas(port + 1)
    async with _running(port, host, platform):
        with step("Migrations"):
            await migrate(lambdas.invoke)
            platform.database.open_for_functions()
            platform.database.forget_messages()
            platform.database.provide_tenant(TENANT, "Demo", PEOPLE)
        api = Api(f"{HOST}:{port}", Identity(platform.data).token(OWNER.id, OWNER.email))
        await _load_demo(api)
        _welcome(api, platform.built)
        await asyncio.gather(
            run_schedules(functions, lambdas.invoke), deliver(functions, platform.storage, lambdas.invoke)
        )
        await asyncio.Event().wait()


@asynccontextmanager
async def _running(port: int, host: str, platform: Platform) -> AsyncGenerator[None]:
    """The issuer and the containers, to which this machine is `host`."""
    variables = {
        name: declared(function, platform.data, platform.database, platform.storage)
        for name, function in platform.template.functions.items()
    }
    ports = write_variables(platform.built, variables, host)
    issuer = Starlette(routes=SignIn(platform.data).routes())
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(docker.reachable(host, ports))
        await opened.enter_async_context(serving({platform.issuer.getsockname()[1]: issuer}, [platform.issuer]))
        with step("Containers"):
            opened.enter_context(served(platform.built, port))
        yield


async def _load_demo(api: Api) -> None:
    """A container may take longer to start than its function may run: the next request finds it started."""
    for _ in range(ATTEMPTS - 1):
        try:
            await asyncio.to_thread(load_demo, api)
            return
        except StartupError:
            await asyncio.sleep(1)
    await asyncio.to_thread(load_demo, api)


def _welcome(api: Api, built: Built) -> None:
    url = f"http://{api.address}"
    console.print("\nThe newest executions:\n")
    paste(f"curl -sH 'Authorization: Bearer {api.token}' '{url}/routes/workflow-executions?limit=5'\n")
    console.print("A job, or any function with an event, in a container of its own:\n")
    paste(f"{command(built, 'invoke', 'RollupFunction')}\n")
    paste(f"Logs           {built.folder}/*.log")
    paste(f"Serving        {url} until Ctrl-C, and Lambda's endpoint at the next port")
