"""Filters: operators on metadata, several bases, several documents. All hold in each mode, for each leg."""

import json
from typing import Any

import pytest

from functions.documents.handler import lambda_handler as documents
from tests.support.factories import Factory
from tests.support.kb_client import Json, KnowledgeClient
from tests.support.problems import refused

MODES = ("hybrid", "vector", "text")
METADATA: dict[str, Json] = {
    "old": {"year": 2019, "lang": "de", "draft": False, "tags": ["red", "blue"]},
    "new": {"year": 2024, "lang": "en", "draft": True, "tags": ["blue"]},
    "newest": {"year": 2025.5, "lang": "fr", "tags": []},
    "text": {"year": "2024", "lang": None},
    "odd": {"year": [2030, "x"], 'a"b\\ é\U0001f600': 1, "": 2, "nested": {"a": {"$b": 1}}},
}


@pytest.fixture(scope="module")
def library(kb_of_module: KnowledgeClient) -> KnowledgeClient:
    kb = kb_of_module
    for name, metadata in METADATA.items():
        kb.put(name, f"A parcel, as {name} has it.", metadata=metadata)
    kb.embed()
    return kb


def matching(library: KnowledgeClient, metadata: Json) -> set[str]:
    """Found by all modes alike, and by the list of documents."""
    found = [set(library.names("parcel", mode=mode, filter={"metadata": metadata})) for mode in MODES]
    listed = {document["name"] for document in library.documents(metadata=json.dumps(metadata))}
    assert found[0] == found[1] == found[2] == listed
    return listed


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({"year": {"$gte": 2024}}, {"new", "newest", "odd"}),
        ({"year": {"$gt": 2024}}, {"newest", "odd"}),
        ({"year": {"$lt": 2024}}, {"old"}),
        ({"year": {"$lte": 2024, "$gt": 2018}}, {"old", "new"}),
        ({"year": {"$gte": "2024"}}, {"text", "odd"}),
        ({"year": {"$eq": 2024}}, {"new"}),
        ({"year": {"$gt": -1e300}}, {"old", "new", "newest", "odd"}),
        ({"year": 2024}, {"new"}),
        ({"lang": {"$in": ["de", "en", 5]}}, {"old", "new"}),
        ({"lang": {"$nin": ["de", "en"]}}, {"newest", "text", "odd"}),
        ({"lang": {"$eq": None}}, {"text"}),
        ({"lang": {"$ne": None}}, {"old", "new", "newest", "odd"}),
        ({"draft": {"$ne": True}}, {"old", "newest", "text", "odd"}),
        ({"draft": {"$ne": "yes"}}, set(METADATA)),
        ({"draft": {"$exists": True}}, {"old", "new"}),
        ({"draft": {"$exists": False}}, {"newest", "text", "odd"}),
        ({"lang": {"$exists": True}}, {"old", "new", "newest", "text"}),
        ({"tags": {"$eq": "blue"}}, {"old", "new"}),
        ({"tags": {"$ne": "red"}}, {"new", "newest", "text", "odd"}),
        ({"tags": ["blue"]}, {"old", "new"}),
        ({"tags": {"$in": ["red"]}, "year": 2019}, {"old"}),
        ({"year": {"$gte": 2024}, "lang": {"$in": ["de", "en"]}, "draft": {"$ne": True}}, set[str]()),
        ({'a"b\\ é\U0001f600': {"$eq": 1}}, {"odd"}),
        ({"": {"$gte": 2}}, {"odd"}),
        ({"nested": {"a": {"$b": 1}}}, {"odd"}),
        ({"nested": {"$eq": 1}}, set[str]()),
        ({'") || true || ($."x': {"$eq": '" || true || "'}}, set[str]()),
    ],
)
def test_metadata_are_compared_with_what_is_of_their_kind(
    library: KnowledgeClient, metadata: Json, found: set[str]
) -> None:
    assert matching(library, metadata) == found


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": {"$regex": "x"}},
        {"a": {"$gt": True}},
        {"a": {"$gt": None}},
        {"a": {"$gt": [1]}},
        {"a": {"$eq": {"b": 1}}},
        {"a": {"$in": []}},
        {"a": {"$in": "x"}},
        {"a": {"$in": [[1]]}},
        {"a": {"$in": ["x"] * 101}},
        {"a": {"$in": ["x"] * 51}, "b": {"$nin": ["x"] * 50}},
        {"a": {"$exists": 1}},
        {"a": {"$gt": 1, "b": 2}},
        {f"k{n}": {"$gt": n} for n in range(21)},
        {"a": {"$eq": "x" * 4000}},
        {"a": "x" * 1000, "b": {"$eq": 1}},
    ],
)
def test_what_is_no_condition_or_too_large_is_refused(library: KnowledgeClient, metadata: Json) -> None:
    refused(library.searches("x", mode="text", filter={"metadata": metadata}), 422, "body.filter.metadata")


def test_bounds_of_operators_and_lists_are_inclusive(library: KnowledgeClient) -> None:
    most: dict[str, Any] = {f"k{n}": {"$exists": False} for n in range(19)}
    most["year"] = {"$in": [*range(2024, 2123), 2019]}
    assert matching(library, most) == {"old", "new", "odd"}


@pytest.mark.parametrize("mode", MODES)
def test_several_documents_and_several_bases(library: KnowledgeClient, mode: str) -> None:
    elsewhere = library.other_base()
    elsewhere.put("old", "A parcel elsewhere.")
    elsewhere.embed()
    names = library.names("parcel", mode=mode, filter={"document_names": ["new", "text", "nothing"]})
    assert set(names) == {"new", "text"}
    both = library.names("parcel", mode=mode, filter={"document_name": "old", "document_names": ["new"]})
    assert sorted(both) == ["new", "old", "old"]
    within = library.find("parcel", mode=mode, knowledge_base_ids=[elsewhere.base])
    assert [hit["chunk_text"] for hit in within] == ["A parcel elsewhere."]
    two = {"knowledge_base_id": library.base, "knowledge_base_ids": [elsewhere.base, library.base]}
    assert len(library.find("parcel", mode=mode, **two)) == 6
    elsewhere.delete("old")


def test_one_unknown_base_among_several_is_a_404(library: KnowledgeClient) -> None:
    bases = [library.base, library.neighbour().base]
    refused(library.searches("x", mode="text", knowledge_base_ids=bases), 404, "body.knowledge_base_id")


@pytest.mark.parametrize("mode", MODES)
def test_k_rows_come_under_a_filter_whenever_there_are_k(kb: KnowledgeClient, mode: str) -> None:
    kb.batch(*({"name": f"d{n}", "content": f"parcel number {n}", "metadata": {"n": n}} for n in range(100)))
    while kb.tasks():
        kb.work(kb.tasks()[:20])
    found = kb.find("parcel", mode=mode, k=10, filter={"metadata": {"n": {"$gte": 90}}})
    assert {hit["document_name"] for hit in found} == {f"d{n}" for n in range(90, 100)}


def deletes(kb: KnowledgeClient, metadata: str) -> Any:
    return kb.ask(documents, "DELETE", f"{kb.path}/documents", query={"metadata": metadata})


def test_documents_are_deleted_by_their_metadata_with_their_passages(kb: KnowledgeClient) -> None:
    for name, metadata in METADATA.items():
        kb.put(name, f"A parcel, as {name} has it.", metadata=metadata)
    assert deletes(kb, '{"year": {"$gte": 2024}}').json == {"deleted": 3}
    assert {document["name"] for document in kb.documents()} == {"old", "text"}
    assert set(kb.names("parcel", mode="text")) == {"old", "text"}
    assert (kb.about()["document_count"], kb.about()["total_chunks"]) == (2, 2)
    assert [deletes(kb, "{}").json["deleted"] for _ in range(2)] == [2, 0]
    counted = kb.ask(
        documents, "GET", f"{kb.path}/documents", query={"metadata": "{}"}, headers={"prefer": "count=exact"}
    )
    assert counted.headers["x-total-count"] == "0"


def test_no_document_is_deleted_by_what_is_no_filter_or_under_a_hold(kb: KnowledgeClient, make: Factory) -> None:
    kb.put("old", "A parcel.")
    for nothing in ("", "[]", "x", '{"a": {"$gt": null}}'):
        refused(deletes(kb, nothing), 422, "query.metadata")
    refused(kb.ask(documents, "DELETE", f"{kb.path}/documents"), 422, "query.metadata")
    refused(kb.ask(documents, "DELETE", f"{kb.neighbour().path}/documents", query={"metadata": "{}"}), 404)
    make.hold(kb.tenant)
    assert deletes(kb, "{}").json["code"] == "legal_hold"
    assert len(kb.documents()) == 1


def test_a_name_with_spaces_at_its_ends_is_a_name_of_its_own(kb: KnowledgeClient) -> None:
    kb.put("a", "A zebra.")
    kb.put(" a  ", "Another zebra.")
    assert kb.document(" a  ")["content"] == "Another zebra."
    assert kb.names("zebra", mode="text", filter={"document_names": [" a  "]}) == [" a  "]
    assert kb.delete(" a  ").status == 200
    assert [document["name"] for document in kb.documents()] == ["a"]
