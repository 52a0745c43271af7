"""Documents come back as they were. Their passages are derived from them, and embedded as those of new ones."""

from collections.abc import Iterator
from typing import Any

import pytest

from dev.services.postgres import Cluster
from functions.knowledge_bases.handler import lambda_handler as bases
from tests.support.connected import connected
from tests.support.embeddings_endpoint import Endpoint
from tests.support.kb_client import KnowledgeClient, knowledge_client
from tests.support.recovery_env import RecoveryEnv, recovery_env
from tests.support.s3 import Bucket

MARKDOWN = "# Refunds\n\nRefunds take a week.\n\n## Abroad\n\nAbroad they take \u00fcber a month.\n"
FIRST, SECOND = "Shipping is free. " * 300, "Shipping costs five euros. " * 200


@pytest.fixture(scope="module")
def env(server: Cluster, bucket: Bucket) -> Iterator[RecoveryEnv]:
    with recovery_env(server, bucket) as env:
        yield env


@pytest.fixture
def kb(env: RecoveryEnv, embeddings: Endpoint) -> Iterator[KnowledgeClient]:
    """With a text, a page and ready-made passages, all embedded."""
    platform = env.platform
    with connected(DATABASE_URL=platform.app_url):
        kb = knowledge_client(platform.make, platform.superuser, embeddings, platform.job_url)
        kb.put("text", FIRST, metadata={"about": "shipping"})
        kb.put("page", MARKDOWN, content_type="markdown")
        kb.put("ready", chunks=[{"text": "Ready-made", "metadata": {"page": 7}}, {"text": "Another"}], title="Title")
        kb.embed()
        embeddings.asked.clear()
        yield kb


def seen(kb: KnowledgeClient) -> list[Any]:
    """Documents and passages without what is theirs since they were derived."""
    documents = [document | {"etag": None} for document in kb.documents()]
    chunks = [{**chunk, "id": None, "created_at": None} for chunk in kb.chunks()]
    return [documents, chunks, kb.about() | {"last_updated": None, "etag": None}, kb.find("refunds", mode="text") != []]


def test_a_deleted_base_comes_back_with_its_documents_which_are_embedded_and_metered(
    env: RecoveryEnv, kb: KnowledgeClient
) -> None:
    before, cost = seen(kb), kb.usage()[0]
    assert kb.ask(bases, "DELETE", kb.path).status == 200
    done = env.recovered(kb.tenant, deleted_id=kb.base)
    assert done["counts"] == {
        "knowledge_bases": {"insert": 1}, "knowledge_base_models": {"insert": 1}, "documents": {"insert": 3},
    }  # fmt: skip
    assert [(d["name"], d["status"], d["chunk_count"]) for d in kb.documents()] == [
        ("ready", "processing", 0), ("page", "processing", 0), ("text", "processing", 0),
    ]  # fmt: skip
    kb.work()  # a message that was sent before finds nothing to do
    assert env.run()["documents_derived"] == 3
    assert kb.endpoint.asked == []
    kb.embed()
    assert seen(kb) == before
    after = kb.usage()[0]
    assert (after["chunks"] - cost["chunks"], after["tokens"] - cost["tokens"]) == (cost["chunks"], cost["tokens"])
    assert "documents_derived" not in env.run()


def test_an_overwritten_document_comes_back_and_keeps_the_vectors_that_its_tenant_has(
    env: RecoveryEnv, kb: KnowledgeClient
) -> None:
    before, at = seen(kb), env.restore_point()
    kb.put("text", FIRST[:1800] + SECOND, metadata={"about": "prices"})
    kb.put("page", MARKDOWN + "More.", content_type="markdown")
    kb.put("ready", chunks=[{"text": "Replaced"}])
    kb.put("new", "New")
    kb.embed()
    after = seen(kb)
    done = env.recovered(kb.tenant, at=at)
    assert done["counts"] == {"documents": {"update": 3, "delete": 1}}
    assert env.run()["documents_derived"] == 3
    kb.embed()
    assert seen(kb) == before
    env.undone(kb.tenant, done)
    assert env.run()["documents_derived"] == 4
    kb.endpoint.asked.clear()
    kb.embed()
    assert seen(kb) == after


def test_a_vector_is_not_asked_for_twice(env: RecoveryEnv, kb: KnowledgeClient) -> None:
    at = env.restore_point()
    kb.put("text", FIRST, metadata={"about": "prices"})
    assert env.recovered(kb.tenant, at=at)["counts"] == {"documents": {"update": 1}}
    env.run()
    assert (kb.tasks(), kb.endpoint.asked) == ([], [])
    assert {chunk["chunk_metadata"]["about"] for chunk in kb.chunks("text")} == {"shipping"}


def test_what_is_written_before_its_passages_are_derived_is_what_is_found(
    env: RecoveryEnv, kb: KnowledgeClient
) -> None:
    at = env.restore_point()
    kb.put("text", SECOND)
    env.recovered(kb.tenant, at=at)
    kb.put("text", "Written since.")
    kb.embed()
    assert "documents_derived" not in env.run()
    assert [chunk["chunk_text"] for chunk in kb.chunks("text")] == ["Written since."]


def test_a_document_without_its_base_and_one_whose_name_is_taken_stay_away(
    env: RecoveryEnv, kb: KnowledgeClient
) -> None:
    gone = {document["name"]: document["id"] for document in kb.documents()}
    kb.delete("text")
    kb.put("text", SECOND)
    assert env.preview(kb.tenant, deleted_id=gone["text"])["counts"] == {"documents": {"taken": 1}}
    kb.delete("page")
    kb.ask(bases, "DELETE", kb.path)
    assert env.preview(kb.tenant, deleted_id=gone["page"])["counts"] == {"documents": {"orphaned": 1}}
    assert env.ask(bases, kb.tenant, "POST", "/routes/knowledge-bases", body={"name": "Other"}).status == 201


def test_a_base_that_came_later_goes_with_its_documents_and_not_alone(env: RecoveryEnv, kb: KnowledgeClient) -> None:
    at = env.restore_point()
    other = kb.other_base()
    other.put("a", "One")
    assert env.preview(kb.tenant, at=at, tables=["knowledge_bases"])["swept_along"] == 1
    assert env.recovered(kb.tenant, at=at)["counts"] == {
        "knowledge_bases": {"delete": 1}, "knowledge_base_models": {"delete": 1}, "documents": {"delete": 1},
    }  # fmt: skip


def test_documents_under_a_hold_stay_as_they_are(env: RecoveryEnv, kb: KnowledgeClient) -> None:
    at = env.restore_point()
    kb.put("text", SECOND)
    env.platform.hold(kb.tenant)
    assert env.preview(kb.tenant, at=at)["counts"] == {"documents": {"held": 1}}


def test_a_plan_has_no_long_texts(env: RecoveryEnv, kb: KnowledgeClient) -> None:
    at = env.restore_point()
    kb.put("text", "x " * 20_000)
    kb.ask(bases, "PUT", kb.path, body={"description": "d" * 5000})
    preview = env.preview(kb.tenant, at=at)
    shown = {example["table"]: example for example in preview["examples"]}
    assert set(shown["documents"]["then"]) == {"content", "content_hash", "metadata", "passages", "updated_at"}
    assert shown["documents"]["now"]["content"] == {"omitted_bytes": 40_012}
    sizes = env.platform.superuser.execute(
        """
        SELECT set_config('app.tenant_id', %s, true), (
          SELECT max(length(p.image::text) + length(p.present::text))
          FROM app.recoveries AS r, app.plan_recovery(r) AS planned, unnest(planned) AS p
          WHERE r.id = %s
        )
        """,
        (str(kb.tenant.id), preview["id"]),
    ).fetchall()
    assert sizes[0][1] < 4000
