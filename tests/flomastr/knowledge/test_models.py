"""A base changes its model: the new vectors are built beside the old, then it is searched by them at once, and back."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from flomastr.knowledge import search
from tests.support.embeddings_endpoint import rightly
from tests.support.kb_client import Json, Library
from tests.support.problems import refused

WAITING = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
ADD = {"embedding_model": "model-b"}


@pytest.fixture
def changing(lib: Library) -> Library:
    lib.put("a", "One two three")
    lib.put("b", "Four five six")
    lib.embed()
    assert lib.models("POST", body=ADD).status == 201
    return lib


def states(lib: Library) -> dict[str, tuple[bool, int, int]]:
    return {m["embedding_model"]: (m["is_active"], m["embedded"], m["documents"]) for m in lib.models().json}


def activated(lib: Library, model: str) -> None:
    answer = lib.models("POST", "/activate", body={"embedding_model": model})
    assert answer.status == 200, answer.body


def searched_by(lib: Library) -> set[str]:
    """By which model's vectors a passage is found as itself, and which model the passages name."""
    (hit, *_) = lib.find("One two three", mode="vector")
    assert (hit["document_name"], hit["score"]) == ("a", pytest.approx(1, abs=0.001))
    return {chunk["embedding_model"] for chunk in lib.chunks()}


def test_a_new_model_is_built_beside_the_old_and_then_activated_and_taken_back(changing: Library) -> None:
    assert states(changing) == {"model-a": (True, 2, 2), "model-b": (False, 0, 2)}
    refused(changing.models("POST", "/activate", body=ADD), 409)
    assert searched_by(changing) == {"model-a"}
    changing.embed()
    assert states(changing) == {"model-a": (True, 2, 2), "model-b": (False, 2, 2)}
    assert searched_by(changing) == {"model-a"}
    activated(changing, "model-b")
    assert states(changing) == {"model-a": (False, 2, 2), "model-b": (True, 2, 2)}
    assert searched_by(changing) == {"model-b"}
    activated(changing, "model-a")
    assert searched_by(changing) == {"model-a"}
    assert changing.about()["total_chunks"] == len(changing.find("One two three", k=100)) == 2


def test_each_model_embeds_each_text_once(changing: Library) -> None:
    changing.embed()
    asked = [(asked["model"], text) for asked in changing.endpoint.asked for text in asked["input"]]
    assert sorted(asked) == [(m, t) for m in ("model-a", "model-b") for t in ("Four five six", "One two three")]


def test_documents_that_come_meanwhile_are_embedded_by_both(changing: Library) -> None:
    changing.put("c", "Seven eight")
    changing.put("a", "One two three, changed")
    changing.embed()
    activated(changing, "model-b")
    changing.put("d", "Nine")
    changing.delete("b")
    changing.embed()
    assert [row for row in changing.rows() if not row[3]] == []
    expected = [(name, 0, model) for name in ("a", "c", "d") for model in ("model-a", "model-b")]
    assert [row[:3] for row in changing.rows()] == expected
    activated(changing, "model-a")
    assert set(changing.names("Seven Nine One")) == {"a", "c", "d"}


def test_a_base_whose_new_model_failed_somewhere_is_not_switched(changing: Library) -> None:
    with changing.endpoint.answering(lambda asked: rightly(asked) if len(asked["input"]) > 9 else (400, {})):
        changing.work()
    assert [m["failed"] for m in changing.models().json] == [0, 2]
    answer = changing.models("POST", "/activate", body=ADD)
    refused(answer, 409)
    assert "0 wait for this model, and 2 are among its dead letters" in answer.json["detail"]
    assert {letter["embedding_model"] for letter in changing.dead_letters()} == {"model-b"}
    assert {document["status"] for document in changing.documents()} == {"embedded"}  # by the one that is searched


def test_a_document_that_no_model_takes_does_not_keep_a_base_from_switching(changing: Library) -> None:
    changing.put("bad", "poison")
    with changing.endpoint.answering(lambda asked: (400, {}) if "poison" in asked["input"] else rightly(asked)):
        changing.work()
    activated(changing, "model-b")
    assert searched_by(changing) == {"model-b"}


def test_a_model_that_gives_no_vectors_keeps_nobody_from_searching_by_another(changing: Library) -> None:
    with changing.endpoint.answering(lambda asked: (500, {}) if asked["model"] == "model-b" else rightly(asked)):
        assert searched_by(changing) == {"model-a"}
        changing.make.knowledge_base(changing.tenant, model="model-b")
        answer = changing.searches("One")
        assert (answer.status, answer.json["code"]) == (503, "embeddings_unavailable")


def test_bases_of_different_models_are_searched_together_each_by_its_own(changing: Library) -> None:
    changing.embed()
    activated(changing, "model-b")
    other = changing.other_base()
    other.put("a", "One two three")
    other.embed()
    hits = changing.find("One two three", mode="vector")
    assert {(h["knowledge_base_id"], h["score"] > 0.99) for h in hits if h["document_name"] == "a"} == {
        (changing.base, True), (other.base, True)
    }  # fmt: skip
    assert [h["document_name"] for h in hits].count("a") == 2 == [h["document_name"] for h in hits[:2]].count("a")


@pytest.mark.parametrize("body", [{"content": "Refunds take a week"}, {"chunks": [{"text": "Refunds take a week"}]}])
def test_a_passage_that_no_model_has_embedded_outlives_every_change_of_models(lib: Library, body: Json) -> None:
    lib.put("a", **body)
    lib.models("POST", body=ADD)
    activated(lib, "model-b")
    assert lib.names("refunds", mode="text") == ["a"]
    assert lib.models("DELETE", query={"embedding_model": "model-a"}).status == 200
    assert [chunk["chunk_text"] for chunk in lib.chunks()] == ["Refunds take a week"]
    lib.embed()
    assert lib.names("refunds") == ["a"]
    assert states(lib) == {"model-b": (True, 1, 1)}


def test_a_document_that_is_put_while_a_new_model_copies_its_passages_is_copied_as_it_is(
    changing: Library, superuser: psycopg.Connection[Any]
) -> None:
    changing.put("c", chunks=[{"text": "one"}, {"text": "two"}], metadata={"access": "public"})
    changing.embed()
    assert changing.models("DELETE", query=ADD).status == 200
    assert changing.models("POST", body=ADD).status == 201
    task = next(
        task for task in map(json.loads, changing.tasks()) if task["document_id"] == changing.document("c")["id"]
    )
    with psycopg.connect(changing.job_url) as worker, ThreadPoolExecutor(1) as thread:
        copied = "SELECT FROM app.pending_chunks(%(tenant_id)s, %(document_id)s, %(embedding_model)s)"
        assert worker.execute(copied, task).rowcount == 2
        secret: Json = {"chunks": [{"text": "two"}, {"text": "one"}], "metadata": {"access": "secret"}}
        put = thread.submit(lambda: changing.sends("c", **secret))
        while not superuser.execute(WAITING, (worker.info.backend_pid,)).fetchall() and not put.done():
            time.sleep(0.01)
        worker.commit()
        assert put.result().status == 200
    changing.due()
    changing.embed()
    activated(changing, "model-b")
    assert [(c["chunk_text"], c["chunk_metadata"]) for c in changing.chunks("c")] == [
        ("two", {"access": "secret"}),
        ("one", {"access": "secret"}),
    ]
    assert changing.names("one", mode="vector", filter={"metadata": {"access": "public"}}) == []


def test_all_models_of_a_search_share_its_time(changing: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    changing.embed()
    other = changing.other_base()
    assert other.models("POST", body=ADD).status == 201
    activated(other, "model-b")
    monkeypatch.setattr(search, "EMBED_SECONDS", 0.6)

    def slowly(asked: Json) -> tuple[int, Json]:
        time.sleep(0.4)
        return rightly(asked)

    with changing.endpoint.answering(slowly):
        assert changing.searches("one").json["code"] == "embeddings_unavailable"


def test_a_model_is_dropped_with_its_vectors_unless_it_is_searched(
    changing: Library, superuser: psycopg.Connection[Json]
) -> None:
    changing.embed()
    refused(changing.models("DELETE", query={"embedding_model": "model-a"}), 409)
    assert changing.models("DELETE", query={"embedding_model": "model-b"}).status == 200
    refused(changing.models("DELETE", query={"embedding_model": "model-b"}), 404)
    assert {row[2] for row in changing.rows()} == {"model-a"}
    assert states(changing) == {"model-a": (True, 2, 2)}


def test_what_is_no_model_is_told(lib: Library) -> None:
    refused(lib.models("POST", body={"embedding_model": "model-z"}), 422, "body.embedding_model")
    refused(lib.models("POST", "/activate", body=ADD), 404)
    refused(lib.models("POST", body={"embedding_model": "model-a"}), 409, "body.embedding_model")
    assert lib.models("POST", body=ADD).status == 201


def test_an_empty_base_is_switched_at_once(lib: Library) -> None:
    lib.models("POST", body=ADD)
    activated(lib, "model-b")
    lib.put("a", "One two three")
    lib.embed()
    assert searched_by(lib) == {"model-b"}
