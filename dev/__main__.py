"""`python -m dev`: the commands of the local platform."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from dev.errors import StartupError
from dev.paths import find_layer

type Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # pyright: ignore[reportPrivateUsage]

FRONT_END = "http://localhost:5173,http://127.0.0.1:5173"  # where Vite serves


def main() -> int:
    _unwind_on_signals()
    arguments = _parser().parse_args()
    try:
        _run(arguments)
    except StartupError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _unwind_on_signals() -> None:
    """A polite kill and a closed terminal end us as Ctrl-C does: what we started is stopped."""
    # Said once more, as a shell makes what it starts with & ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def _run(arguments: argparse.Namespace) -> None:
    # Each command imports what it needs and no more: a token should not wait for a server.
    data = getattr(arguments, "data", Path()).resolve()
    match arguments.command:
        case "serve" | "local":
            _serve(arguments, data)
        case "token":
            from dev.token import print_token

            print_token(arguments.user, arguments.email, arguments.super_admin, data)
        case "age" | "fill" | "evaluate" | "n8n":
            _feed(arguments, data)
        case "invoke":
            from dev.invoke import invoke

            invoke(arguments.name, arguments.event, data)
        case "doctor":
            from dev.doctor import doctor

            doctor(arguments.database_url, arguments.token, arguments.json)
        case "deploy":
            from dev.deploy.deploy import deploy

            deploy(arguments.stage, arguments.anyway)
        case "rollback":
            from dev.deploy.deploy import rollback

            rollback(arguments.stage)
        case "restore" | "verify":
            _recover(arguments, data)
        case generated:
            _write(generated)


def _serve(arguments: argparse.Namespace, data: Path) -> None:
    if arguments.command == "serve":
        from dev.serve import serve

        serve(arguments.port, data, arguments.origins)
        return
    from dev.sam_local.local import local

    local(arguments.port, data)


def _feed(arguments: argparse.Namespace, data: Path) -> None:
    match arguments.command:
        case "age":
            from dev.samples.age_demo import age

            age(arguments.days, data)
        case "fill":
            from dev.samples.fill_knowledge import fill

            fill(arguments.passages, arguments.port, data)
        case "evaluate":
            from dev.samples.evaluate_knowledge import evaluate

            evaluate(arguments.port, data)
        case _:
            find_layer()
            from dev.n8n.trial import trial

            trial(arguments.installed.resolve(), data)


def _recover(arguments: argparse.Namespace, data: Path) -> None:
    from dev.restore import restore, verify

    if arguments.command == "verify":
        verify(arguments.backup, data)
        return
    asked = arguments.backup, arguments.database_url, arguments.table, arguments.tenant, arguments.workers
    restore(*asked, data)


def _write(generated: str) -> None:
    find_layer()
    match generated:
        case "openapi":
            from dev.docs.openapi import write
        case "docs":
            from dev.docs.pages import write
        case _:
            from dev.docs.schema import write
    write()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev", description="The local platform.")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, default=Path(".local"), help="where all is kept")
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", parents=[shared], help="serve until Ctrl-C")
    serve.add_argument("--port", type=int, default=os.environ.get("PORT", "3000"))
    serve.add_argument(
        "--origins", default=os.environ.get("ORIGINS", FRONT_END), help="of pages that may call, comma separated"
    )

    local = commands.add_parser("local", parents=[shared], help="serve under sam local, in containers, until Ctrl-C")
    local.add_argument("--port", type=int, default=os.environ.get("PORT", "3000"))

    token = commands.add_parser("token", parents=[shared], help="print a token for a person")
    token.add_argument("--user", required=True, help="the person's id")
    token.add_argument("--email", required=True)
    token.add_argument("--super-admin", action="store_true", help="also grant that role")

    commands.add_parser("openapi", parents=[shared], help="write the API's description anew")
    commands.add_parser("schema", parents=[shared], help="write schema/current.sql anew")
    commands.add_parser("docs", parents=[shared], help="write the generated pages of docs/reference anew")

    _add_feeds(commands, shared)
    _add_operations(commands, shared)
    return parser


def _add_feeds(commands: Commands, shared: argparse.ArgumentParser) -> None:
    older = commands.add_parser("age", parents=[shared], help="make the demo's executions and chats older")
    older.add_argument("--days", type=int, required=True)

    filled = commands.add_parser("fill", parents=[shared], help="fill a knowledge base of the running platform")
    filled.add_argument("--passages", type=int, default=10_000)
    filled.add_argument("--port", type=int, default=os.environ.get("PORT", "3000"))

    evaluated = commands.add_parser("evaluate", parents=[shared], help="evaluate search on a base of these docs")
    evaluated.add_argument("--port", type=int, default=os.environ.get("PORT", "3000"))


def _add_operations(commands: Commands, shared: argparse.ArgumentParser) -> None:
    tried = commands.add_parser("n8n", parents=[shared], help="let a real n8n report, and compare with its database")
    tried.add_argument("--installed", type=Path, default=Path(".local/n8n"), help="where npm has put n8n")

    invoke = commands.add_parser("invoke", parents=[shared], help="run one function once")
    invoke.add_argument("name", help="such as WorkflowsFunction, or workflows")
    invoke.add_argument("--event", type=Path, help="a file with the event as JSON")

    examined = commands.add_parser("doctor", parents=[shared], help="look at all that a deployment needs")
    examined.add_argument("--database-url", default=os.environ.get("DATABASE_URL", ""))
    examined.add_argument("--token", default="", help="of a person, to look at its claims")
    examined.add_argument("--json", action="store_true")

    restored = commands.add_parser("restore", parents=[shared], help="restore a backup into an empty database")
    restored.add_argument("--from", dest="backup", default="latest", help="its id; the newest if left out")
    restored.add_argument("--database-url", default=os.environ.get("DATABASE_URL", ""), help="an administrator's")
    restored.add_argument("--table", action="append", default=[], help="this one and those that it refers to")
    restored.add_argument("--tenant", default="", help="the id of the only one to restore")
    restored.add_argument("--workers", type=int, default=4)

    for command, says in (("deploy", "deploy a stage to AWS"), ("rollback", "go back to the release before")):
        deployed = commands.add_parser(command, help=says)
        deployed.add_argument("--stage", default="", help="the name of a file in deploy/, such as staging")
        if command == "deploy":
            deployed.add_argument("--anyway", action="store_true", help="whatever the doctor says")

    verified = commands.add_parser("verify", parents=[shared], help="read a backup and name what is damaged")
    verified.add_argument("--from", dest="backup", default="latest", help="its id; the newest if left out")


if __name__ == "__main__":
    sys.exit(main())
