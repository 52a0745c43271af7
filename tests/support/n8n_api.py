"""n8n's public API as a test wants it: captured runs, answers that fail, runs that end or are pruned meanwhile."""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from urllib.parse import parse_qs, urlsplit

from tests.support.n8n_capture import Json, executed, pages

KEY = "n8n-key-of-a-test"
OTHERS = {"data", "workflowData", "customData"}  # only with includeData

CAPTURED = [run for page in pages() for run in page["data"]]
START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)

type Raw = tuple[int, dict[str, str], bytes]


def ran(id: int, **fields: Any) -> Json:
    """A run of a second, so many seconds after START."""
    start = START + timedelta(seconds=id)
    moments = {"startedAt": start.isoformat(), "stoppedAt": (start + timedelta(seconds=1)).isoformat()}
    return executed(str(id), **moments | {"data": {"id": id}} | fields)


@dataclass
class N8nApi:
    port: int
    runs: dict[int, Json] = field(default_factory=dict[int, Json])
    deadly: set[int] = field(default_factory=set[int])  # whose data takes all of n8n's memory
    is_dead: bool = False  # of that, until somebody starts it again
    unlisted: set[int] = field(default_factory=set[int])  # under way or waiting: by their ids alone
    workflows: list[Json] = field(default_factory=list[Json])
    answers: list[Raw | Callable[[], Any] | None] = field(default_factory=list[Any])  # instead of the next ones
    rights: tuple[str, ...] = ("executions", "workflows")
    asked: list[str] = field(default_factory=list[str])
    cursors: str = "1"  # what cursors of this time begin with; others are refused
    version: str | None = "2.8.4"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(self, rows: list[Json]) -> None:
        self.runs |= {int(row["id"]): row for row in rows}

    def answer(self, path: str, key: str | None) -> Raw:
        self.asked.append(path)
        planned = self.answers.pop(0) if self.answers else None
        if callable(planned):
            planned()
        elif planned:
            return planned
        return self.meant(urlsplit(path).path, {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}, key)

    def meant(self, path: str, query: dict[str, str], key: str | None) -> Raw:
        if path == "/rest/settings":
            return said({"data": {"versionCli": self.version} if self.version else {}})
        if key != KEY:
            return said({"message": "unauthorized"}, 401)
        what, _, id = path.removeprefix("/api/v1/").partition("/")
        if what not in self.rights:
            return said({"message": "Forbidden"}, 403)
        if what == "workflows":
            last = b64decode(query.get("cursor", "")).decode().split()[1:2]
            ids = [workflow.get("id") for workflow in self.workflows]
            return said(self.page(self.workflows[ids.index(last[0]) + 1 if last else 0 :], query))
        with_data = query.get("includeData") == "true"
        if id:
            run = self.runs.get(int(id))
            self.is_dead = self.is_dead or (with_data and int(id) in self.deadly)
            return said(shown(run, with_data)) if run else said({"message": "Not Found"}, 404)
        listed = [self.runs[id] for id in sorted(self.runs, reverse=True) if id not in self.unlisted]
        if "cursor" not in query:
            return self.listed(listed, query, with_data)
        made, last, limit = b64decode(query["cursor"]).decode().split()
        if made != self.cursors:
            return said({"message": "An invalid cursor was provided"}, 400)
        return self.listed([run for run in listed if int(run["id"]) < int(last)], {"limit": limit}, with_data)

    def listed(self, runs: list[Json], query: dict[str, str], with_data: bool) -> Raw:
        page = self.page([shown(run, with_data) for run in runs], query)
        self.is_dead = self.is_dead or (with_data and any(int(run["id"]) in self.deadly for run in page["data"]))
        return said(page)

    def page(self, rows: list[Json], query: dict[str, str]) -> Json:
        limit = int(query.get("limit", "100"))
        cursor = None
        if len(rows) > limit:
            cursor = b64encode(f"{self.cursors} {rows[limit - 1]['id']} {limit}".encode()).decode()
        return {"data": rows[:limit], "nextCursor": cursor}


def said(content: Any, status: int = 200) -> Raw:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def failing(status: int, **headers: str) -> Raw:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, b'{"message": "No"}'


def shown(run: Json, with_data: bool) -> Json:
    return run if with_data else {name: value for name, value in run.items() if name not in OTHERS}


@contextmanager
def serving() -> Generator[N8nApi]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = api.answer(self.path, self.headers.get("X-N8N-API-KEY"))
            if api.is_dead:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api = N8nApi(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield api
        server.shutdown()
