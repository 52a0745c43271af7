"""The worker behind the queue: what it embeds, puts off and gives up. Nobody waits for what is another's fault."""

import json
import socket
import threading
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.embeddings import claims, client, dead_letters, worker
from flomastr.embeddings.claims import MAX_ATTEMPTS
from flomastr.embeddings.client import EndpointBusyError, EndpointRefusedError
from functions.embed.handler import lambda_handler
from tests.support.clock import HANGS
from tests.support.connected import connected
from tests.support.embeddings_endpoint import HANGS_UP, rightly, vector_of
from tests.support.events import Context
from tests.support.kb_client import Json, KnowledgeClient, sqs_event
from tests.support.problems import refused

NEEDLE = "poison"


def picky(asked: Json) -> tuple[int, Any]:
    """Refuses whatever has the word in it."""
    if any(NEEDLE in text for text in asked["input"]):
        return 400, {"error": {"message": f"I will not have {asked['input']}", "code": "bad_input"}}
    return rightly(asked)


def test_what_is_pending_is_embedded_once_and_a_second_delivery_does_nothing(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    messages = kb.tasks()
    assert kb.work(messages) == kb.work(messages) == []
    assert kb.endpoint.texts == ["One"]
    assert kb.rows() == [("a", 0, "model-a", True)]
    (chunk,) = kb.chunks("a", include_vectors="true")
    assert chunk["embedding_vector"] == pytest.approx(vector_of("One"), abs=1e-3)


def test_documents_of_one_tenant_share_requests_and_those_of_two_do_not(kb: KnowledgeClient) -> None:
    neighbour = kb.neighbour()
    for n in range(4):
        kb.put(f"a{n}", f"Ours {n}")
        neighbour.put(f"b{n}", f"Theirs {n}")
    assert kb.work([*kb.tasks(), *neighbour.tasks()]) == []
    requests = [sorted(asked["input"]) for asked in kb.endpoint.asked]
    assert sorted(requests) == [[f"Ours {n}" for n in range(4)], [f"Theirs {n}" for n in range(4)]]


def test_what_it_costs_is_written_down_for_the_tenant(kb: KnowledgeClient) -> None:
    neighbour = kb.neighbour()
    kb.put("a", "one two three")
    neighbour.put("b", "four five")
    kb.work([*kb.tasks(), *neighbour.tasks()])
    kb.put("c", "six")
    kb.embed()
    ((ours,), (theirs,)) = (kb.usage(), neighbour.usage())
    assert (ours["embedding_model"], ours["requests"], ours["chunks"], ours["tokens"]) == ("model-a", 2, 2, 4)
    assert (theirs["requests"], theirs["chunks"], theirs["tokens"]) == (1, 1, 2)


def test_a_poisoned_document_ends_among_the_dead_letters_and_blocks_nobody(kb: KnowledgeClient) -> None:
    for n in range(9):
        kb.put(f"good{n}", f"Text {n}")
    kb.put("bad", f"Some {NEEDLE} here")
    with kb.endpoint.answering(picky):
        assert kb.work() == []
    assert {d["name"]: d["status"] for d in kb.documents()} == {f"good{n}": "embedded" for n in range(9)} | {
        "bad": "failed"
    }
    (letter,) = kb.dead_letters()
    assert (letter["document_name"], letter["embedding_model"], letter["attempts"]) == ("bad", "model-a", 1)
    assert letter["reason"] == "The embeddings endpoint answered 400 (bad_input) for passage 0"
    assert kb.document("bad")["reason"] == letter["reason"]
    assert kb.neighbour().dead_letters() == []
    assert kb.names(NEEDLE, mode="text") == ["bad"]


@pytest.mark.parametrize(
    "fault",
    [(500, {}), (200, {"data": [{"index": 0, "embedding": [float("nan")] * 1536}]}), (400, {}), (429, {})],
    ids=lambda fault: str(fault[0]),
)
def test_whatever_a_document_makes_of_the_endpoint_those_beside_it_are_embedded(
    kb: KnowledgeClient, fault: tuple[int, Any]
) -> None:
    for n in range(5):
        kb.put(f"good{n}", f"Text {n}")
    kb.put("bad", f"Some {NEEDLE} here")
    with kb.endpoint.answering(lambda asked: fault if picky(asked)[0] == 400 else rightly(asked)):
        for _ in range(2):
            kb.work()
            kb.due()
        assert {d["name"] for d in kb.documents() if d["status"] == "embedded"} == {f"good{n}" for n in range(5)}


def test_what_is_answered_wrongly_for_one_document_keeps_no_other_waiting(kb: KnowledgeClient) -> None:
    for n in range(3):
        kb.put(f"good{n}", f"Text {n}")
    kb.put("bad", f"Some {NEEDLE} here")
    wrong = 200, {"data": [{"index": 0, "embedding": [float("nan")] * 1536}]}
    with kb.endpoint.answering(lambda asked: wrong if NEEDLE in str(asked["input"]) else rightly(asked)):
        kb.work()
    states = {d["name"]: (d["status"], d["reason"]) for d in kb.documents()}
    assert states.pop("bad")[0] == "processing"
    assert states == {f"good{n}": ("embedded", None) for n in range(3)}


def test_of_a_document_all_passages_but_the_one_at_fault_are_embedded(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": f"{NEEDLE if n == 11 else 'Part'} {n}"} for n in range(20)])
    with kb.endpoint.answering(picky):
        kb.work()
    assert [row[1] for row in kb.rows() if not row[3]] == [11]
    assert "for passage 11" in kb.dead_letters()[0]["reason"]


def test_what_there_was_no_time_for_after_the_passage_at_fault_is_tried_by_another_run(
    kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.put("a", chunks=[{"text": f"{NEEDLE if n == 0 else 'Part'} {n}"} for n in range(20)])
    monkeypatch.setattr(worker, "ASK_SECONDS", 1.0)

    def slowly(asked: Json) -> tuple[int, Any]:
        time.sleep(0.2)
        return picky(asked)

    with kb.endpoint.answering(slowly):
        kb.work(seconds=12)
        assert (kb.document("a")["status"], kb.dead_letters()) == ("processing", [])
        kb.work()
    assert [row[1] for row in kb.rows() if not row[3]] == [0]
    assert "for passage 0" in kb.dead_letters()[0]["reason"]


def test_an_endpoint_that_takes_fewer_texts_at_once_gets_fewer(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": f"Part {n}"} for n in range(96)])
    with kb.endpoint.answering(lambda asked: (413, {}) if len(asked["input"]) > 32 else rightly(asked)):
        kb.embed()
    assert [len(asked["input"]) for asked in kb.endpoint.asked] == [96, 48, 24, 24, 48, 24, 24]


def test_what_stands_several_times_in_what_is_new_is_embedded_once(kb: KnowledgeClient) -> None:
    kb.batch(*({"name": str(n), "chunks": [{"text": "Footer"}, {"text": "Footer"}]} for n in range(5)))
    kb.embed()
    assert kb.endpoint.texts == ["Footer"]
    assert all(row[3] for row in kb.rows()) and kb.usage()[0]["chunks"] == 1


def test_what_was_embedded_elsewhere_since_is_taken_over(kb: KnowledgeClient) -> None:
    kb.put("a", "Same")
    kb.put("b", "Same")
    first, second = kb.tasks()
    kb.work([first])
    kb.work([second])
    assert kb.endpoint.texts == ["Same"]
    assert {d["status"] for d in kb.documents()} == {"embedded"}


def test_putting_a_failed_document_anew_tries_again(kb: KnowledgeClient) -> None:
    kb.put("bad", NEEDLE)
    with kb.endpoint.answering(picky):
        kb.work()
    assert kb.put("bad", NEEDLE)["status"] == "processing"
    kb.embed()
    assert kb.dead_letters() == []


def test_a_dead_letter_is_tried_again_or_replaced(kb: KnowledgeClient) -> None:
    kb.put("bad", f"Some {NEEDLE} here")
    kb.put("worse", f"More {NEEDLE}")
    with kb.endpoint.answering(picky):
        kb.work()
    letters = {letter["document_name"]: letter["id"] for letter in kb.dead_letters()}
    assert kb.retry(letters["bad"]).status == 202
    kb.put("worse", "Harmless")
    kb.embed()
    assert kb.dead_letters() == []
    assert [d["status"] for d in kb.documents()] == ["embedded", "embedded"]
    refused(kb.retry(letters["bad"]), 404)
    refused(kb.neighbour().retry(letters["worse"]), 404)


def test_after_an_outage_all_dead_letters_of_a_tenant_are_tried_again_at_once(kb: KnowledgeClient) -> None:
    neighbour = kb.neighbour()
    for library, names in ((kb, "abc"), (neighbour, "d")):
        for name in names:
            library.put(name, f"Text {name}")
        with library.endpoint.answering(lambda _: (400, {})):
            library.work()
    assert kb.retry_all().json == {"message": "3 documents wait to be embedded again."}
    assert [letter["document_name"] for letter in neighbour.dead_letters()] == ["d"]
    assert kb.retry_all().json == {"message": "0 documents wait to be embedded again."}
    kb.embed()
    assert {document["status"] for document in kb.documents()} == {"embedded"}


@pytest.mark.parametrize(("most", "retried"), [(1, 0), (2, 1), (4, 3), (5, 3)])
def test_no_more_is_retried_at_once_than_a_tenant_may_have_pending(
    kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch, most: int, retried: int
) -> None:
    """One document is pending already, and so are many of a neighbour, which count for that one alone."""
    monkeypatch.setattr(dead_letters, "MAX_PENDING", most)
    for name in "abc":
        kb.put(name, f"Text {name}")
    with kb.endpoint.answering(lambda _: (400, {})):
        kb.work()
    kb.put("pending", "Another text")
    neighbour = kb.neighbour()
    for name in "defghi":
        neighbour.put(name, f"Text {name}")
    assert kb.retry_all().json == {"message": f"{retried} documents wait to be embedded again."}
    assert len(kb.dead_letters()) == 3 - retried


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (429, {}, "answered 429"),
        (500, "oops", "answered 500"),
        (503, "", "answered 503"),
        (408, {}, "answered 408"),
        (401, {}, "answered 401: see its URL, model, key and account"),
        (402, {"error": {"type": "no_credit"}}, "answered 402 (no_credit): see its URL"),
        (404, {}, "answered 404: see its URL, model, key and account"),
        (302, "", "answered 302: see its URL, model, key and account"),
        (200, "<html>", "no list of vectors"),
        (200, "[" * 100_000, "no list of vectors"),
        (200, {"data": None}, "no list of vectors"),
        (200, {"data": [{"index": 0}]}, "no list of vectors"),
        (200, {"data": []}, "0 vectors for 1 texts"),
        (200, {"data": [{"index": 1, "embedding": [1.0] * 1536}]}, "1 vectors for 1 texts"),
        (200, {"data": [{"index": 0, "embedding": [1.0] * 3072}]}, "3072 dimensions, not 1536"),
        (200, {"data": [{"index": 0, "embedding": "AAAA"}]}, "no dimensions, not 1536"),
        (200, {"data": [{"index": 0, "embedding": [float("nan")] * 1536}]}, "NaN, an infinity or no number"),
        (200, {"data": [{"index": 0, "embedding": [1e300] * 1536}]}, "NaN, an infinity or no number"),
        (200, {"data": [{"index": 0, "embedding": [None] * 1536}]}, "NaN, an infinity or no number"),
        (200, {"data": [{"index": 0, "embedding": [True] * 1536}]}, "NaN, an infinity or no number"),
        (200, {"data": [{"index": 0, "embedding": [10**400] * 1536}]}, "NaN, an infinity or no number"),
        (200, '{"data": [], "usage": {"total_tokens": 1e999}}', "no list of vectors"),
        (200, {"data": [{"index": 0, "embedding": [0.0] * 1536}]}, "a vector of zeros"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_whatever_else_the_endpoint_answers_is_named_and_tried_again(
    kb: KnowledgeClient, status: int, body: Any, reason: str
) -> None:
    kb.put("a", "One")
    with kb.endpoint.answering(lambda _: (status, body)):
        assert kb.work() == []
    document = kb.document("a")
    assert (document["status"], kb.rows()) == ("processing", [("a", 0, "model-a", False)])
    assert reason in document["reason"]
    kb.due()
    kb.embed()
    assert (kb.document("a")["status"], kb.document("a")["reason"]) == ("embedded", None)


def test_an_endpoint_that_cannot_be_reached_is_named(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    with connected(EMBEDDINGS_URL="http://127.0.0.1:1/v1"):
        kb.work()
    assert "cannot be reached" in kb.document("a")["reason"]


def waits(kb: KnowledgeClient) -> float:
    """Seconds until the only task is due."""
    sql = "SELECT extract(EPOCH FROM due_at - now())::float8 FROM app.embedding_tasks WHERE tenant_id = %s"
    return kb.superuser.execute(sql, (kb.tenant.id,)).fetchall()[0][0]


def test_it_waits_longer_each_time_and_gives_up_in_the_end_with_the_reason(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    seen: list[float] = []
    with kb.endpoint.answering(lambda _: (500, {})):
        for _ in range(MAX_ATTEMPTS):
            kb.work()
            seen.append(waits(kb))
            assert kb.work() == []  # before it is due nothing happens
            kb.due()
    assert len(kb.endpoint.asked) == MAX_ATTEMPTS
    assert [round(wait, -1) for wait in seen[:-1]] == [10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]
    (letter,) = kb.dead_letters()
    assert (letter["attempts"], letter["reason"]) == (MAX_ATTEMPTS, "The embeddings endpoint answered 500")
    assert kb.work() == []
    assert len(kb.endpoint.asked) == MAX_ATTEMPTS


def test_it_waits_as_long_as_the_endpoint_asks(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    with kb.endpoint.answering(lambda _: (429, {}), **{"Retry-After": "120"}):
        kb.work()
    assert 110 < waits(kb) <= 120


def test_attempts_that_get_on_do_not_add_up(kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long document is embedded in portions, and each that is stored begins the count anew."""
    monkeypatch.setattr(worker, "MAX_TEXTS", 1)
    monkeypatch.setattr(claims, "MAX_ATTEMPTS", 2)
    kb.put("a", chunks=[{"text": f"Part {n}"} for n in range(6)])
    turns = iter(range(100))

    def every_other(asked: Json) -> tuple[int, Any]:
        return rightly(asked) if next(turns) % 2 == 0 else (500, {})

    with kb.endpoint.answering(every_other):
        for _ in range(6):
            kb.work()
            kb.due()
    kb.embed()
    assert sorted(set(kb.endpoint.texts)) == [f"Part {n}" for n in range(6)]
    assert kb.document("a")["status"] == "embedded"


def test_a_document_whose_work_always_dies_is_given_up(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    kb.superuser.execute(
        "UPDATE app.embedding_tasks SET attempts = %s WHERE tenant_id = %s", (MAX_ATTEMPTS, kb.tenant.id)
    )
    kb.work()
    (letter,) = kb.dead_letters()
    assert f"ended {MAX_ATTEMPTS} times without a word" in letter["reason"]
    assert kb.endpoint.asked == []


def test_what_there_is_no_time_for_is_left_untried(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    kb.work(seconds=15)
    assert kb.endpoint.asked == []
    sql = "SELECT attempts, queued_at, due_at <= now() FROM app.embedding_tasks WHERE tenant_id = %s"
    assert kb.superuser.execute(sql, (kb.tenant.id,)).fetchall() == [(0, None, True)]


def test_a_message_that_names_nothing_comes_back_alone(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    (good,) = kb.tasks()
    assert kb.work(["not JSON", good, json.dumps({"tenant_id": "x"})]) == ["m0", "m2"]
    assert kb.rows() == [("a", 0, "model-a", True)]


def test_a_message_about_a_document_that_is_gone_is_done(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    messages = kb.tasks()
    kb.delete("a")
    assert kb.work(messages) == []
    assert kb.endpoint.asked == []


def test_when_the_database_is_gone_every_message_comes_back(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    kb.put("b", "Two")
    with connected(DATABASE_URL="postgresql://flo_job@127.0.0.1:1/nowhere"):
        failed = lambda_handler(sqs_event(kb.tasks()), Context(left_ms=120_000))
    assert [f["itemIdentifier"] for f in failed["batchItemFailures"]] == ["m0", "m1"]
    kb.embed()


def test_a_document_that_is_replaced_while_it_is_embedded_keeps_nothing_of_the_old(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": "old"}, {"text": "older"}])

    def replaced_meanwhile(asked: Json) -> tuple[int, Any]:
        kb.make.document(kb.tenant, UUID(kb.base), "a", "new")
        return rightly(asked)

    with kb.endpoint.answering(replaced_meanwhile):
        kb.work()
    assert [(c["chunk_text"], c["is_embedded"]) for c in kb.chunks("a")] == [("new", False)]
    assert kb.document("a")["status"] == "processing"
    kb.embed()
    assert kb.endpoint.texts == ["old", "older", "new"]
    assert kb.rows() == [("a", 0, "model-a", True)]


def test_two_workers_do_not_embed_the_same_document(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    (message,) = kb.tasks()
    with psycopg.connect(kb.job_url, autocommit=True) as other:
        task = json.loads(message)
        reserve = (
            "SELECT count(*) FROM app.claim_embedding(%(tenant_id)s, %(document_id)s, %(embedding_model)s, '1 hour', 8)"
        )
        assert other.execute(reserve, task).fetchone() == (1,)
    assert kb.work([message]) == []
    assert kb.endpoint.asked == []


def test_a_long_document_is_embedded_in_portions(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": f"Part {n}"} for n in range(200)])
    kb.embed()
    assert [len(asked["input"]) for asked in kb.endpoint.asked] == [96, 96, 8]
    assert {asked["dimensions"] for asked in kb.endpoint.asked} == {1536}
    assert kb.about()["total_chunks"] == 200 == sum(chunk["is_embedded"] for chunk in kb.chunks())


def test_a_document_of_equal_passages_is_embedded_at_once(kb: KnowledgeClient) -> None:
    """Each of them would else be looked for among all the others."""
    began = time.monotonic()
    kb.put("a", chunks=[{"text": "the same"}] * 600)
    kb.embed()
    assert time.monotonic() - began < HANGS
    assert kb.endpoint.texts == ["the same"]
    assert sum(chunk["is_embedded"] for chunk in kb.chunks("a", limit="250")) == 250


def test_what_is_said_of_an_old_text_does_not_touch_the_new_one(kb: KnowledgeClient) -> None:
    kb.put("a", "old")

    def replaced_then_refused(asked: Json) -> tuple[int, Any]:
        kb.make.document(kb.tenant, UUID(kb.base), "a", "new")
        return 400, {}

    with kb.endpoint.answering(replaced_then_refused):
        kb.work()
    assert (kb.document("a")["status"], kb.dead_letters()) == ("processing", [])
    kb.embed()


@pytest.mark.parametrize("part", [1, 70_000])
def test_an_answer_that_does_not_end_is_not_waited_for(part: int) -> None:
    """Each part of it comes in time, and all of them together do not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def drip() -> None:
            conn, _ = server.accept()
            with conn, suppress(OSError):
                conn.recv(100_000)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                while True:
                    conn.sendall(b" " * part)
                    time.sleep(0.3)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with (
            connected(EMBEDDINGS_URL=f"http://127.0.0.1:{port}/v1"),
            pytest.raises(EndpointBusyError, match="does not end"),
        ):
            client.embed(["x"], "model-a", 1.0)
        assert time.monotonic() - began < HANGS


def test_a_connection_that_is_closed_just_as_it_is_used_again_is_made_anew(kb: KnowledgeClient) -> None:
    def closing(asked: Json) -> tuple[int, Any]:
        asks = len(kb.endpoint.asked)
        return (HANGS_UP, {}) if asks == 2 else rightly(asked)

    with kb.endpoint.answering(closing):
        for _ in range(2):
            assert client.embed(["One"], "model-a", 2.0).tokens == 1
    assert len(kb.endpoint.asked) == 3


def test_an_endpoint_that_always_hangs_up_is_asked_twice(kb: KnowledgeClient) -> None:
    with kb.endpoint.answering(lambda _: (HANGS_UP, {})), pytest.raises(EndpointBusyError, match="cannot be reached"):
        client.embed(["One"], "model-a", 2.0)
    assert len(kb.endpoint.asked) == 2


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-se\ncret"])
def test_a_key_that_cannot_be_sent_is_reported_without_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "embeddings_key", lambda: key)
    with pytest.raises(EndpointRefusedError) as error:
        client.embed(["x"], "model-a", 1.0)
    assert "secret" not in str(error.value) and error.value.__cause__ is None
