import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from http.client import HTTPConnection
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from dev.errors import StartupError
from dev.paths import ROOT
from dev.services.object_storage import reach, storage
from tests.support.clock import HANGS
from tests.support.s3 import Bucket, bucket_in

KEY = "workflow_executions/month=2026-01/tenant=a/b.parquet"


@pytest.fixture
def bucket(tmp_path: Path) -> Generator[Bucket]:
    with storage(tmp_path) as running:
        yield bucket_in(running)


def put(bucket: Bucket, body: bytes, key: str = KEY) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=body)


def read(bucket: Bucket, key: str = KEY) -> bytes:
    return bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()


def test_an_object_is_a_file_as_it_was_written(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "s3" / bucket.name / KEY
    put(bucket, b"first")
    assert file.read_bytes() == b"first"
    put(bucket, b"second")
    assert file.read_bytes() == b"second"


def test_a_removed_object_has_no_file(bucket: Bucket, tmp_path: Path) -> None:
    for key in ("one", "two", "three"):
        put(bucket, b"", key)
    bucket.client.delete_object(Bucket=bucket.name, Key="one")
    bucket.client.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": "two"}]})
    assert [path.name for path in (tmp_path / "s3" / bucket.name).iterdir()] == ["three"] == bucket.keys()


def test_an_object_of_several_parts_is_a_file_when_it_is_whole(bucket: Bucket, tmp_path: Path) -> None:
    client: Any = bucket.client
    named = {"Bucket": bucket.name, "Key": KEY}
    upload = client.create_multipart_upload(**named)["UploadId"]
    part = client.upload_part(**named, UploadId=upload, PartNumber=1, Body=b"part")
    file = tmp_path / "s3" / bucket.name / KEY
    assert not file.exists()
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    client.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    assert file.read_bytes() == b"part"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_written_outlives_the_server(tmp_path: Path, how: signal.Signals) -> None:
    with storage(tmp_path) as running:
        put(bucket_in(running), b"kept")
        os.kill(running.pid, how)
    with storage(tmp_path) as running:
        found = bucket_in(running)
        assert (found.keys(), read(found)) == ([KEY], b"kept")
        found.client.delete_object(Bucket=found.name, Key=KEY)
    assert not (tmp_path / "s3" / found.name / KEY).exists()


def test_the_server_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from dev.services.object_storage import storage\n"
        "with storage(Path(sys.argv[1])) as running: print(running.port, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with starter:
        assert starter.stdout
        port = int(starter.stdout.readline())
        starter.kill()
    deadline = time.monotonic() + HANGS
    while answers(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_running_server_is_reached_and_left_running(tmp_path: Path) -> None:
    with storage(tmp_path) as running:
        with reach(tmp_path) as reached:
            assert reached == running
        put(bucket_in(running), b"still there")


def test_where_none_runs_one_is_started(tmp_path: Path) -> None:
    with storage(tmp_path) as before:
        put(bucket_in(before), b"kept")
    with reach(tmp_path) as started:
        assert started.pid != before.pid
        assert read(bucket_in(started)) == b"kept"


def test_the_bucket_keeps_versions_as_the_deployed_one_does(bucket: Bucket) -> None:
    put(bucket, b"first")
    put(bucket, b"second")
    listed = bucket.client.list_object_versions(Bucket=bucket.name)
    assert [version["Size"] for version in listed.get("Versions", []) if "Size" in version] == [6, 5]


def test_no_name_leads_out_of_the_folder(bucket: Bucket, tmp_path: Path) -> None:
    connection = HTTPConnection(bucket.endpoint.removeprefix("http://"), timeout=5)
    connection.request("PUT", f"/{bucket.name}/..%2f..%2f..%2fescaped", b"x")
    with connection.getresponse() as response:
        assert response.status == 400
    connection.close()
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "s3").write_text("no folder")
    with pytest.raises(StartupError, match=r"The object storage did not start: .*s3.log"), storage(tmp_path):
        pass
