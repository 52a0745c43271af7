"""Markdown: which headings a passage stands under, what it never consists of alone, and what is indexed before it."""

from pathlib import Path

import pytest

from flomastr.knowledge.chunking import CAPACITY, READABLE, Chunk, chunks_of_markdown, without_images
from flomastr.knowledge.front_matter import front_matter
from flomastr.knowledge.structure import MAX_LINES, structure_of
from tests.support.kb_client import KnowledgeClient

DATA = Path(__file__).parent / "data"
LONG = "This sentence fills the page. " * 90  # more than a passage holds


def path(content: str) -> list[str]:
    """The headings of the last passage."""
    return chunks_of_markdown(content)[-1].headings


def assert_whole(content: str, chunks: list[Chunk], begin: int = 0) -> None:
    own, end = structure_of(content, begin).own, 0
    for chunk in chunks:
        assert content[chunk.start : chunk.end] == chunk.text
        assert len(chunk.text) <= CAPACITY
        assert content[end : chunk.start].strip() == ""
        assert READABLE.search(own, chunk.start, chunk.end), chunk.text
        end = chunk.end
    assert content[end:].strip() == ""


@pytest.mark.parametrize(
    ("above", "headings"),
    [
        ("\ufeff# Refunds\n\n", ["Refunds"]),
        ("\ufeffRefunds\n===\n\n", ["Refunds"]),
        ("# Refunds\r\n\r\n## Deadline\r\n\r\n", ["Refunds", "Deadline"]),
        ("# Refunds\r\r## Deadline\r\r", ["Refunds", "Deadline"]),
        ("# Guide\n\n<!--\n# TODO rewrite\n-->\n\n", ["Guide"]),
        ("# Guide\n\n<pre>\n# no\n\n# none\n</pre>\n\n", ["Guide"]),
        ("# Guide\n\n```\n# no\n```\n\n", ["Guide"]),
        ("# Guide\n\n~~~sh\n# no\n```\n# none\n~~~\n\n", ["Guide"]),
        ("# Guide\n\n    # no\n\n", ["Guide"]),
        ("# Guide\n\n```js` is no fence` here\n\n## Real\n\n", ["Guide", "Real"]),
        ("# Guide\n\n- a list\n---\n\n", ["Guide"]),
        ("# Guide\n\n- a list\n\n---\n\n", ["Guide"]),
        ("# Guide\n\n> a quote\n---\n\n", ["Guide"]),
        ("# Guide\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n\n", ["Guide"]),
        ("# Guide\n\nA line\u2028# no\n\n", ["Guide"]),
        ("# Guide\n\nA line\x0c# no\n\n", ["Guide"]),
        ("# Guide\n\nA line\x85# no\n\n", ["Guide"]),
        ("<h1>Refunds</h1>\n\n", ["Refunds"]),
        ("<h1 align='center'>\n  <img src='x'>Refunds &amp; returns\n</h1>\n\n", ["Refunds & returns"]),
        ("<div><h2>Refunds</h2></div>\n\n", ["Refunds"]),
        ("<!-- <h1>no</h1> -->\n\n", []),
        ("Refunds and\nreturns\n===\n\n", ["Refunds and returns"]),
        ("# *Refunds* and [returns](x.md) of `code`\n\n", ["Refunds and returns of code"]),
        ("# Refunds ##\n\n", ["Refunds"]),
        ("#Refunds\n\n", []),
        ("\\# Refunds\n\n", []),
        ("# A\n\n### C\n\n## B\n\n", ["A", "B"]),
        ("# C#\n\n", ["C#"]),
    ],
)
def test_headings_are_those_of_common_mark(above: str, headings: list[str]) -> None:
    assert path(above + LONG) == headings


@pytest.mark.parametrize(
    "content",
    [
        "# Returns\n\n## Refund deadline\n\n" + LONG,
        "# Returns\n\n" + LONG + "\n\n## The end",
        "# One\n\n" + LONG + "\n\n---\n\n# Two\n\n***\n\n" + LONG,
        "# Code\n\n```python\n" + "refund = 1\n" * 400 + "```\n",
        "# A\n\n## B\n\n### C\n\n#### D\n\n" + LONG,
        "Setext\n===\n\n" + LONG,
        "<h1>Page</h1>\n\n" + LONG,
        "# Table\n\n| a | b |\n|---|---|\n" + "| one | two |\n" * 300,
        "# " + "long heading " * 60 + "\n\n" + LONG,
        "\ufeff# BOM\n\n" + LONG,
        "# Only a heading\n\n" * 3 + "text",
        "\n\n".join(f"## Section {n}\n\n" + LONG for n in range(5)),
    ],
)
def test_no_passage_is_headings_or_rules_alone(content: str) -> None:
    assert_whole(content, chunks_of_markdown(content))


@pytest.mark.parametrize(
    "comment", ["<!-- # TODO rewrite this -->", "<!--\nnot yet\n\n-->", "<div>\n<!-- not yet -->\n</div>"]
)
def test_a_comment_makes_no_passage_of_its_heading(comment: str) -> None:
    passages = chunks_of_markdown(f"# Guide\n\n{comment}\n\n{LONG}")
    assert len(passages) > 1
    assert all("page" in passage.text for passage in passages)


def test_the_path_of_headings_is_indexed_and_the_text_stays_as_it_is(kb: KnowledgeClient) -> None:
    content = (DATA / "heading-alone.md").read_text()
    kb.put("returns.md", content, content_type="markdown")
    kb.embed()
    hits = kb.find("refund deadline", mode="text")
    assert len(hits) == len(kb.chunks()) > 1
    assert [hit["chunk_metadata"]["headings"] for hit in hits] == [["Returns", "Refund deadline"]] * len(hits)
    assert all(content[hit["start"] : hit["end"]] == hit["chunk_text"] for hit in hits)
    assert all("customer" in hit["chunk_text"] for hit in hits)
    assert kb.endpoint.texts[-1].startswith("Returns > Refund deadline\n\n")


def test_a_heading_above_embeds_what_stands_under_it_and_nothing_else(kb: KnowledgeClient) -> None:
    def content(heading: str) -> str:
        return f"# Returns\n\n## {heading}\n\n{LONG}\n\n## Other\n\n{LONG.replace('page', 'book')}"

    kb.put("a", content("Deadline"), content_type="markdown")
    kb.embed()
    kb.endpoint.asked.clear()
    kb.put("a", content("Limit"), content_type="markdown")
    kb.embed()
    assert kb.endpoint.texts and all("page" in text and "book" not in text for text in kb.endpoint.texts)


def test_each_passage_of_a_long_table_is_indexed_with_its_first_row(kb: KnowledgeClient) -> None:
    kb.put("prices.md", (DATA / "table-over-2000.md").read_text(), content_type="markdown")
    hits = kb.find("item price note", mode="text")
    assert len(hits) == len(kb.chunks()) >= 4
    assert {hit["score"] for hit in hits} == {1}
    contexts = [chunk.context for chunk in chunks_of_markdown((DATA / "table-over-2000.md").read_text())]
    assert contexts == [[]] + [["Prices", "| Item | Price | Note |"]] * (len(contexts) - 1)


def test_of_the_first_row_of_a_table_five_hundred_characters_are_indexed() -> None:
    rows = ["| " + " | ".join(["name"] * 1000) + " |", "| --- |", *["| some value of a row |"] * 200]
    passages = chunks_of_markdown("\n".join(rows))
    assert len(passages) > 3
    assert {len(line) for passage in passages[1:] for line in passage.context} == {500}


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        ("---\ntitle: Refunds\ndate: 2026-01-01\n---\ntext", {"title": "Refunds", "date": "2026-01-01"}),
        ("\ufeff---\r\ntags: [a, b]\r\n---\r\ntext", {"tags": ["a", "b"]}),
        ("---\nno: yes\n...\ntext", {"false": True}),
        ("---\n# only a comment\n---\ntext", {}),
        ("---\njust text\n---\ntext", {}),
        ("---\na: &x [1]\nb: *x\n---\ntext", {}),
        ('---\na: "\\0"\n---\ntext', {}),
        ("---\na: [\n---\ntext", {}),
        ("---\na: .nan\n---\ntext", {}),
        ('---\na: !!int ""\n---\ntext', {}),
        ('---\na: !!float ""\n---\ntext', {}),
        ("---\na: !!bool foo\n---\ntext", {}),
        ("---\na: !!binary foo\n---\ntext", {}),
        ("---\na: !!omap foo\n---\ntext", {}),
        ("---\n? !!set {a, b}\n---\ntext", {}),
        ("text\n---\ntitle: x\n---\n", {}),
    ],
)
def test_front_matter_is_metadata(content: str, metadata: dict[str, object]) -> None:
    assert front_matter(content)[0] == metadata


def test_front_matter_gives_title_and_metadata_unless_the_request_does(kb: KnowledgeClient) -> None:
    content = (DATA / "front-matter.md").read_text()
    kb.put("a", content, content_type="markdown")
    document = kb.document("a")
    assert document["title"] == "Refund policy"
    assert document["metadata"] == {"title": "Refund policy", "tags": ["money", "returns"], "date": "2026-01-01"}
    chunk = kb.chunks("a")[0]
    assert chunk["chunk_metadata"] == document["metadata"]
    assert content[chunk["start"] : chunk["end"]] == chunk["chunk_text"]
    kb.put("a", content, content_type="markdown", title="Other", metadata={"date": "never"})
    assert kb.document("a")["title"] == "Other"
    assert kb.document("a")["metadata"]["date"] == "never"


@pytest.mark.parametrize(("name", "headings"), [("bom-first-heading.md", ["Refund policy"]), ("comment.md", ["Guide"])])
def test_headings_of_collected_documents(name: str, headings: list[str]) -> None:
    content = (DATA / name).read_bytes().decode()
    chunks = chunks_of_markdown(content)
    assert_whole(content, chunks)
    assert {tuple(chunk.headings) for chunk in chunks} == {tuple(headings)}


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("![a chart](data:image/png;base64,iVBORw0KGgo=) after", "![a chart](data:image/png) after"),
        ("![](data:image/svg+xml;charset=utf-8;base64,PHN2Zz4=)", "![](data:image/svg+xml)"),
        ("<img src='data:image/gif;base64,R0lGOD' alt='x'>", "<img src='data:image/gif' alt='x'>"),
        ("[logo]: data:image/jpeg;base64,/9j/4AAQ", "[logo]: data:image/jpeg"),
        ("a data:image/png without any", "a data:image/png without any"),
        ("see data:image/png, which is one", "see data:image/png, which is one"),
    ],
)
def test_an_image_within_a_document_is_not_read(content: str, left: str) -> None:
    assert without_images(content) == left


def test_passages_stand_where_they_say_in_a_document_with_an_image(kb: KnowledgeClient) -> None:
    image = "![chart](data:image/png;base64," + "iVBORw0KGgo" * 2000 + ")"
    kb.put("a", f"# Refunds\n\nBefore {image} after\n\n{LONG}", content_type="markdown")
    content = kb.document("a")["content"]
    assert len(content) < 3000
    assert all(content[c["start"] : c["end"]] == c["chunk_text"] for c in kb.chunks("a"))
    assert len(kb.find("chart after", mode="text")) == 1


@pytest.mark.parametrize(("depth", "is_read"), [(19, True), (20, False), (4900, False)])
def test_front_matter_that_is_nested_deeply_is_text(depth: int, is_read: bool) -> None:
    content = f"---\na: {'[' * depth}{']' * depth}\n---\n\nRefunds"
    metadata, begin = front_matter(content)
    assert (set(metadata), begin > 0) == ({"a"} if is_read else set(), is_read)


@pytest.mark.parametrize(
    ("line", "is_one"), [("|-|:-:|", True), (":--- | ---", True), ("|-" + " " * 400_000 + "x", False)]
)
def test_a_row_of_hyphens_is_known_however_long_it_is(line: str, is_one: bool) -> None:
    assert (structure_of(f"|a|b|\n{line}\n|c|d|").tables != []) is is_one


def test_a_heading_is_read_for_marks_as_far_as_it_may_be_kept() -> None:
    (heading,) = structure_of("# *Refunds* " + "![" * 200_000).headings
    assert heading.text.startswith("Refunds ![![") and len(heading.text) == 100


def test_twenty_thousand_marks_are_read_in_the_headings_of_a_document_and_the_others_stay() -> None:
    texts = [heading.text for heading in structure_of("# *a*\n" * 10_001 + "# b\n").headings]
    assert (texts[0], texts[9_999], texts[10_000], texts[10_001]) == ("a", "a", "*a*", "b")


@pytest.mark.parametrize(
    ("above", "is_found"), [("> " * 9, True), ("> " * 10, False), ("- " * 4, True), ("- " * 5, False)]
)
def test_headings_are_looked_for_in_so_many_levels(above: str, is_found: bool) -> None:
    assert (structure_of(f"{above}# Refunds").headings != []) is is_found


def test_headings_are_looked_for_in_so_many_lines_and_all_text_is_kept() -> None:
    content = "# First\n" + "a\n" * (MAX_LINES - 2) + "\n# Last\n\nRefunds take two weeks.\n"
    last = structure_of(content[1:].replace("a\n", "", 2)).headings
    assert [heading.text for heading in last] == ["Last"]
    chunks = chunks_of_markdown(content)
    assert_whole(content, chunks)
    assert chunks[-1].headings == ["First"]
    assert "Refunds take two weeks." in chunks[-1].text


STRANGE = ["#", "***", "\u200b", "[a]: x", "---\ntitle: x\n---\n", "<!-- todo -->", "# Refunds", "```\nx\n```"]


@pytest.mark.parametrize("content", STRANGE)
def test_what_says_something_beside_its_text_is_one_passage(kb: KnowledgeClient, content: str) -> None:
    assert kb.put("refunds", content, content_type="markdown")["chunk_count"] == 1
