"""DigitalOcean's API over an embedded cluster: a fork is a base backup, its log replayed to the asked moment."""

import json
import os
import shutil
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg

from dev.services.postgres import ADMIN, NOBODY, SUPERUSER, Cluster, cluster

TOKEN = "dop_v1_test"
SOURCE = "11111111-1111-4111-8111-111111111111"


@dataclass
class Provider:
    """An account with one cluster, whose log is archived."""

    data: Path
    source: Cluster
    url: str = ""
    backups: list[datetime] = field(default_factory=list[datetime])
    forks: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    running: dict[str, ExitStack] = field(default_factory=dict[str, ExitStack])
    moments: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])  # by method
    asked: list[str] = field(default_factory=list[str])

    def back_up(self) -> None:
        with psycopg.connect(self.source.url(SUPERUSER, "postgres"), autocommit=True) as conn:
            conn.execute("SELECT pg_backup_start('base', true)")
            shutil.copytree(
                self.data / "source" / "postgres",
                self.data / "base",
                ignore=shutil.ignore_patterns("postmaster.pid", "pg_wal"),
            )
            ((label,),) = conn.execute("SELECT labelfile FROM pg_backup_stop(false)").fetchall()
        (self.data / "base" / "pg_wal").mkdir()
        (self.data / "base" / "backup_label").write_text(label)
        self.backups.append(datetime.now(UTC))

    def description(self, id: str) -> dict[str, Any]:
        own: dict[str, Any] = {"id": SOURCE, "name": "production", "status": "online", "tags": []}
        if id != SOURCE:
            own = self.forks[id]
        shared = {"version": "18", "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1}
        return shared | {"created_at": "2026-01-01T00:00:00Z"} | own

    def fork(self, body: dict[str, Any]) -> dict[str, Any]:
        id = str(uuid4())
        self.forks[id] = {"id": id, "name": body["name"], "status": "creating", "tags": body["tags"]}
        self.moments[id] = body["backup_restore"]["backup_created_at"]
        return self.description(id)

    def come_online(self) -> Cluster:
        """The only fork does. Called by the test's own thread, since a server ends with the thread that started it."""
        ((id, fork),) = self.forks.items()
        with psycopg.connect(self.source.url(SUPERUSER, "postgres"), autocommit=True) as conn:
            conn.execute("SELECT pg_switch_wal()")
        server = self.started(id, self.moments[id])
        connection = {"uri": server.url(ADMIN, "postgres"), "host": "127.0.0.1", "port": server.port}
        fork |= {"status": "online", "connection": connection | {"database": "postgres"}}
        return server

    def started(self, id: str, at: str) -> Cluster:
        folder = self.data / id
        folder.mkdir()
        shutil.copy(self.data / "source" / "postgres.password", folder)
        shutil.copytree(self.data / "base", folder / "postgres")
        (folder / "postgres" / "recovery.signal").touch()
        make_nobodys(folder / "postgres")
        asked = (
            f"restore_command=cp {self.data}/wal/%f %p",
            f"recovery_target_time={at.replace('Z', '+00')}",
            "recovery_target_action=promote",
            "hot_standby=off",  # it is ready when all is replayed, not before
            "archive_mode=off",
            "fsync=off",
        )
        self.running[id] = ExitStack()
        return self.running[id].enter_context(cluster(folder, settings=asked))

    def delete(self, id: str) -> None:
        del self.forks[id]
        if id in self.running:
            self.running.pop(id).close()

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if method in self.answers:
            status, message = self.answers[method]
            return status, {"id": "some_error", "message": message}
        parts = urlsplit(path)
        match method, parts.path.strip("/").split("/")[2:]:
            case "GET", []:
                (tag,) = parse_qs(parts.query)["tag_name"]
                return 200, {"databases": [self.description(id) for id in self.forks if tag in self.forks[id]["tags"]]}
            case "POST", []:
                return 201, {"database": self.fork(body)}
            case "GET", [id] if id == SOURCE or id in self.forks:
                return 200, {"database": self.description(id)}
            case "GET", [_, "backups"]:
                found = [{"created_at": at.isoformat(), "size_gigabytes": 0.1} for at in self.backups]
                return 200, {"backups": found}
            case "DELETE", [id] if id in self.forks:
                self.delete(id)
                return 204, None
            case _:
                return 404, {"id": "not_found", "message": "cluster not found"}


def make_nobodys(folder: Path) -> None:
    """Postgres insists that its files are its user's alone."""
    folder.chmod(0o700)
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY)


@contextmanager
def provider(data: Path) -> Generator[Provider]:
    """Of a new cluster. `back_up` is called once it has what a fork shall begin with."""
    (data / "wal").mkdir()
    (data / "wal").chmod(0o777)
    settings = ("archive_mode=on", f"archive_command=cp %p {data}/wal/%f", "fsync=off", "wal_level=replica")
    with cluster(data / "source", settings=settings) as source, serving(Provider(data, source)) as found:
        yield found
        for id in list(found.forks):
            found.delete(id)


@contextmanager
def serving(provider: Provider) -> Generator[Provider]:
    """Its API answers at its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(provider)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provider.url = f"http://127.0.0.1:{server.server_port}"
        yield provider
        server.shutdown()


def handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, body = provider.answer(self.command, self.path, json.loads(data) if data else None)
            else:
                status, body = 401, {"id": "Unauthorized", "message": "Unable to authenticate you"}
            self.send_response(status)
            text = b"" if body is None else json.dumps(body).encode()
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = respond

        def log_message(self, format: str, *args: object) -> None: ...

    return Handler
