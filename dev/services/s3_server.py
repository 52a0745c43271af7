"""S3 itself, as a process of its own: moto's server, whose objects are files. It serves SQS too.

A write is answered when its file is written, so the objects live as long as the database that names them.
Versions that are not current end with the process, and so do queues.
"""

import fcntl
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import FakeKey, S3Backend, s3_backends
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
READS = {"GET", "HEAD", "OPTIONS"}
RECEIVE = "AmazonSQS.ReceiveMessage"


class PersistentMoto:
    """The server, with each object also at `<folder>/<bucket>/<key>`."""

    def __init__(self, folder: Path, versioned: str, plain: str) -> None:
        self._folder = folder
        self._plain = plain
        for bucket in (versioned, plain):
            (folder / bucket).mkdir(parents=True, exist_ok=True)
        self._serve: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        self._backend: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._written: dict[Path, FakeKey] = {}
        self._turn = Lock()
        self._load()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Who waits for a message must not keep those from their turn who send one.
        if environ["REQUEST_METHOD"] in READS or environ.get("HTTP_X_AMZ_TARGET") == RECEIVE:
            return self._serve(environ, start_response)
        if ".." in environ["PATH_INFO"].split("/"):
            start_response("400 Bad Request", [])  # no object's name leads out of the folder
            return []
        with self._turn:
            answer = self._serve(environ, start_response)
            self._write()
            return answer

    def _load(self) -> None:
        for folder in self._folder.iterdir():
            self._backend.create_bucket(folder.name, "us-east-1")
            if folder.name != self._plain:
                self._backend.put_bucket_versioning(folder.name, "Enabled")
            for path in (path for path in folder.rglob("*") if path.is_file()):
                key = self._backend.put_object(folder.name, str(path.relative_to(folder)), path.read_bytes())
                self._written[path] = key

    def _write(self) -> None:
        """Bring the files to what is current: objects that are replaced are other ones to moto."""
        current = self._current()
        for path in self._written.keys() - current.keys():
            path.unlink()
        for path, key in current.items():
            if self._written.get(path) is not key:
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh = self._folder.with_suffix(".new")
                fresh.write_bytes(key.value)
                fresh.rename(path)  # so that a kill never makes half a file
        self._written = current

    def _current(self) -> dict[Path, FakeKey]:
        return {
            self._folder / bucket.name / key.name: key
            for bucket in self._backend.buckets.values()
            for key in _newest(bucket.keys)
            if isinstance(key, FakeKey)  # and no mark of a deletion
        }


def _newest(versions: Any) -> Iterator[object]:
    return versions.values()


def main(data: Path, versioned: str, plain: str) -> None:
    """Serve until killed. Who holds the lock serves, at the port that is written there."""
    with (data / "s3.port").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for a predecessor that is being killed
        server = make_server(HOST, 0, PersistentMoto(data / "s3", versioned, plain), threaded=True)
        lock.truncate(0)
        print(server.port, os.getpid(), file=lock, flush=True)
        print(server.port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
