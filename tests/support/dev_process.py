"""`python -m dev` as a process of its own."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from dev.paths import ROOT
from dev.services.postgres import free_port

READY_SECONDS = 120


@dataclass(frozen=True)
class LocalPlatform:
    """A platform as a process of its own."""

    process: subprocess.Popen[str]
    port: int
    data: Path

    def get(self, path: str, token: str) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def end(self, signal: signal.Signals) -> int:
        self.process.send_signal(signal)
        return self.process.wait(20)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dev", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=READY_SECONDS)


def start(data: Path, *more: str) -> tuple[LocalPlatform, str]:
    """Start the platform and wait until it says that it serves; with what it said."""
    port = free_port()
    process = subprocess.Popen(
        command("serve", "--port", str(port), "--data", data, *more), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    said = ""
    assert process.stdout
    for line in process.stdout:
        said += line
        if "until Ctrl-C" in line:
            return LocalPlatform(process, port, data), said
    raise AssertionError(f"It ended with {process.wait()}: {said}")


def token(data: Path, *more: str) -> str:
    return run("token", "--user", "demo-owner", "--email", "owner@demo.example", *more, "--data", data).stdout.strip()
