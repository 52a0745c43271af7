"""The knowledge index as clients of the original use it."""

from typing import Any

from flomastr.database.access import AccessRequest
from flomastr.knowledge.legacy_index import NewEntry, store
from functions.knowledge_bases.handler import lambda_handler as bases
from functions.knowledge_index.handler import lambda_handler
from tests.support.concurrency import concurrently
from tests.support.events import Answer
from tests.support.kb_client import KnowledgeClient
from tests.support.problems import refused


def index(kb: KnowledgeClient, method: str, **request: Any) -> Answer:
    return kb.ask(lambda_handler, method, f"/routes/{kb.tenant.slug}/index", **request)


def test_an_entry_is_a_base_whose_text_is_found(kb: KnowledgeClient) -> None:
    stored = index(kb, "POST", body={"title": "Opening hours", "content": "Nine to five.", "metadata": {"by": "me"}})
    assert (stored.status, stored.json["status"]) == (200, "success")
    kb.embed()
    listed = index(kb, "GET").json
    assert listed["total_count"] == 2  # the base that was there already
    entry = listed["entries"][0]
    assert (entry["id"], entry["title"], entry["content"]) == (stored.json["id"], "Opening hours", "Nine to five.")
    assert entry["metadata"] == {
        "source_type": "index", "source_metadata": {"by": "me"}, "document_count": 1, "total_chunks": 1
    }  # fmt: skip
    assert kb.find("Nine to five")[0]["knowledge_base_id"] == stored.json["id"]


def test_the_same_title_again_is_the_same_entry(kb: KnowledgeClient) -> None:
    first = index(kb, "POST", body={"title": "Hours", "content": "Nine to five."}).json["id"]
    assert index(kb, "POST", body={"title": "Hours", "content": "Ten to six."}).json["id"] == first
    kb.embed()
    assert [entry["content"] for entry in index(kb, "GET").json["entries"] if entry["id"] == first] == ["Ten to six."]
    assert "Nine" not in str(kb.find("Nine to five"))


def test_a_title_and_a_base_are_named_in_composed_letters(kb: KnowledgeClient) -> None:
    composed, decomposed = "\u00d6ffnung", "O\u0308ffnung"
    first, second = (index(kb, "POST", body={"title": title, "content": "x"}) for title in (decomposed, composed))
    assert first.json["id"] == second.json["id"]
    base = kb.ask(bases, "POST", "/routes/knowledge-bases", body={"name": f"{decomposed} 2"})
    assert base.json["name"] == f"{composed} 2"


def test_many_who_post_a_new_title_at_once_make_one_entry(kb: KnowledgeClient, direct_url: str) -> None:
    entry = AccessRequest(kb.tenant.owner, kb.tenant.slug, "knowledge:write")
    concurrently(
        direct_url, entry, [store(NewEntry(title="Hours", content=f"{n} to five"), "model-a") for n in range(6)]
    )
    assert [entry["title"] for entry in index(kb, "GET").json["entries"]].count("Hours") == 1


def test_entries_come_in_pages(kb: KnowledgeClient) -> None:
    for n in range(3):
        index(kb, "POST", body={"title": f"AccessRequest {n}", "content": "x"})
    page = index(kb, "GET", query={"limit": "2"})
    assert [entry["title"] for entry in page.json["entries"]] == ["AccessRequest 2", "AccessRequest 1"]
    assert page.json["total_count"] == 4
    assert 'rel="next"' in page.headers["link"]


def test_an_entry_without_text_is_reported(kb: KnowledgeClient) -> None:
    refused(index(kb, "POST", body={"title": "x", "content": ""}), 422, "body.content")
