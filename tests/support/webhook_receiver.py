"""A receiver of webhooks on this machine, which a test may have answer anything."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from typing import Any

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Received:
    request_line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    port: int
    answers: list[bytes | None] = field(default_factory=list[bytes | None])  # None: it never answers; then always OK
    received: list[Received] = field(default_factory=list[Received])
    always: bytes | None = OK

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?from=flomastr"

    def answer(self) -> bytes | None:
        return self.answers.pop(0) if self.answers else self.always

    def serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, suppress(OSError):
            line = stream.readline().decode().strip()
            read = b"".join(iter(stream.readline, b"\r\n"))
            headers = {name.lower(): value for name, value in parse_headers(BytesIO(read + b"\r\n")).items()}
            body = stream.read(int(headers["content-length"]))
            self.received.append(Received(line, headers, body))
            answer = self.answer()
            if answer is None:
                client.recv(1)  # until the sender hangs up
            else:
                client.sendall(answer)


@contextmanager
def receiving() -> Generator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver(server.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client: Any = server.accept()[0]
                    threading.Thread(target=receiver.serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield receiver
        server.shutdown(socket.SHUT_RDWR)
