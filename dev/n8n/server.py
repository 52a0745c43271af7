"""A real n8n of our own, from npm, over a database in a Postgres of our own."""

import os
import subprocess
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from dev.child_process import die_with_parent
from dev.errors import StartupError
from dev.services.postgres import free_port

START_SECONDS = 240
QUIET = (
    "N8N_DIAGNOSTICS_ENABLED", "N8N_VERSION_NOTIFICATIONS_ENABLED", "N8N_TEMPLATES_ENABLED", "N8N_SECURE_COOKIE",
    "N8N_PERSONALIZATION_ENABLED", "N8N_HIRING_BANNER_ENABLED", "N8N_COMMUNITY_PACKAGES_ENABLED",
    "EXECUTIONS_DATA_PRUNE",
)  # fmt: skip


@dataclass
class N8n:
    """What runs in `folder`; `installed` is where npm put it."""

    installed: Path
    folder: Path
    database_url: str
    port: int = field(default_factory=free_port)
    broker_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Raises StartupError if it does not serve in time."""
        self.process = self._run("start")
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise StartupError(f"n8n did not start: {self.folder / 'n8n.log'} ends with its reason.")
            time.sleep(1)

    def kill(self) -> None:
        """At once, as a machine that fails would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def command(self, *arguments: str) -> None:
        """Raises StartupError if n8n's command fails."""
        if code := self._run(*arguments).wait():
            raise StartupError(f"n8n {arguments[0]} ended with {code}: {self.folder / 'n8n.log'} says why.")

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        programs = self.installed / "node_modules"
        command = [str(programs / "node/bin/node"), str(programs / "n8n/bin/n8n"), *arguments]
        with (self.folder / "n8n.log").open("a") as log:
            return subprocess.Popen(
                [*die_with_parent("KILL"), *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches us alone
            )

    def _environment(self) -> dict[str, str]:
        database = conninfo_to_dict(self.database_url)
        return {
            "PATH": f"{self.installed / 'node_modules/node/bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_ENCRYPTION_KEY": "of a database that is thrown away",
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_HOST": "127.0.0.1",
            "N8N_PORT": str(self.port),
            "N8N_RUNNERS_BROKER_PORT": str(self.broker_port),
            "WEBHOOK_URL": f"http://127.0.0.1:{self.port}/",
            "DB_TYPE": "postgresdb",
            "DB_POSTGRESDB_HOST": str(database["host"]),
            "DB_POSTGRESDB_PORT": str(database["port"]),
            "DB_POSTGRESDB_USER": str(database["user"]),
            "DB_POSTGRESDB_DATABASE": str(database["dbname"]),
            "N8N_PAYLOAD_SIZE_MAX": "64",
            "GENERIC_TIMEZONE": "Etc/UTC",
        } | dict.fromkeys(QUIET, "false")

    def _is_ready(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/rest/settings")  # n8n is healthy before it has its routes, and says so as text
            response = connection.getresponse()
            return response.status == 200 and "json" in response.headers["Content-Type"]
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
