"""The local platform as a process of its own, with a tenant and a key for n8n."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from signal import SIGTERM
from typing import Any

from dev.errors import StartupError
from dev.paths import ROOT
from dev.samples.people import OWNER, PEOPLE
from dev.services.database import database
from dev.services.oidc_issuer import Identity
from dev.services.postgres import free_port, reach

TENANT = "n8n-trial"
INSTANCE = "/routes/n8n/instances/default"

type Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """Where n8n reports, and what an owner reads there."""

    port: int
    token: str
    key: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def executions(self) -> Iterator[Json]:
        path = f"/routes/workflow-executions?tenant_id={TENANT}&limit=250&include_data=true"
        while path:
            page, path = self.ask("GET", path)
            yield from page

    def let_read(self, n8n_url: str, api_key: str) -> None:
        """Gives the platform what it reads n8n with: the instance that reporters mean as well."""
        self.ask("PUT", INSTANCE, {"tenant_id": TENANT, "n8n_url": n8n_url, "api_key": api_key})

    def read_at(self) -> datetime:
        """When it had read all of it last."""
        instance, _ = self.ask("GET", f"{INSTANCE}?tenant_id={TENANT}")
        at = instance["pull"]["pulled_at"]
        return datetime.fromisoformat(at) if at else datetime.min.replace(tzinfo=UTC)

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[Any, str]:
        """The answer, and where its next page is. Raises StartupError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            raise StartupError(f"The platform answered {method} {path} with {response.status}: {answer}")
        link = response.getheader("Link") or ""
        connection.close()
        return answer, link[1 : link.index(">")] if 'rel="next"' in link else ""


@contextmanager
def target(folder: Path) -> Generator[Target]:
    """Until the block ends. What it says is in `platform.log`."""
    port, data = free_port(), folder / "platform"
    command = [sys.executable, "-m", "dev", "serve", "--port", str(port), "--data", str(data)]
    os.environ.pop("DATABASE_URL", None)  # nobody's database but the one in the folder
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        _ready(process, folder / "platform.log")
        with database(data, reach) as found:
            found.provide_tenant(TENANT, "n8n trial", PEOPLE)
        owner = Target(port, Identity(data).token(OWNER.id, OWNER.email))
        key, _ = owner.ask("POST", "/routes/api-keys", {"tenant_id": TENANT, "name": "n8n", "scopes": ["events:write"]})
        yield Target(port, owner.token, key["token"])
    finally:
        process.send_signal(SIGTERM)
        process.wait()


def _ready(process: subprocess.Popen[str], log: Path) -> None:
    with log.open("w") as said:
        for line in process.stdout or ():
            said.write(line)
            if "until Ctrl-C" in line:
                return
    raise StartupError(f"The platform did not start: {log} says why.")
