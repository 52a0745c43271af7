"""Clients that are made from the OpenAPI document are whole, and read refusals as well as answers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from dev.docs.openapi import DOCUMENT
from dev.paths import ROOT
from functions.users.handler import lambda_handler as users
from tests.support.events import call
from tests.support.factories import Factory
from tests.support.requests import OPERATIONS

TOOLS = ROOT / "dev/clients"
PACKAGE = "flo_mastr_data_platform_client"
PROGRAM = """
import type { components, paths } from "./api";

type Listed = paths["/routes/users"]["get"]["responses"];
export const emails = (users: Listed[200]["content"]["application/json"]): string[] => users.map((user) => user.email);
export const why = (problem: Listed[403]["content"]["application/problem+json"]): string => problem.detail;
export const execution: Pick<components["schemas"]["Execution"], "status"> = { status: "success" };
"""

needs_npm_packages = pytest.mark.skipif(
    not (TOOLS / "node_modules").exists(), reason="npm's packages are missing: npm ci --prefix dev/clients"
)


def run(*command: str | Path, folder: Path = TOOLS) -> str:
    """What it prints, which must end well."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # a generator formats with ruff
    environment = os.environ | {"PATH": path, "REDOCLY_TELEMETRY": "off"}
    ended = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def tool(name: str) -> Path:
    return TOOLS / "node_modules/.bin" / name


@pytest.fixture(scope="module")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("clients")
    made = Path(sys.executable).with_name("openapi-python-client")
    run(made, "generate", "--fail-on-warning", "--path", DOCUMENT, "--output-path", folder / "python", folder=folder)
    sys.path.insert(0, str(folder / "python"))
    yield folder / "python" / PACKAGE
    sys.path.remove(str(folder / "python"))


@needs_npm_packages
def test_redocly_finds_nothing_to_say() -> None:
    assert "is valid" in run(tool("redocly"), "lint", "--config", TOOLS / "redocly.yaml", DOCUMENT)


@needs_npm_packages
def test_types_for_typescript_are_strict_and_name_what_is_refused(tmp_path: Path) -> None:
    run(tool("openapi-typescript"), DOCUMENT, "-o", tmp_path / "api.d.ts")
    (tmp_path / "program.ts").write_text(PROGRAM)
    run(tool("tsc"), "--strict", "--noEmit", tmp_path / "program.ts")


def test_a_python_client_has_every_operation(python_client: Path) -> None:
    made = {path.stem for path in python_client.glob("api/*/*.py")} - {"__init__"}
    assert made == {operation.name for operation in OPERATIONS}


@pytest.mark.parametrize("body", [None, b'{"message":"Forbidden"}'], ids=["function", "gateway"])
def test_a_python_client_reads_a_refusal_whoever_refuses(
    python_client: Path, make: Factory, body: bytes | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if body:
            return httpx.Response(403, content=body, headers={"content-type": "application/json"})
        refused = call(users, request.method, request.url.path, caller=make.tenant().owner)
        return httpx.Response(refused.status, content=refused.body, headers=refused.headers)

    client = import_module(PACKAGE).Client(base_url="https://api.test", raise_on_unexpected_status=True)
    client.set_httpx_client(httpx.Client(base_url="https://api.test", transport=httpx.MockTransport(answer)))
    parsed = import_module(f"{PACKAGE}.api.users.list_users").sync(client=client)
    if body:
        assert parsed.message == "Forbidden"
    else:
        assert (parsed.status, parsed.code, type(parsed.detail)) == (403, "super_admin_only", str)
