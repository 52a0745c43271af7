"""Documents: put, cut, listed, replaced, deleted. What stays as it is is not embedded again, and counts are exact."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import psycopg
import pytest

from flomastr.database.access import AUTHORIZE, AccessRequest
from flomastr.database.session import Database
from flomastr.knowledge.chunking import CAPACITY, CHUNKER, chunks_of_markdown
from flomastr.knowledge.documents import delete, store
from flomastr.knowledge.ingest import NewDocument, cut
from functions.documents.handler import lambda_handler as documents
from functions.knowledge_bases.handler import lambda_handler as bases
from tests.support.kb_client import KnowledgeClient
from tests.support.problems import refused

GUIDE = """# Refunds

Money goes back to the card that was charged.

## Deadlines

A return is accepted for thirty days.
"""
WORDS = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. "


def long(paragraphs: int, first: int = 0) -> str:
    return "\n\n".join(f"Paragraph {n}. {WORDS * 20}" for n in range(first, first + paragraphs))


def counts(kb: KnowledgeClient) -> tuple[int, int]:
    about = kb.about()
    return about["document_count"], about["total_chunks"]


def test_a_document_is_put_read_listed_and_deleted(kb: KnowledgeClient) -> None:
    put = kb.put("refunds.md", GUIDE, content_type="markdown", title="Refunds", metadata={"language": "en"})
    assert (put["status"], put["chunk_count"], put["metadata"]) == ("processing", 1, {"language": "en"})
    kb.embed()
    document = kb.document("refunds.md")
    assert document == put | {"status": "embedded", "content": GUIDE}
    assert kb.documents() == [put | {"status": "embedded"}]
    assert kb.documents(status="processing") == []
    assert kb.delete("refunds.md").status == 200
    assert kb.documents() == kb.chunks() == kb.rows() == []
    refused(kb.delete("refunds.md"), 404)


def test_every_passage_says_where_it_stands_and_under_which_headings(kb: KnowledgeClient) -> None:
    sections = "\n\n".join(f"## Part {n} \N{GRINNING FACE}\n\n{WORDS * 30}" for n in range(4))
    content = f"# Über uns\n\n```\n# no heading\n```\n\n{sections}"
    kb.put("guide.md", content, content_type="markdown")
    chunks = kb.chunks("guide.md")
    assert len(chunks) >= 4
    assert all(content[chunk["start"] : chunk["end"]] == chunk["chunk_text"] for chunk in chunks)
    assert [chunk["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
    assert chunks[-1]["chunk_metadata"] == {"headings": ["Über uns", "Part 3 \N{GRINNING FACE}"]}
    assert {(chunk["embedding_model"], chunk["is_embedded"]) for chunk in chunks} == {("model-a", False)}
    assert all(len(chunk["content_hash"]) == 64 and "semantic-text-splitter" in chunk["chunker"] for chunk in chunks)


@pytest.mark.parametrize("unit", ["_a", "1a@", "a\u0301\u0302", "\u4e2d"])
def test_ready_made_passages_without_a_space_are_stored_in_time(kb: KnowledgeClient, unit: str) -> None:
    texts = [f"{number} {unit * 8000}"[:8000] for number in range(62)]
    assert kb.put("a", chunks=[{"text": text} for text in texts])["chunk_count"] == 62


PLAIN: list[str] = []


@pytest.mark.parametrize(
    ("content", "headings"),
    [
        ("Title\n=====\n\nPart\n---\n\nText", [["Title", "Part"]]),
        ("````\n```\n# none\n```\n````\n\n# One\n\nText", [["One"]]),
        ("~~~ sh\n# none\n```\n~~~\n\n## Two ##\n\nText", [["Two"]]),
        ("Text\n\n---\n\nMore\n\n---\n", [PLAIN]),
        ("#hash\n\n####### seven\n\nText", [PLAIN]),
    ],
)
def test_headings_are_those_of_markdown(content: str, headings: list[list[str]]) -> None:
    """A passage that holds several stands under the last that begins before it; here text is put behind them."""
    tail = "\n\n" + "x " * 1500
    chunks = chunks_of_markdown(content + tail)
    assert [chunk.headings for chunk in chunks][-1:] == headings


def test_of_a_page_its_text_is_kept_without_scripts(kb: KnowledgeClient) -> None:
    page = "<html><head><script>alert(1)</script></head><body><h1>Refunds</h1><p>Thirty days</p></body></html>"
    kb.put("page.html", page, content_type="html")
    content = kb.document("page.html")["content"]
    assert "alert" not in content
    (chunk,) = kb.chunks("page.html")
    assert content[chunk["start"] : chunk["end"]] == chunk["chunk_text"] == "# Refunds\n\nThirty days"
    assert chunk["chunk_metadata"] == {"headings": ["Refunds"]}


def test_passages_may_come_ready_made(kb: KnowledgeClient) -> None:
    kb.put("faq", chunks=[{"text": "One"}, {"text": "Two", "metadata": {"page": 7}}], metadata={"source": "crm"})
    assert kb.document("faq")["content"] is None
    metadata = [(chunk["chunk_text"], chunk["chunk_metadata"]) for chunk in kb.chunks("faq")]
    assert metadata == [("One", {"source": "crm"}), ("Two", {"source": "crm", "page": 7})]


def test_a_new_title_embeds_every_passage_anew_and_is_metered(kb: KnowledgeClient) -> None:
    kb.put("a", "\n\n".join(["One", "Two"]))
    kb.embed()
    tokens = kb.usage()[0]["tokens"]
    assert kb.put("a", "One\n\nTwo", title="Refund policy")["title"] == "Refund policy"
    kb.embed()
    assert kb.endpoint.texts[-1] == "Refund policy\n\nOne\n\nTwo"
    assert kb.chunks()[0]["chunk_text"] == "One\n\nTwo"
    assert kb.usage()[0]["tokens"] == tokens + 4
    assert kb.names("refund policy", mode="text") == ["a"]
    kb.put("a", "One\n\nTwo", title="Refund policy", metadata={"new": True})
    assert kb.work() == [] and kb.usage()[0]["tokens"] == tokens + 4


def test_metadata_change_without_a_call(kb: KnowledgeClient) -> None:
    kb.put("a", long(2), metadata={"team": "north"})
    kb.embed()
    asked = len(kb.endpoint.asked)
    assert kb.put("a", long(2), metadata={"team": "south"})["status"] == "embedded"
    assert {chunk["chunk_metadata"]["team"] for chunk in kb.chunks()} == {"south"}
    assert len(kb.endpoint.asked) == asked


def test_only_what_is_new_is_embedded_wherever_the_rest_moves(kb: KnowledgeClient) -> None:
    kb.put("a", chunks=[{"text": text} for text in ("one", "two", "three", "two")])
    kb.embed()
    assert kb.endpoint.texts == ["one", "two", "three"]
    ids = {(chunk["chunk_text"], chunk["id"]) for chunk in kb.chunks("a")}
    kb.endpoint.asked.clear()
    kb.put("a", chunks=[{"text": text} for text in ("zero", "two", "one", "two")])
    kb.embed()
    assert kb.endpoint.texts == ["zero"]
    chunks = kb.chunks("a")
    assert [chunk["chunk_text"] for chunk in chunks] == ["zero", "two", "one", "two"]
    assert len(ids & {(chunk["chunk_text"], chunk["id"]) for chunk in chunks}) == 3
    assert all(chunk["is_embedded"] for chunk in chunks)


def test_text_that_the_tenant_has_elsewhere_takes_over_its_vector(kb: KnowledgeClient) -> None:
    """And not that of another tenant."""
    kb.put("a", "Shared text")
    kb.embed()
    kb.endpoint.asked.clear()
    assert kb.other_base().put("b", "Shared text")["status"] == "embedded"
    neighbour = kb.neighbour()
    assert neighbour.put("c", "Shared text")["status"] == "processing"
    neighbour.embed()
    assert kb.endpoint.texts == ["Shared text"]


def test_the_same_document_again_changes_nothing(kb: KnowledgeClient) -> None:
    first = kb.put("a", GUIDE, content_type="markdown")
    updated = kb.about()["last_updated"]
    assert kb.put("a", GUIDE, content_type="markdown") == first
    assert kb.about()["last_updated"] == updated


def test_a_batch_is_stored_whole_or_not_at_all(kb: KnowledgeClient) -> None:
    good = [{"name": f"d{n}", "content": f"Text {n}"} for n in range(100)]
    assert [document["name"] for document in kb.batch(*good).json["documents"]] == [d["name"] for d in good]
    assert counts(kb) == (100, 100)
    refused(kb.batch({"name": "new", "content": "x"}, {"name": "a\tb", "content": "x"}), 422, "body.documents.1.name")
    assert counts(kb) == (100, 100)
    answer = kb.batch(*good[:2], headers={"idempotency-key": "k"})
    assert kb.batch(*good[:2], headers={"idempotency-key": "k"}).json == answer.json


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body"),
        ({"content": "x", "chunks": [{"text": "y"}]}, "body"),
        ({"content": ""}, "body.content"),
        ({"content": "x" * 500_001}, "body.content"),
        ({"content": "a\0b"}, "body.content"),
        ({"content": "x", "content_type": "pdf"}, "body.content_type"),
        ({"content": "x", "metadata": {"x": "y" * 10_000}}, "body.metadata"),
        ({"content": "x", "title": "t" * 1001}, "body.title"),
        ({"content": "x", "owner": "me"}, "body.owner"),
        ({"chunks": []}, "body.chunks"),
        ({"chunks": [{"text": " "}]}, "body.chunks.0.text"),
        ({"chunks": [{"text": "x" * 8001}]}, "body.chunks.0.text"),
        ({"chunks": [{"text": "x"}] * 601}, "body.chunks"),
        ({"chunks": [{"text": "x" * 1000}] * 501}, "body"),
        ({"content": "<blockquote><p>x" * 900 * 30, "content_type": "html"}, "body.content"),
        ({"content": "<div>" * 5000 + "lost" + "</div>" * 5000, "content_type": "html"}, "body.content"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_what_cannot_be_a_document_is_reported_by_field(kb: KnowledgeClient, body: dict[str, Any], field: str) -> None:
    refused(kb.sends("a", **body), 422, field)
    assert kb.documents() == []


def test_what_is_too_much_at_once_is_reported(kb: KnowledgeClient) -> None:
    refused(kb.batch({"name": "a", "content": "x"}, {"name": "a", "content": "y"}), 422, "body")
    heavy = [{"name": str(n), "content": "x" * 400_000} for n in range(3)]
    refused(kb.batch(*heavy), 422, "body")
    many = [{"name": str(n), "chunks": [{"text": "x"}] * 400} for n in range(2)]
    refused(kb.batch(*many), 422, "body.documents")
    deep = {"name": "b", "content": "<div>" * 5000 + "lost", "content_type": "html"}
    refused(kb.batch({"name": "a", "content": "x"}, deep), 422, "body.documents.1.content")
    for name in ("", "x" * 256, "a\0b", "a\nb", "\x7f", "\x85"):
        refused(kb.sends(name, "x"), 422, "query.name")
    assert counts(kb) == (0, 0)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ("<table><tr><td rowspan=1000 colspan='1000'>a</td></tr>" + "<tr><td>b" * 1000, "html"),
        ("# a" + " " * 400_000 + "b", "markdown"),
        ("# " + "#" * 400_000 + "b", "markdown"),
        ("a\n" + "-" * 400_000 + "b", "markdown"),
        ("`" * 400_000, "markdown"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_page_that_is_made_to_take_long_does_not(kb: KnowledgeClient, content: str, content_type: str) -> None:
    began = time.process_time()
    assert kb.sends("a", content, content_type=content_type).status in (200, 422)
    assert time.process_time() - began < 4


def test_the_chunker_is_named_as_it_is_pinned() -> None:
    named = dict(part.split() for part in CHUNKER.split(", ")[:2])
    assert named == {package: version(package) for package in named}


def test_the_largest_document_is_taken_in_time(kb: KnowledgeClient) -> None:
    content = (long(500) + "x" * 500_000)[:500_000]
    put = kb.put("large", content)
    assert put["chunk_count"] >= 500_000 // CAPACITY
    assert counts(kb) == (1, put["chunk_count"])


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (" \n ", "text"),
        ("\u2003\u00a0", "markdown"),
        ("<script>write()</script>", "html"),
        ("<p> </p><style>p { color: red }</style>", "html"),
        ("<!-- nothing -->", "html"),
    ],
)
def test_a_document_without_text_is_refused(kb: KnowledgeClient, content: str, content_type: str) -> None:
    answer = kb.sends("blank", content, content_type=content_type)
    refused(answer, 422, "body.content")
    assert "has no text" in answer.json["errors"][0]["message"]
    assert counts(kb) == (0, 0)


def test_a_write_may_demand_the_state_that_it_knows(kb: KnowledgeClient) -> None:
    first = kb.sends("a", "One")
    refused(kb.sends("b", "x", headers={"if-match": first.headers["etag"]}), 412)
    second = kb.sends("a", "Two", headers={"if-match": first.headers["etag"]})
    assert second.status == 200
    refused(kb.sends("a", "Three", headers={"if-match": first.headers["etag"]}), 412)
    refused(kb.sends("b", "x", headers={"if-match": "*"}), 412)
    refused(kb.sends("a", "Three", headers={"if-none-match": "*"}), 412)
    refused(kb.sends("a", "Three", headers={"if-none-match": second.headers["etag"]}), 422, "header.if-none-match")
    assert kb.sends("b", "x", headers={"if-none-match": "*"}).status == 200
    kb.delete("b")
    kb.embed()  # which is news to who reads, and no change that who writes has missed
    path = kb.of("a")
    assert kb.ask(documents, "GET", path, headers={"if-none-match": second.headers["etag"]}).status == 200
    known = kb.ask(documents, "GET", path).headers["etag"]
    assert kb.ask(documents, "GET", path, headers={"if-none-match": known}).status == 304
    assert kb.sends("a", "Three", headers={"if-match": second.headers["etag"]}).status == 200


NAMES = (
    "Refund", "Refund?", "Refund? (EU)", "100% wool", "%41", "A", "%2541", "a/b", "a%2Fb", "a%252Fb", "..", ".", "/",
    "%", "?", "?name=Refund", "a+b", "a b", "a&b=c", "#1", "Größe", "世界", "\U0001f680", "x" * 255,
)  # fmt: skip


def test_a_document_may_have_any_name_and_is_nobody_elses(kb: KnowledgeClient) -> None:
    for index, name in enumerate(NAMES):
        assert kb.put(name, f"Text {index}")["name"] == name
    assert counts(kb)[0] == len(NAMES)
    assert [kb.document(name)["content"] for name in NAMES] == [f"Text {index}" for index in range(len(NAMES))]
    assert {chunk["document_name"] for chunk in kb.chunks("100% wool")} == {"100% wool"}
    assert kb.delete("Refund?").status == 200
    assert {document["name"] for document in kb.documents(limit="250")} == {*NAMES} - {"Refund?"}


def test_a_name_that_a_batch_has_stored_is_read_and_deleted(kb: KnowledgeClient) -> None:
    assert kb.batch({"name": "100% wool", "content": "Wash cold"}).status == 200
    assert kb.document("100% wool")["content"] == "Wash cold"
    assert kb.delete("100% wool").status == 200


def test_no_document_has_its_name_in_the_path(kb: KnowledgeClient) -> None:
    kb.put("a", "One")
    for method in ("GET", "PUT", "DELETE"):
        body = {"content": "x"} if method == "PUT" else None
        assert kb.ask(documents, method, f"{kb.path}/documents/a", body=body).status in (404, 405)
    assert kb.document("a")["content"] == "One"


def test_names_that_look_the_same_are_one_name(kb: KnowledgeClient) -> None:
    composed, decomposed = "Gr\u00f6\u00dfe", "Gro\u0308\u00dfe"
    assert kb.put(decomposed, "One")["name"] == composed
    assert kb.put(composed, "Two")["id"] == kb.document(decomposed)["id"]
    refused(kb.batch({"name": composed, "content": "x"}, {"name": decomposed, "content": "y"}), 422, "body")
    assert {hit["document_name"] for hit in kb.find("Two", mode="text", filter={"document_name": decomposed})} == {
        composed
    }
    assert len(kb.chunks(decomposed)) == 1
    assert kb.delete(decomposed).status == 200
    refused(kb.sends("\ufb2c" * 86, "Three letters each, once composed"), 422, "query.name")
    assert counts(kb) == (0, 0)


def test_counts_are_exact_after_whatever_happened(kb: KnowledgeClient, superuser: psycopg.Connection[Any]) -> None:
    def exact() -> tuple[int, int]:
        row = superuser.execute(
            "SELECT count(*), (SELECT count(*) FROM app.chunks WHERE knowledge_base_id = %s)::int"
            " FROM app.documents WHERE knowledge_base_id = %s",
            (kb.base, kb.base),
        ).fetchone()
        return row  # pyright: ignore[reportReturnType]

    kb.batch(*({"name": str(n), "content": long(n)} for n in range(1, 5)))
    assert counts(kb) == exact() == (4, kb.about()["total_chunks"])
    kb.put("1", long(6))
    kb.put("2", "short")
    kb.delete("3")
    assert counts(kb) == exact()
    terms = "SELECT count(*) FROM app.term_counts WHERE knowledge_base_id = %s"
    assert superuser.execute(terms, (kb.base,)).fetchone() != (0,)
    for name in ("1", "2", "4"):
        kb.delete(name)
    assert counts(kb) == exact() == (0, 0)
    assert superuser.execute(terms, (kb.base,)).fetchone() == (0,)


def test_many_who_write_at_once_lose_no_count(kb: KnowledgeClient, direct_url: str) -> None:
    entry = AccessRequest(kb.tenant.owner, None, "knowledge:write")
    queries = [store(kb.about()["id"], [cut(str(n % 10), NewDocument(content=long(1 + n % 3, n)))]) for n in range(40)]
    queries += [delete(kb.about()["id"], str(n), None) for n in range(5)]  # pyright: ignore[reportArgumentType]

    def send(query: Any) -> None:
        with psycopg.connect(direct_url) as conn:
            conn.execute(AUTHORIZE, entry.params(Database(entry).deadline))
            conn.execute(query.sql, query.params)

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(send, queries))
    listed, chunks = kb.documents(limit="250"), kb.chunks()
    assert counts(kb) == (len(listed), len(chunks)) == (len(listed), sum(d["chunk_count"] for d in listed))
    for document in listed:
        indexes = [chunk["chunk_index"] for chunk in chunks if chunk["document_name"] == document["name"]]
        assert indexes == list(range(document["chunk_count"]))


def test_a_base_goes_with_all_that_is_in_it(kb: KnowledgeClient, superuser: psycopg.Connection[Any]) -> None:
    kb.batch(*({"name": str(n), "content": long(2)} for n in range(3)))
    kb.embed()
    assert kb.ask(bases, "DELETE", kb.path).status == 200
    for table in ("documents", "chunks", "embeddings", "embedding_tasks", "term_counts", "knowledge_base_models"):
        left = superuser.execute(f"SELECT count(*) FROM app.{table} WHERE knowledge_base_id = %s", (kb.base,))  # pyright: ignore[reportArgumentType, reportCallIssue]
        assert left.fetchone() == (0,), table


def test_what_is_under_a_hold_is_neither_deleted_nor_written_over_and_takes_more(kb: KnowledgeClient) -> None:
    kb.put("a", "Evidence")
    hold = kb.make.hold(kb.tenant)
    for answer in (kb.delete("a"), kb.sends("a", "Nothing to see"), kb.ask(bases, "DELETE", kb.path)):
        refused(answer, 409)
        assert answer.json["code"] == "legal_hold"
    assert kb.document("a")["content"] == "Evidence"
    refused(kb.sends("a", "Evidence", title="Exhibit"), 409)
    refused(kb.ask(bases, "PUT", kb.path, body={"description": "Nothing"}), 409)
    assert kb.sends("a", "Evidence").status == 200
    assert kb.put("b", "More")["name"] == "b"
    kb.make.within(
        kb.tenant.id,
        "UPDATE app.legal_holds SET released_by = 'x', released_at = now() WHERE id = %(id)s",
        {"id": hold},
    )
    assert kb.delete("a").status == 200
