"""A page of an origin of its own, opened by headless Chromium, that reports what its script returned."""

import json
import shutil
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any, override

import pytest

from tests.support.clock import HANGS

BINARY = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not BINARY, reason="Chromium is missing: apt-get install chromium")

PAGE = """<!doctype html><script type="module">
const reported = async () => { try { return await (async () => { %s })() } catch (error) { return String(error) } };
fetch("/", {method: "POST", body: JSON.stringify(await reported())});
</script>"""


class Site:
    """Serves one page, and takes what its script reports."""

    def __init__(self, server: ThreadingHTTPServer, reports: Queue[Any], script: dict[str, str]) -> None:
        self.origin = f"http://127.0.0.1:{server.server_address[1]}"
        self._reports, self._script = reports, script

    def returned_by(self, script: str, profile: Path) -> Any:
        """What the script, the body of an async function, returns in a browser that is on the page."""
        assert BINARY
        self._script["text"] = script
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
        with subprocess.Popen(
            [BINARY, *options, self.origin], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as browser:
            try:
                return self._reports.get(timeout=HANGS)
            except Empty:
                raise AssertionError("The page did not report.") from None
            finally:
                browser.terminate()


@contextmanager
def site() -> Generator[Site]:
    reports, script = Queue[Any](), dict[str, str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send((PAGE % script["text"]).encode() if self.path == "/" else b"")

        def do_POST(self) -> None:
            reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(b"")

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield Site(server, reports, script)
        finally:
            server.shutdown()
