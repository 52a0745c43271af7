"""`python -m dev fill`: a knowledge base of many passages, put in through the API of the running platform."""

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from itertools import batched, islice
from pathlib import Path
from random import Random
from typing import Any

from rich.progress import Progress, TaskID

from dev.console import console
from dev.errors import StartupError
from dev.paths import ROOT
from dev.samples.load_demo import TENANT
from dev.samples.people import OWNER
from dev.services.oidc_issuer import Identity

PASSAGES = 20  # of a document
DOCUMENTS = 10  # of a request
PAUSE_SECONDS = 1.0
PATIENCE_SECONDS = 120.0  # without another document that is embedded

type Json = dict[str, Any]


def fill(passages: int, port: int, data: Path) -> None:
    """Store them, wait until all are embedded, and say how long each took."""
    api = _Api(f"127.0.0.1:{port}", Identity(data).token(OWNER.id, OWNER.email))
    started = time.monotonic()
    base = f"/routes/knowledge-bases/{_new_base(api)}"
    documents = list(_documents(passages))
    with Progress(console=console) as progress:
        stored = progress.add_task("  Storing documents  ", total=len(documents))
        embedded = progress.add_task("  Embedding documents", total=len(documents))
        for batch in batched(documents, DOCUMENTS, strict=False):
            api.ask("POST", f"{base}/documents/batch", {"documents": batch})
            progress.update(stored, advance=len(batch), refresh=True)
            progress.update(embedded, completed=_embedded(api, base))
        storing = time.monotonic() - started
        _wait(api, base, progress, embedded, len(documents))
    all_in_all = time.monotonic() - started
    about, _ = api.ask("GET", base)
    console.print(
        f"{about['total_chunks']:,} passages in {about['document_count']:,} documents: stored after {storing:.0f} s,"
        f" embedded after {all_in_all:.0f} s. The knowledge base is {about['id']}, of tenant {TENANT}."
    )


class _Api:
    """Over one connection, which the platform keeps open."""

    def __init__(self, address: str, token: str) -> None:
        self._connection = HTTPConnection(address, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[Any, int]:
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


def _new_base(api: _Api) -> str:
    answer, _ = api.ask("POST", "/routes/knowledge-bases", {"name": f"Filled {time.strftime('%Y-%m-%d %H:%M:%S')}"})
    return answer["id"]


def _documents(passages: int) -> Iterator[Json]:
    for index, texts in enumerate(batched(islice(_texts(), passages), PASSAGES, strict=False)):
        yield {"name": f"document-{index:06}", "chunks": [{"text": text} for text in texts]}


def _texts() -> Iterator[str]:
    """Each another one: sentences of the decisions in a new order."""
    text = "\n\n".join(page.read_text() for page in sorted((ROOT / "docs/decisions").glob("0*.md")))
    sentences = [line.strip(" .") for line in text.replace("\n\n", ". ").split(". ") if len(line) > 40]
    random, number = Random(1), 0
    while True:
        number += 1
        yield f"{number}. {'. '.join(random.sample(sentences, 5))}"[:2000]


def _embedded(api: _Api, base: str) -> int:
    _, count = api.ask("GET", f"{base}/documents?status=embedded&limit=1")
    return count


def _wait(api: _Api, base: str, progress: Progress, task: TaskID, total: int) -> None:
    last, since = 0, time.monotonic()
    while (done := _embedded(api, base)) < total:
        progress.update(task, completed=done)
        if done > last:
            last, since = done, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise StartupError(
                f"{done} of {total} documents are embedded, and no more come: see the log of EmbedFunction."
            )
        time.sleep(PAUSE_SECONDS)
    progress.update(task, completed=total)
