"""The running platform's API, for commands that put knowledge in."""

import json
import time
from http.client import HTTPConnection, HTTPResponse
from typing import Any

from rich.progress import Progress, TaskID

from dev.errors import StartupError

PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 120.0  # without another document that is embedded

type Json = dict[str, Any]


class Api:
    """Over one connection, which the platform keeps open."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = HTTPConnection(address, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None) -> tuple[Any, int]:
        """The answer, and how many there are of what it lists."""
        try:
            response = self._answered(method, path, json.dumps(body))
            answer = json.loads(response.read())
        except OSError as error:
            raise StartupError(
                f"The platform does not answer ({error}): start it with make run, or say --port."
            ) from error
        if response.status >= 400:
            raise StartupError(f"{method} {path} was answered {response.status}: {answer}")
        return answer, int(response.headers.get("X-Total-Count") or 0)

    def _answered(self, method: str, path: str, body: str) -> HTTPResponse:
        """Sent again as often as the platform asks for it."""
        while True:
            self._connection.request(method, path, body, self._headers | {"Prefer": "count=exact"})
            response = self._connection.getresponse()
            if response.status not in (429, 503):
                return response
            response.read()
            time.sleep(float(response.headers.get("Retry-After", 1)))


def new_base(api: Api, name: str) -> str:
    answer, _ = api.ask("POST", "/routes/knowledge-bases", {"name": f"{name} {time.strftime('%Y-%m-%d %H:%M:%S')}"})
    return answer["id"]


def embedded(api: Api, base: str) -> int:
    _, count = api.ask("GET", f"{base}/documents?status=embedded&limit=1")
    return count


def wait_for(api: Api, base: str, progress: Progress, task: TaskID, total: int) -> None:
    last, since = 0, time.monotonic()
    while (done := embedded(api, base)) < total:
        progress.update(task, completed=done)
        if done > last:
            last, since = done, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise StartupError(
                f"{done} of {total} documents are embedded, and no more come: see the log of EmbedFunction."
            )
        time.sleep(PAUSE_SECONDS)
    progress.update(task, completed=total)
