"""Bodies in gzip: read as if they had been sent as they are, measured and charged for by what they hold."""

import gzip
import json
import zlib
from base64 import b64decode
from typing import Any

import psycopg
import pytest

from flomastr.auth.webhook_signatures import signature, signing_secret
from flomastr.http.delivery import body_size
from functions.events.handler import lambda_handler as events
from functions.executions.handler import lambda_handler as executions
from tests.functions.test_events_callers import signed, signing
from tests.support.events import Answer, call, http_event
from tests.support.factories import Factory, Tenant
from tests.support.n8n_capture import PATH, Instance, executed, failed, instance
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]

GZIP = {"content-encoding": "gzip"}


@pytest.fixture
def n8n(make: Factory) -> Instance:
    return instance(make)


def packed(body: Any) -> bytes:
    return gzip.compress(json.dumps(body).encode(), mtime=0)


def test_events_arrive_as_if_they_were_sent_as_they_are(n8n: Instance) -> None:
    runs = [executed(str(number), data={"x": "\u00fc" * 20_000}) for number in range(20)]
    body = packed(runs)
    event = http_event("POST", PATH, body=body, headers=GZIP)
    assert (b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)  # as AWS delivers what is no text
    answer = n8n.post(body, headers=GZIP)
    assert [result["outcome"] for result in answer.json["results"]] == ["created"] * 20
    assert [result["outcome"] for result in n8n.send(*runs)] == ["unchanged"] * 20


@pytest.mark.parametrize("encoding", ["GZIP", "Gzip"])
def test_an_encoding_has_no_case(n8n: Instance, encoding: str) -> None:
    assert n8n.post(packed(failed()), headers={"content-encoding": encoding}).status == 202


def test_a_signature_is_of_the_bytes_that_were_sent(n8n: Instance, superuser: Superuser) -> None:
    key, body = signing(n8n, superuser).key, packed(failed())
    headers = signed(key.id)

    def sent(signed_bytes: bytes) -> Answer:
        by = signature(signing_secret(key.id), "msg_1", headers["webhook-timestamp"], signed_bytes)
        path = f"{PATH}?key={key.id}"
        return call(events, "POST", path, body=body, headers=headers | GZIP | {"webhook-signature": by})

    assert sent(body).status == 202
    assert sent(json.dumps(failed()).encode()).json["code"] == "invalid_signature"


def with_its_size(body: bytes, size: int) -> bytes:
    return body[:-4] + size.to_bytes(4, "little")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"\xff\xfe",
        packed(failed())[:-1],
        packed(failed())[:30],
        packed(failed()) + b"x" * 3,
        packed(failed()) * 2,
        zlib.compress(b"{}"),
        with_its_size(packed(failed()), 10),
        with_its_size(packed(failed()), 4_000_000),
        packed(failed())[:-4] + b"\xff\xff\xff\xff",
    ],
    ids=range(10),
)
def test_what_is_no_whole_stream_of_gzip_is_refused(n8n: Instance, body: bytes) -> None:
    answer = n8n.post(body, headers=GZIP)
    refused(answer, 415)
    assert answer.json["code"] == "unsupported_encoding"
    assert answer.json["detail"] == "The body is not one whole stream of gzip, as its Content-Encoding says."


def test_another_encoding_is_refused_with_those_that_are_read(n8n: Instance) -> None:
    answer = n8n.post(b"\x28\xb5\x2f\xfd", headers={"content-encoding": "zstd"})
    refused(answer, 415)
    assert answer.headers["accept-encoding"] == "identity, gzip"


def test_a_bomb_is_measured_by_what_it_holds_and_unpacked_no_further_than_it_says(
    n8n: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b" " * 5_000_001)
    assert len(bomb) < 10_000
    answer = n8n.post(bomb, headers=GZIP)
    refused(answer, 413)
    made = list[int]()
    inflater = zlib.decompressobj

    class Watched:
        def __init__(self, **options: Any):
            self.stream = inflater(**options)

        def decompress(self, data: bytes, most: int) -> bytes:
            content = self.stream.decompress(data, most)
            made.append(len(content))
            return content

        def __getattr__(self, name: str) -> Any:
            return getattr(self.stream, name)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    refused(n8n.post(with_its_size(bomb, 2), headers=GZIP), 415)
    assert made == [3]


@pytest.mark.parametrize("size", [1, 2, 3, 30_000, 4_999_999])
def test_what_a_body_holds_is_what_it_weighs(size: int) -> None:
    """In requests, one for 5,000 bytes: tests/functions/test_weight.py."""
    event = http_event("POST", PATH, body=gzip.compress(b"x" * size), headers=GZIP)
    assert body_size(event) == max(size, len(b64decode(event["body"])))


def test_nobody_unpacks_for_a_stranger(n8n: Instance, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    body = packed([executed("1", data={"x": "y" * 500_000})])
    monkeypatch.setattr(zlib, "decompressobj", None)
    unknown = n8n.key._replace(secret=instance(make).key.secret)
    answer = call(events, "POST", PATH, body=body, headers=GZIP | {"authorization": f"Bearer {unknown.token()}"})
    refused(answer, 401)


def test_executions_are_taken_compressed_too(tenant: Tenant, make: Factory) -> None:
    make.workflow(tenant, n8n_workflow_id="wf")
    one = {"n8n_workflow_id": "wf", "n8n_execution_id": "1", "status": "success"}
    batch = packed({"executions": [one]})

    def ask(path: str, body: bytes) -> Answer:
        headers = GZIP | {"idempotency-key": f"key{path}"}
        return call(
            executions, "POST", f"/routes/workflow-executions{path}", body=body, headers=headers, caller=tenant.owner
        )

    assert ask("/batch", batch).json["results"][0]["outcome"] == "created"
    assert ask("/batch", batch).json["results"][0]["outcome"] == "created"  # repeated under its key
    assert ask("", packed(one)).status == 200
    assert ask("/other", b"{}").status == 405
    refused(ask("", b"{}"), 415)
