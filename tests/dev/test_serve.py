"""`python -m dev` as a developer starts and ends it."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from socket import create_server

import psycopg
import pytest

from dev.samples.load_demo import SAMPLE
from dev.services.database import NAME
from dev.services.object_storage import reach
from dev.services.postgres import cluster, create_database, free_port
from schema.migrate import LEDGER, MERGED
from tests.support.clock import HANGS
from tests.support.dev_process import LocalPlatform, run, start, token
from tests.support.s3 import bucket_in


@pytest.fixture(autouse=True)
def environment_of_a_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("PORT", raising=False)


@pytest.fixture
def local_platform(data: Path) -> Generator[LocalPlatform]:
    platform, _ = start(data)
    with platform.process:
        yield platform
        platform.process.kill()


def left_behind(data: Path) -> list[str]:
    """The processes that name the folder in their command or their variables."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(data).encode() in words:
            found.append(words.decode(errors="replace"))
    return found


def wait_until_nothing_is_left(data: Path) -> None:
    deadline = time.monotonic() + HANGS
    while left := left_behind(data):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_end_leaves_no_process_behind(local_platform: LocalPlatform, how: signal.Signals) -> None:
    assert left_behind(local_platform.data)
    assert local_platform.end(how) == 0
    assert left_behind(local_platform.data) == []


def test_even_a_kill_leaves_no_process_behind(local_platform: LocalPlatform) -> None:
    local_platform.end(signal.SIGKILL)
    wait_until_nothing_is_left(local_platform.data)


def captured() -> Counter[tuple[str, str]]:
    pages = json.loads((SAMPLE / "executions_pages.json").read_text())
    return Counter((run["status"], run["mode"]) for page in pages for run in page["data"])


def test_the_demo_is_what_n8n_ran_and_a_second_start_keeps_it(data: Path) -> None:
    for _ in range(2):
        platform, said = start(data)
        with platform.process:
            listed = platform.get("/routes/workflows?limit=250", token(data))
            runs = platform.get("/routes/workflow-executions?limit=250&offset=0", token(data))
            more = platform.get("/routes/workflow-executions?limit=250&offset=250", token(data))
            platform.end(signal.SIGINT)
        assert len(listed) == 9
        assert Counter((run["status"], run["mode"]) for run in [*runs, *more]) == captured()
        assert "curl" in said and "/routes/docs" in said


def test_a_token_is_printed_alone_and_a_super_admin_sees_every_tenant(local_platform: LocalPlatform) -> None:
    stranger = run("token", "--user", "u1", "--email", "u1@demo.example", "--data", local_platform.data).stdout.strip()
    assert stranger.count(".") == 2 and " " not in stranger and "\n" not in stranger
    admin = run("token", "--user", "u2", "--email", "u2@demo.example", "--super-admin", "--data", local_platform.data)
    listed = local_platform.get("/routes/workflows?tenant_id=demo", admin.stdout.strip())
    assert len(listed) == 9


def test_a_function_is_invoked_by_itself(local_platform: LocalPlatform) -> None:
    invoked = run("invoke", "partitions", "--data", local_platform.data)
    assert (invoked.returncode, set(json.loads(invoked.stdout))) == (0, {"state", "partitions_made"})


def stored(data: Path, body: bytes) -> list[str]:
    """What a platform's storage has, before this is put there too."""
    platform, _ = start(data)
    with platform.process, reach(data) as storage:
        bucket = bucket_in(storage)
        found = bucket.keys()
        bucket.client.put_object(Bucket=bucket.name, Key="kept", Body=body)
        assert platform.end(signal.SIGINT) == 0
    return found


def test_objects_outlive_the_platform(data: Path) -> None:
    before = stored(data, b"kept")
    assert stored(data, b"again") == [*before, "kept"]


def test_a_taken_port_is_one_sentence(data: Path) -> None:
    with create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("serve", "--port", str(port), "--data", data)
    assert ended.returncode == 1
    assert ended.stderr == f"Port {port} is taken: stop what uses it, or choose another with PORT={port + 1}.\n"


@pytest.mark.parametrize("port", ["70000", "many"])
def test_a_port_that_is_none_is_refused_without_a_trace(data: Path, port: str) -> None:
    ended = run("serve", "--port", port, "--data", data)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr


def test_a_database_that_does_not_answer_is_one_sentence(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    ended = run("serve", "--port", str(free_port()), "--data", data)
    assert ended.returncode == 1
    assert ended.stderr.startswith("DATABASE_URL leads nowhere, so correct or unset it: ")
    assert ended.stderr.count("\n") == 1


def test_data_of_the_version_before_is_one_sentence_that_says_what_to_do(own_data: Path) -> None:
    with cluster(own_data) as server, psycopg.connect(create_database(server, NAME)) as connection:
        connection.execute(LEDGER)
        connection.execute("INSERT INTO app.schema_migrations (name, sha256) VALUES (%s, '')", (MERGED,))
    ended = run("serve", "--port", str(free_port()), "--data", own_data)
    assert ended.returncode == 1
    assert "This database was made by an earlier version" in ended.stderr and "start again" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_two_platforms_do_not_share_a_folder(local_platform: LocalPlatform) -> None:
    ended = run("serve", "--port", str(free_port()), "--data", local_platform.data)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Another platform runs on ")


def test_the_port_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, data: Path) -> None:
    with create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("PORT", str(other.getsockname()[1]))
        ended = run("serve", "--data", data)
    assert ended.stderr.startswith(f"Port {os.environ['PORT']} is taken")


def test_another_database_may_be_named(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(tmp_path) as server:
        url = create_database(server, "elsewhere")
        monkeypatch.setenv("DATABASE_URL", url)
        platform, said = start(data)
        with platform.process:
            platform.end(signal.SIGINT)
        assert "306 created" in said
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT FROM app.tenants WHERE slug = 'demo'").rowcount == 1
