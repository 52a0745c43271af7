import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from dev.paths import ROOT
from tests.support.local_platform import Running

TEXT = {"Content-Type": "text/plain"}


def look(running: Running) -> dict[str, Any]:
    """What the function finds around it."""
    return running.ask("GET", "/open").json


def test_a_function_has_its_code_its_layers_and_the_runtime_and_no_more(running: Running, data: Path) -> None:
    folders = [Path(entry) for entry in look(running)["path"] if Path(entry).is_dir()]
    assert running.folder / "open" in folders
    assert running.folder / "shared" in folders
    assert not any(ROOT in folder.parents or folder == ROOT for folder in folders)
    assert [folder for folder in folders if "packages" in folder.name] == []
    assert [folder.parent for folder in folders if folder.name.startswith("runtime-")] == [data]


def test_a_function_has_lambdas_variables_and_the_templates(running: Running) -> None:
    env = look(running)["env"]
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "OpenFunction"
    assert env["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert env["GREETING"] == "hello"
    assert "HOME" not in env
    assert "SIGNING_KEY" not in env  # its template does not ask for one


def test_a_process_serves_many_requests(running: Running) -> None:
    assert look(running)["pid"] == look(running)["pid"]


def test_a_function_that_is_started_ahead_answers_by_that_process(running: Running) -> None:
    pid = look(running)["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)  # until it is gone
    asyncio.run_coroutine_threadsafe(running.platform.start(["OpenFunction"]), running.loop).result()
    ahead = running.pid("OpenFunction")
    assert ahead != pid
    assert look(running)["pid"] == ahead


def test_a_function_that_ended_is_started_anew(running: Running) -> None:
    first = look(running)["pid"]
    running.ask("POST", "/open", b"exit", TEXT)
    second = look(running)["pid"]
    os.kill(second, signal.SIGKILL)
    time.sleep(0.2)  # until it is gone
    third = look(running)["pid"]
    assert len({first, second, third}) == 3


def test_a_function_that_hangs_is_killed_when_its_time_is_over(running: Running) -> None:
    pid = look(running)["pid"]
    answer = running.ask("POST", "/open", b"hang", TEXT)
    assert (answer.status, answer.body) == (503, b'{"message":"Service Unavailable"}')
    assert look(running)["pid"] != pid


def test_changed_code_serves_the_next_request(running: Running) -> None:
    assert look(running)["version"] == 1
    (running.folder / "shared" / "shared.py").write_text("VERSION = 2\n")
    assert look(running)["version"] == 2


def test_code_that_cannot_be_imported_is_an_error_until_it_is_mended(running: Running) -> None:
    shared = running.folder / "shared" / "shared.py"
    shared.write_text("VERSION =\n")
    assert running.ask("GET", "/open").status == 500
    shared.write_text("VERSION = 3\n")
    assert look(running)["version"] == 3
