"""An embeddings endpoint as OpenAI's API has it, which a test may have answer anything else."""

import json
import math
import re
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

DIMENSIONS = 1536
HANGS_UP = 0  # instead of a status: the connection ends without an answer

type Json = dict[str, Any]
type Answer = Callable[[Json], tuple[int, Any]]  # a status, and JSON or a text


def vector_of(text: str, model: str = "model-a") -> list[float]:
    """Near to that of a text with the same words, and in every model another one."""
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [text]:
        digest = sha256(f"{model} {word}".encode()).digest()
        for index in range(0, 16, 2):
            vector[int.from_bytes(digest[index : index + 2]) % DIMENSIONS] += 1.0
    length = math.sqrt(sum(number * number for number in vector))
    return [round(number / length, 5) for number in vector]


def rightly(asked: Json) -> tuple[int, Json]:
    rows = [
        {"object": "embedding", "index": index, "embedding": vector_of(text, asked["model"])}
        for index, text in enumerate(asked["input"])
    ]
    tokens = sum(len(text.split()) for text in asked["input"])
    return 200, {"object": "list", "model": asked["model"], "data": rows, "usage": {"total_tokens": tokens}}


@dataclass
class Endpoint:
    url: str
    answer: Answer = rightly
    asked: list[Json] = field(default_factory=list[Json])
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def texts(self) -> list[str]:
        """All that it was asked to embed."""
        return [text for asked in self.asked for text in asked["input"]]

    @contextmanager
    def answering(self, answer: Answer, **headers: str) -> Generator[None]:
        self.answer, self.headers = answer, headers
        try:
            yield
        finally:
            self.answer, self.headers = rightly, {}


@contextmanager
def running() -> Generator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.asked.append(asked)
            status, body = endpoint.answer(asked)
            if status == HANGS_UP:
                self.close_connection = True
                return
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**endpoint.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
