"""The local endpoint answers as OpenAI's does."""

import json
import math
import os
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
from dev.services.embeddings_server import Embeddings, embeddings
from tests.support.clock import HANGS

MAIL, LETTER, WEATHER = "Send an e-mail to the customer", "A message is mailed to a client", "It rains in the mountains"

type Vector = list[float]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Generator[Embeddings]:
    with embeddings(tmp_path_factory.mktemp("embeddings")) as running:
        yield running  # not waited for: who asks too early waits for the answer


def post(endpoint: Embeddings, body: bytes) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    headers = {"Authorization": "Bearer local", "Content-Type": "application/json"}
    connection.request("POST", endpoint.url.partition(str(endpoint.port))[2] + "/embeddings", body, headers)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def ask(endpoint: Embeddings, **said: object) -> Any:
    status, answer = post(endpoint, json.dumps({"model": "wordllama-256", "dimensions": 1536, **said}).encode())
    assert status == 200, answer
    return answer


def vectors(endpoint: Embeddings, *texts: str, **said: object) -> list[Vector]:
    return [row["embedding"] for row in ask(endpoint, input=list(texts), **said)["data"]]


def cosine(one: Vector, other: Vector) -> float:
    return math.sumprod(one, other) / math.sqrt(math.sumprod(one, one) * math.sumprod(other, other))


def test_an_answer_has_the_form_of_openais(endpoint: Embeddings) -> None:
    answer = ask(endpoint, input=[MAIL, WEATHER])
    rows = answer.pop("data")
    tokens = answer["usage"]["prompt_tokens"]
    assert tokens > 5
    assert answer == {
        "object": "list",
        "model": "wordllama-256",
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    assert [(row["object"], row["index"], len(row["embedding"])) for row in rows] == [
        ("embedding", 0, 1536),
        ("embedding", 1, 1536),
    ]
    assert {type(number) for row in rows for number in row["embedding"]} == {float}


@pytest.mark.parametrize(("model", "size"), [("wordllama-256", 256), ("wordllama-64", 64)])
def test_a_vector_has_length_1_and_zeros_after_what_the_model_knows(
    endpoint: Embeddings, model: str, size: int
) -> None:
    (vector,) = vectors(endpoint, MAIL, model=model)
    assert math.sumprod(vector, vector) == pytest.approx(1, abs=1e-6)
    assert vector[size - 1] != 0
    assert vector[size:] == [0.0] * (1536 - size)


def test_a_vector_has_as_many_dimensions_as_asked_for_else_the_models_own(endpoint: Embeddings) -> None:
    (own,) = vectors(endpoint, MAIL, dimensions=None)
    (fewer,) = vectors(endpoint, MAIL, dimensions=100)
    assert (len(own), len(fewer)) == (256, 100)
    assert cosine(own[:100], fewer) == pytest.approx(1, abs=1e-6)
    assert math.sumprod(fewer, fewer) == pytest.approx(1, abs=1e-6)


def test_the_same_text_has_the_same_vector_whatever_is_beside_it(endpoint: Embeddings) -> None:
    (alone,) = vectors(endpoint, MAIL)
    beside, between = vectors(endpoint, "long " * 2000, MAIL)[1], vectors(endpoint, WEATHER, MAIL, LETTER)[1]
    assert alone == beside == between
    assert ask(endpoint, input=MAIL)["data"][0]["embedding"] == alone


def test_alike_texts_are_nearer_than_others(endpoint: Embeddings) -> None:
    mail, letter, weather = vectors(endpoint, MAIL, LETTER, WEATHER)
    assert cosine(mail, letter) > cosine(mail, weather) + 0.2


def test_the_smaller_model_is_the_larger_one_cut_off(endpoint: Embeddings) -> None:
    (large,), (small,) = vectors(endpoint, MAIL), vectors(endpoint, MAIL, model="wordllama-64")
    assert small != large
    assert cosine(small[:64], large[:64]) == pytest.approx(1, abs=1e-6)


def test_a_hundred_texts_take_less_than_a_tenth_of_a_second_of_its_time(endpoint: Embeddings) -> None:
    texts = [f"{MAIL}, number {number}. " * 20 for number in range(100)]
    assert len(vectors(endpoint, *texts)) == 100
    began = cpu_seconds(endpoint.process.pid)
    for _ in range(10):
        assert len(vectors(endpoint, *texts)) == 100
    assert 0 < cpu_seconds(endpoint.process.pid) - began < 10 * 0.1


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_unknown_model_is_not_found(endpoint: Embeddings) -> None:
    body = {"model": "text-embedding-3-small", "input": "x", "dimensions": 1536}
    assert post(endpoint, json.dumps(body).encode()) == (
        404,
        {
            "error": {
                "message": "The model `text-embedding-3-small` does not exist.",
                "type": "invalid_request_error",
                "code": "model_not_found",
            }
        },
    )


@pytest.mark.parametrize(
    ("said", "beginning"),
    [
        ({"input": ""}, "input.0: "),
        ({"input": ["x", ""]}, "input.1: "),
        ({"input": []}, "input: "),
        ({"input": ["x"] * 2049}, "input: "),
        ({"input": 7}, "input: "),
        ({"input": [[1, 2]]}, "input.0: "),
        ({"input": "\ud800"}, ""),
        ({}, "input: "),
        ({"input": "x", "dimensions": 0}, "dimensions: "),
        ({"input": "x", "dimensions": 10**12}, "dimensions: "),
        ({"input": "x", "model": None}, "model: "),
    ],
)
def test_what_cannot_be_embedded_is_reported(endpoint: Embeddings, said: dict[str, object], beginning: str) -> None:
    status, answer = post(endpoint, json.dumps({"model": "wordllama-256", **said}).encode())
    assert (status, answer["error"]["type"], answer["error"]["code"]) == (400, "invalid_request_error", "invalid_input")
    assert answer["error"]["message"].startswith(beginning)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"input": "\xff"}'])
def test_what_is_no_request_is_reported(endpoint: Embeddings, body: bytes) -> None:
    status, answer = post(endpoint, body)
    assert (status, answer["error"]["code"]) == (400, "invalid_input")


def test_it_says_when_its_model_is_loaded(tmp_path: Path) -> None:
    with embeddings(tmp_path) as running:
        running.wait()
        assert vectors(running, MAIL)


def test_one_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with embeddings(tmp_path) as running, pytest.raises(StartupError, match=r"model did not start: .*embeddings.log"):
        running.wait()


def test_the_server_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from dev.services.embeddings_server import embeddings\n"
        "with embeddings(Path(sys.argv[1])) as running: running.wait(); print(running.port, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with starter:
        assert starter.stdout
        port = int(starter.stdout.readline())
        assert answers(port)
        starter.kill()
    deadline = time.monotonic() + HANGS
    while answers(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
