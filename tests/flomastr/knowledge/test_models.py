"""A base changes its model: the new vectors are built beside the old, then it is searched by them at once, and back."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from flomastr.knowledge import search
from tests.support.embeddings_endpoint import rightly
from tests.support.kb_client import Json, KnowledgeClient
from tests.support.problems import refused

WAITING = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
ADD = {"embedding_model": "model-b"}


@pytest.fixture
def changing(kb: KnowledgeClient) -> KnowledgeClient:
    kb.put("a", "One two three")
    kb.put("b", "Four five six")
    kb.embed()
    assert kb.models("POST", body=ADD).status == 201
    return kb


def states(kb: KnowledgeClient) -> dict[str, tuple[bool, int, int]]:
    return {m["embedding_model"]: (m["is_active"], m["embedded"], m["documents"]) for m in kb.models().json}


def activated(kb: KnowledgeClient, model: str) -> None:
    answer = kb.models("POST", "/activate", body={"embedding_model": model})
    assert answer.status == 200, answer.body


def searched_by(kb: KnowledgeClient) -> set[str]:
    """By which model's vectors a passage is found as itself, and which model the passages name."""
    (hit, *_) = kb.find("One two three", mode="vector")
    assert (hit["document_name"], hit["score"]) == ("a", pytest.approx(1, abs=0.001))
    return {chunk["embedding_model"] for chunk in kb.chunks()}


def test_a_new_model_is_built_beside_the_old_and_then_activated_and_taken_back(changing: KnowledgeClient) -> None:
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


def test_each_model_embeds_each_text_once(changing: KnowledgeClient) -> None:
    changing.embed()
    asked = [(asked["model"], text) for asked in changing.endpoint.asked for text in asked["input"]]
    assert sorted(asked) == [(m, t) for m in ("model-a", "model-b") for t in ("Four five six", "One two three")]


def test_documents_that_come_meanwhile_are_embedded_by_both(changing: KnowledgeClient) -> None:
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


def test_a_base_whose_new_model_failed_somewhere_is_not_switched(changing: KnowledgeClient) -> None:
    with changing.endpoint.answering(lambda asked: rightly(asked) if len(asked["input"]) > 9 else (400, {})):
        changing.work()
    assert [m["failed"] for m in changing.models().json] == [0, 2]
    answer = changing.models("POST", "/activate", body=ADD)
    refused(answer, 409)
    assert "0 wait for this model, and 2 are among its dead letters" in answer.json["detail"]
    assert {letter["embedding_model"] for letter in changing.dead_letters()} == {"model-b"}
    assert {document["status"] for document in changing.documents()} == {"embedded"}  # by the one that is searched


def test_a_document_that_no_model_takes_does_not_keep_a_base_from_switching(changing: KnowledgeClient) -> None:
    changing.put("bad", "poison")
    with changing.endpoint.answering(lambda asked: (400, {}) if "poison" in asked["input"] else rightly(asked)):
        changing.work()
    activated(changing, "model-b")
    assert searched_by(changing) == {"model-b"}


def test_a_model_that_gives_no_vectors_keeps_nobody_from_searching_by_another(changing: KnowledgeClient) -> None:
    with changing.endpoint.answering(lambda asked: (500, {}) if asked["model"] == "model-b" else rightly(asked)):
        assert searched_by(changing) == {"model-a"}
        changing.make.knowledge_base(changing.tenant, model="model-b")
        answer = changing.searches("One")
        assert (answer.status, answer.json["code"]) == (503, "embeddings_unavailable")


def test_bases_of_different_models_are_searched_together_each_by_its_own(changing: KnowledgeClient) -> None:
    changing.embed()
    activated(changing, "model-b")
    other = changing.other_base()
    other.put("a", "One two three", title="Numbers")
    other.embed()
    (first, *_) = changing.find("One two three", mode="vector")
    (copy,) = first["copies"]
    assert first["document_name"] == copy["document_name"] == "a"
    assert {first["knowledge_base_id"], copy["knowledge_base_id"]} == {changing.base, other.base}
    assert first["score"] > 0.99


@pytest.mark.parametrize("body", [{"content": "Refunds take a week"}, {"chunks": [{"text": "Refunds take a week"}]}])
def test_a_passage_that_no_model_has_embedded_outlives_every_change_of_models(kb: KnowledgeClient, body: Json) -> None:
    kb.put("a", **body)
    kb.models("POST", body=ADD)
    activated(kb, "model-b")
    assert kb.names("refunds", mode="text") == ["a"]
    assert kb.models("DELETE", query={"embedding_model": "model-a"}).status == 200
    assert [chunk["chunk_text"] for chunk in kb.chunks()] == ["Refunds take a week"]
    kb.embed()
    assert kb.names("refunds") == ["a"]
    assert states(kb) == {"model-b": (True, 1, 1)}


def test_a_document_that_is_put_while_a_new_model_copies_its_passages_is_copied_as_it_is(
    changing: KnowledgeClient, superuser: psycopg.Connection[Any]
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


def test_all_models_of_a_search_share_its_time(changing: KnowledgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
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
    changing: KnowledgeClient, superuser: psycopg.Connection[Json]
) -> None:
    changing.embed()
    refused(changing.models("DELETE", query={"embedding_model": "model-a"}), 409)
    assert changing.models("DELETE", query={"embedding_model": "model-b"}).status == 200
    refused(changing.models("DELETE", query={"embedding_model": "model-b"}), 404)
    assert {row[2] for row in changing.rows()} == {"model-a"}
    assert states(changing) == {"model-a": (True, 2, 2)}


def test_what_is_no_model_is_reported(kb: KnowledgeClient) -> None:
    refused(kb.models("POST", body={"embedding_model": "model-z"}), 422, "body.embedding_model")
    refused(kb.models("POST", "/activate", body=ADD), 404)
    refused(kb.models("POST", body={"embedding_model": "model-a"}), 409, "body.embedding_model")
    assert kb.models("POST", body=ADD).status == 201


def test_an_empty_base_is_switched_at_once(kb: KnowledgeClient) -> None:
    kb.models("POST", body=ADD)
    activated(kb, "model-b")
    kb.put("a", "One two three")
    kb.embed()
    assert searched_by(kb) == {"model-b"}
