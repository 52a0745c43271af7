"""`python -m dev serve`, and a client of it that keeps its connection."""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from dev.paths import ROOT
from dev.services.oidc_issuer import Identity
from dev.services.postgres import free_port
from flomastr.caller import Caller


@dataclass(frozen=True)
class RunningPlatform:
    port: int
    token: str

    @contextmanager
    def client(self) -> Generator["Client"]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            yield Client(connection, self.token)


@dataclass(frozen=True)
class Client:
    connection: HTTPConnection
    token: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status < 300, answer
        return answer

    def post(self, path: str, body: object) -> bytes:
        return self.ask("POST", path, json.dumps(body).encode())


@contextmanager
def running_platform(data: Path, database_url: str, caller: Caller) -> Generator[RunningPlatform]:
    port = free_port()
    command = [sys.executable, "-m", "dev", "serve", "--port", str(port), "--data", str(data)]
    environment = os.environ | {"DATABASE_URL": database_url}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        await_ready(process)
        yield RunningPlatform(port, Identity(data).token(caller.user_id or "", caller.email or ""))
    finally:
        process.terminate()
        process.communicate()


def await_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Serving"):
            return
    raise AssertionError("The local platform ended before it was ready: it says why above.")
