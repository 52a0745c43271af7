"""`python -m dev serve`: the whole platform on one machine, until Ctrl-C."""

import asyncio
import errno
import fcntl
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from socket import socket

from dev.aws import bucket_notices
from dev.aws.authorizer import Invoke
from dev.aws.environment import parameters, search_path
from dev.aws.platform import address, listen, platform
from dev.aws.sandbox import FunctionFailedError
from dev.aws.scheduler import run_schedules
from dev.aws.sqs_poller import deliver, provide
from dev.aws.template import Template, read_template
from dev.console import console, paste, step
from dev.errors import StartupError
from dev.samples.load_demo import TENANT, Api, load_demo
from dev.samples.people import OWNER, PEOPLE
from dev.services.database import Database, database
from dev.services.embeddings_server import embeddings
from dev.services.object_storage import Storage, storage
from dev.services.oidc_issuer import Identity
from dev.services.postgres import cluster

# What the console's first view asks. On AWS they start beside each other; here they share the processors, so they start
# while the demo is loaded.
FIRST_VIEW = (
    "AlertsFunction",
    "AnalyticsFunction",
    "ConsoleFunction",
    "KnowledgeSearchFunction",
    "N8nFunction",
    "TenantsFunction",
    "UsersFunction",
)


def serve(port: int, data: Path, origins: str) -> None:
    """Start everything, load the demo, say how to use it, and stay."""
    console.print("FloMastr data platform, on this machine")
    with ExitStack() as opened:
        listener = opened.enter_context(_listen(port))
        opened.enter_context(alone(data))
        model = opened.enter_context(embeddings(data))
        with step("Template"):
            template = read_template(parameters=parameters(f"http://{address(listener)}", model.url, origins))
        with step("Packages (the first time takes a few minutes)"):
            for function in template.functions.values():
                search_path(function, data)
        with step("Database"):
            ready = opened.enter_context(database(data, cluster))
        with step("Object storage and queues"):
            objects = opened.enter_context(storage(data))
            provide(template.functions.values(), objects)
            bucket_notices.provide(template.notices, objects)
        with step("Embeddings model"):
            model.wait()
        asyncio.run(_run(listener, template, data, ready, objects))


async def _run(listener: socket, template: Template, data: Path, database: Database, storage: Storage) -> None:
    async with platform(listener, template, data, database, storage) as running:
        with step("Migrations"):
            await migrate(running.invoke)
            database.open_for_functions()
            database.forget_messages()
            database.provide_tenant(TENANT, "Demo", PEOPLE)
        await running.start(FIRST_VIEW)
        api = Api(address(listener), Identity(data).token(OWNER.id, OWNER.email))
        outcomes = await asyncio.to_thread(load_demo, api)
        with step("Rollups"):
            await running.invoke("RollupFunction", b"{}")  # so that charts have the demo at once
        _welcome(api, data, dict(outcomes))
        await asyncio.gather(
            run_schedules(template.functions.values(), running.invoke),
            deliver(template.functions.values(), storage, running.invoke),
        )
        await asyncio.Event().wait()


async def migrate(invoke: Invoke) -> None:
    """Raises StartupError."""
    try:
        await invoke("MigrateFunction", b"{}")
    except FunctionFailedError as failure:
        raise StartupError(f"The database could not be migrated: {failure}") from failure


def _welcome(api: Api, data: Path, outcomes: dict[str, int]) -> None:
    url = f"http://{api.address}"
    curl = f"curl -sH 'Authorization: Bearer {api.token}' '{url}/routes/workflow-executions"
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    paste(f"Console        {url}\n")
    console.print(f"  Demo of tenant {TENANT}: 9 workflows; executions: {counts}\n")
    console.print("The newest failures:\n")
    paste(f"{curl}?status=error&limit=5'\n")
    console.print("How many by status:\n")
    paste(f"{curl}/stats/summary?days=365'\n")
    paste(f"Documentation  {url}/routes/docs")
    paste(f"Logs           {data / 'logs'}")
    paste(f"Serving        {url} until Ctrl-C")


def _listen(port: int) -> socket:
    try:
        return listen(port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} is taken: stop what uses it, or choose another with PORT={port + 1}."
        else:
            message = f"Port {port} may not be used: choose another, such as PORT=3000."
        raise StartupError(message) from error
    except OverflowError as error:
        raise StartupError(f"There is no port {port}: choose one below 65536.") from error


@contextmanager
def alone(data: Path) -> Generator[None]:
    """No two platforms on the same files; the lock goes with the process, however it ends."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartupError(
                f"Another platform runs on {data}: stop it, or choose another folder with --data."
            ) from error
        yield
