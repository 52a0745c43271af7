"""`make local`: the built template under `sam local`, the functions in containers as Lambda runs them."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

import pytest

from dev.aws.template import read_template
from dev.invoke import usual
from dev.paths import ROOT
from dev.sam_local.containers import Built, command
from dev.sam_local.docker import IMAGE, docker, has_image
from dev.samples.people import OWNER
from dev.services.oidc_issuer import Identity
from dev.services.postgres import free_port

pytestmark = [
    pytest.mark.skipif(
        not has_image(), reason=f"Docker or Lambda's image is missing: apt-get install docker.io; docker pull {IMAGE}"
    ),
    pytest.mark.timeout(900),
]
TEMPLATE = read_template()


@dataclass(frozen=True)
class Local:
    """What `make local` serves."""

    port: int
    token: str

    def ask(self, path: str, method: str = "GET", body: Any = None, token: str | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Bearer {token or self.token}")
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, json.load(response)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)

    def invoke(self, function: str, event: Any, attempts: int = 5) -> str:
        """By Lambda's own endpoint. Its time includes a container's start: where that was too slow, once more."""
        url = f"http://127.0.0.1:{self.port + 1}/2015-03-31/functions/{function}/invocations"
        with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=120) as response:
            answer = response.read().decode()
        return self.invoke(function, event, attempts - 1) if "timed out" in answer and attempts > 1 else answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    data, port = tmp_path_factory.mktemp("local"), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "dev", "local", "--port", str(port), "--data", data],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    said = list[str]()
    for line in process.stdout:
        said.append(line)
        if line.startswith("Serving"):
            break
    rest = threading.Thread(target=process.stdout.read)  # so that it never waits for a reader
    rest.start()
    try:
        assert said[-1].startswith("Serving"), "".join(said)
        yield Local(port, Identity(data).token(OWNER.id, OWNER.email))
    finally:
        process.send_signal(signal.SIGINT)
        rest.join()
        process.stdout.close()
        process.wait(120)
    assert containers(port) == {}, "it leaves no container"


def containers(port: int) -> dict[str, int]:
    """Megabytes of each function's containers in the platform's network."""
    ids = (docker("ps", "--quiet", "--filter", f"network=flomastr-{port}") or "").split()
    found: list[Any] = json.loads(docker("inspect", *ids) or "[]") if ids else []
    return {name_of(one["Config"]["Env"]): one["HostConfig"]["Memory"] // 2**20 for one in found}


def name_of(variables: list[str]) -> str:
    (name,) = (text.partition("=")[2] for text in variables if text.startswith("AWS_LAMBDA_FUNCTION_NAME="))
    return name


def test_a_command_that_is_told_begins_with_the_sam_that_is_installed() -> None:
    told = command(Built(ROOT / ".local/sam", "flomastr-3000"), "invoke", "RollupFunction")
    program, *rest = told.split()
    assert (ROOT / program).is_file()
    assert rest[:3] == ["local", "invoke", "RollupFunction"]


def test_the_collection_answers_under_sam_local_each_function_within_its_own_memory(served: Local) -> None:
    """One test, since workers that each had a part of it would each start all of this."""
    status, created = served.ask("/routes/workflows", "POST", {"name": "Order intake"})
    assert status == 201
    assert served.ask(f"/routes/workflows/{created['id']}") == (200, created)
    assert len(served.ask("/routes/workflow-executions?limit=250")[1]) == 250  # of the demo
    assert served.ask("/routes/health/ready")[0] == 200
    assert served.ask("/routes/workflows", token="no.such.token")[0] == 403

    answers = {name: served.invoke(name, usual(name, TEMPLATE)) for name in TEMPLATE.functions}
    failed = {name: text for name, text in answers.items() if "errorType" in text or "timed out" in text}
    assert failed.keys() == {"SmokeFunction"}, failed  # CodeDeploy invokes it, which is not here
    memory = {name: function.memory for name, function in TEMPLATE.functions.items()}
    assert containers(served.port) == memory
