"""The built template under `sam local start-api`: the functions in containers, as Lambda runs them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

from dev.services.postgres import free_port
from tests.support import pgbouncer
from tests.support.factories import Factory

ROOT = Path(__file__).parent.parent
SAM = Path(sys.executable).with_name("sam")
IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"
ENVIRONMENT = os.environ | {"SAM_CLI_TELEMETRY": "0", "PATH": f"{SAM.parent}:{os.environ['PATH']}"}


def docker(*arguments: str) -> str | None:
    if not shutil.which("docker"):
        return None
    asked = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else None


needs_docker = pytest.mark.skipif(
    docker("image", "inspect", IMAGE) is None,
    reason=f"Docker or Lambda's image is missing: apt-get install docker.io; docker pull {IMAGE}",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    subprocess.run(
        [SAM, "build", "--build-dir", folder, "--cache-dir", folder / "cache",
         "--parameter-overrides", "Architecture=x86_64"],
        cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "template.yaml"


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    name = f"flomastr-{os.getpid()}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture(scope="module")
def api(built: Path, network: str, direct_url: str) -> Iterator[str]:
    """Where `sam local start-api` serves; its containers reach the database by their network's gateway."""
    gateway = docker("network", "inspect", network, "--format", "{{(index .IPAM.Config 0).Gateway}}")
    assert gateway
    with pgbouncer.running(direct_url, host=gateway) as running:
        variables = {"DATABASE_URL": pgbouncer.pooled(direct_url, running), "SIGNING_KEY": "test"}
        (built.parent / "environment.json").write_text(json.dumps({"Parameters": variables}))
        port = free_port()
        with (built.parent / "sam.log").open("w") as log:
            process = subprocess.Popen(
                [SAM, "local", "start-api", "--template", built, "--port", str(port), "--skip-pull-image",
                 "--warm-containers", "LAZY", "--docker-network", network,
                 "--env-vars", built.parent / "environment.json", "--parameter-overrides", "Architecture=x86_64"],
                cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background of a shell
            )  # fmt: skip
            try:
                await_health(f"http://127.0.0.1:{port}", built.parent / "sam.log")
                yield f"http://127.0.0.1:{port}"
            finally:
                process.send_signal(signal.SIGINT)  # ends its containers first
                process.wait(60)


def await_health(url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            assert ask(url + "/routes/health") == (200, {"status": "ok"})
        except (URLError, ConnectionError):
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"sam local did not serve: {log.read_text()[-3000:]}")


def ask(url: str, method: str = "GET", body: Any = None, token: str | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@needs_docker
@pgbouncer.needs_pgbouncer
@pytest.mark.timeout(400)
def test_a_workflow_is_written_and_read_through_sam_local(api: str, make: Factory) -> None:
    tenant = make.tenant()
    token = make.api_key(tenant).token()
    status, created = ask(f"{api}/routes/workflows", "POST", {"name": "Order intake"}, token)
    assert status == 201
    assert created["tenant_id"] == str(tenant.id)
    assert ask(f"{api}/routes/workflows/{created['id']}", token=token) == (200, created)
    assert ask(f"{api}/routes/workflow-executions", token=token) == (200, [])
    assert ask(f"{api}/routes/health/ready")[0] == 200
    assert ask(f"{api}/routes/workflows", token=make.api_key(make.tenant(), scopes=[]).token())[0] == 403
    assert ask(f"{api}/routes/workflows", token="no.such.token")[0] == 403
