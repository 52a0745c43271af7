"""What a file does to its reader: it ends with a reason, within bounds of memory and time, and learns nothing."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flomastr.errors import UnprocessableError
from flomastr.readers import reading
from flomastr.readers.kinds import SentFile
from tests.support.hostile_files import HOSTILE
from tests.support.office import docx
from tests.support.pdfs import pdf

READ_ALL = """
import json, resource, sys
from dataclasses import replace
from pathlib import Path
from flomastr.errors import UnprocessableError
from flomastr.readers import reading
from flomastr.readers.kinds import SentFile

def code_of(path):
    try:
        reading.read(SentFile(path.read_bytes(), "", path.name), replace(reading.OF_A_REQUEST, cpu_seconds=2))
    except UnprocessableError as error:
        return error.code
    return "read"

codes = {path.name: code_of(path) for path in Path(sys.argv[1]).iterdir()}
json.dump([codes, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss], sys.stderr)
"""


def test_forty_hostile_files_end_by_name_and_below_512_megabytes(tmp_path: Path) -> None:
    """In a small process: a child counts as large as its parent is when it begins."""
    for name, _, make in HOSTILE:
        (tmp_path / name).write_bytes(make())
    command = [sys.executable, "-c", READ_ALL, str(tmp_path)]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=paths, check=True)
    codes, kilobytes = json.loads(done.stderr)
    assert len(codes) >= 38
    assert codes == {name: code for name, code, _ in HOSTILE}
    assert kilobytes < 512 * 1024


def test_a_reader_that_does_not_end_is_ended() -> None:
    bounds = replace(reading.OF_A_REQUEST, seconds=0)
    with pytest.raises(UnprocessableError, match="takes more than 0 seconds") as raised:
        reading.read(SentFile(pdf(["Refunds"]), "application/pdf", "a"), bounds)
    assert raised.value.code == "file_too_large"


def test_a_reader_that_does_not_start_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.sys, "path", ["/nowhere"])
    with pytest.raises(RuntimeError, match="does not work"):
        reading.read(SentFile(pdf(["Refunds"]), "application/pdf", "a"))


def test_a_reader_learns_no_secret_of_the_function(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    run: Any = subprocess.run

    def noted(*args: Any, **more: Any) -> Any:
        given.append(more["env"])
        return run(*args, **more)

    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setattr(subprocess, "run", noted)
    assert reading.read(SentFile(docx("Refunds"), "", "a.docx")).parts[0].text == "Refunds\n"
    assert [set(variables) for variables in given] == [{"PYTHONPATH", "LD_LIBRARY_PATH"}]
    assert "DATABASE_URL" in os.environ
