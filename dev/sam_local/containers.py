"""`sam build` and `sam local`: the API and Lambda's own endpoint, each function in a container with its memory."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Sequence
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dev.aws.platform import HOST
from dev.aws.sandbox import FunctionFailedError
from dev.child_process import die_with_parent
from dev.errors import StartupError
from dev.paths import ROOT
from dev.sam_local.docker import ARCHITECTURE, has_image
from dev.sam_local.layers import put_beside_code

SAM = Path(sys.executable).with_name("sam")
ENVIRONMENT = os.environ | {"SAM_CLI_TELEMETRY": "0", "PATH": f"{SAM.parent}:{os.environ['PATH']}"}
FOR_THIS_MACHINE = ("--parameter-overrides", f"Architecture={ARCHITECTURE}")
STARTED_SECONDS = 120
LONGEST_SECONDS = 960  # of an invocation: Lambda's 15 minutes, and a container's start


@dataclass(frozen=True)
class Built:
    """What `sam build` has made in a folder, and the variables of its functions."""

    folder: Path
    network: str

    @property
    def template(self) -> Path:
        return self.folder / "build" / "template.yaml"

    @property
    def variables(self) -> Path:
        return self.folder / "variables.json"

    @property
    def options(self) -> list[str]:
        """Of every command of `sam local`. Without them it would look for a newer image, and for keys of AWS."""
        known = ["--skip-pull-image"] if has_image() else []
        used = ["--template", str(self.template), "--env-vars", str(self.variables), "--docker-network", self.network]
        return [*known, *used, *FOR_THIS_MACHINE]


def build(folder: Path, network: str) -> Built:
    """Compiled as `make build` does, since each container would compile all of it. Raises StartupError with sam's last
    words."""
    built = Built(folder, network)
    folder.mkdir(parents=True, exist_ok=True)
    where = ["--build-dir", built.template.parent, "--cache-dir", folder / "cache"]
    done = subprocess.run(
        [SAM, "build", "--cached", "--parallel", *where, *FOR_THIS_MACHINE],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise StartupError(f"sam build failed: {done.stderr[-2000:]}")
    compile_dir(built.template.parent, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    put_beside_code(built.template)
    return built


@contextmanager
def served(built: Built, port: int) -> Generator[None]:
    """The API at `port`, and Lambda's endpoint at the next one, until the block ends; then no container is left."""
    with _sam(built, "start-api", port), _sam(built, "start-lambda", port + 1):
        yield


@contextmanager
def _sam(built: Built, command: str, port: int) -> Generator[None]:
    log = built.folder / f"{command}.log"
    listening = ["--host", HOST, "--port", str(port), "--warm-containers", "LAZY"]
    with log.open("w") as written:
        process = subprocess.Popen(
            [*die_with_parent("INT"), SAM, "local", command, *built.options, *listening],
            cwd=ROOT,
            env=ENVIRONMENT | {"AWS_DEFAULT_REGION": "us-east-1"},
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop it when its containers have answered
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background of a shell
        )
        try:
            _await(process, port, log)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # removes its containers first
            process.wait(60)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers, whatever it answers."""
    deadline = time.monotonic() + STARTED_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=5).close()
        except urllib.error.HTTPError as answered:
            answered.close()
            return
        except (OSError, HTTPException):  # the second of a port of clients, where it may have reached itself
            time.sleep(0.2)
        else:
            return
    raise StartupError(f"sam local did not start: {log} ends with its reason: {log.read_text()[-1000:]}")


class Lambdas:
    """Invokes functions where `sam local start-lambda` serves."""

    def __init__(self, port: int) -> None:
        self._client: Any = boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "lambda",
            endpoint_url=f"http://{HOST}:{port}",
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(proxies={}, read_timeout=LONGEST_SECONDS, retries={"total_max_attempts": 1}),
        )

    async def invoke(self, function: str, event: bytes) -> bytes:
        """The function's answer. Raises FunctionFailedError."""
        try:
            answer = await asyncio.to_thread(self._client.invoke, FunctionName=function, Payload=event)
        except (BotoCoreError, ClientError) as error:
            raise FunctionFailedError(f"{function} could not be invoked: {error}") from error
        payload = answer["Payload"].read()
        if "FunctionError" in answer:
            raise FunctionFailedError(f"{function} failed: {payload.decode()[:1000]}")
        return payload


def write_variables(built: Built, variables: dict[str, dict[str, str]], host: str) -> set[int]:
    """For each function, with this machine as containers call it. The ports of it that they name."""
    text = json.dumps(variables, indent=2)
    built.variables.touch(mode=0o600)
    built.variables.write_text(text.replace(HOST, host))
    return set(map(int, re.findall(rf"{HOST}:(\d+)", text)))


def command(built: Built, *arguments: str) -> str:
    """What a developer types."""
    shown: Sequence[str] = [str(SAM), "local", *arguments, *built.options]
    return " ".join(os.path.relpath(part, ROOT) if part.startswith(str(ROOT)) else part for part in shown)
