"""Words that are indexed anew in the background: nothing is embedded, and nothing is lost when a run is killed."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from flomastr.languages import words_job
from tests.support.kb_client import KnowledgeClient

COUNTED = "SELECT knowledge_base_id, term, chunks FROM app.term_counts WHERE tenant_id = %s ORDER BY 1, 2"
COUNTABLE = """
SELECT c.knowledge_base_id, term, count(*) FROM app.chunks AS c, unnest(c.terms) AS term
WHERE c.tenant_id = %s GROUP BY 1, 2 ORDER BY 1, 2
"""
STATE = "SELECT id, xmin::text FROM app.chunks WHERE tenant_id = %s ORDER BY 1"
OLD = "UPDATE app.documents SET indexed_as = 'english 1.18' WHERE tenant_id = %s"
OLD_BASE = "UPDATE app.knowledge_bases SET indexed_as = 'english 1.18' WHERE tenant_id = %s"


def counts_are_exact(kb: KnowledgeClient) -> bool:
    rows = [kb.superuser.execute(question, (kb.tenant.id,)).fetchall() for question in (COUNTED, COUNTABLE)]
    return rows[0] == rows[1] != []


def long(word: str, passages: int) -> list[dict[str, str]]:
    return [{"text": f"Zwei {word}, die dort stehen, Nummer {n}"} for n in range(passages)]


def test_a_base_changes_its_language_and_nothing_is_embedded(kb: KnowledgeClient) -> None:
    kb.put("a", "Zwei Häuser und Geld")
    kb.put("b", "Ein Haus\n\nmit Garten")
    kb.embed()
    kb.index_words()
    kb.endpoint.asked.clear()
    changed = kb.speaks("german")
    assert (changed["language"], changed["words_pending"]) == ("german", 2)
    assert kb.names("Häuser", mode="text") == ["a"]  # by the words of before
    updated = kb.about()["last_updated"]
    kb.index_words()
    about = kb.about()
    assert (about["words_pending"], about["last_updated"], about["total_chunks"]) == (0, updated, 2)
    assert sorted(kb.names("Häuser", mode="text")) == ["a", "b"]
    assert {one["language"] for one in kb.documents()} == {"german"}
    assert {one["status"] for one in kb.documents()} == {"embedded"}
    assert kb.tasks() == kb.endpoint.asked == []
    assert counts_are_exact(kb)


def test_while_words_are_indexed_each_document_is_found_by_its_own(
    kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb.put("old", chunks=long("Häuser", 250))
    kb.put("older", chunks=long("Häuser", 3))
    kb.speaks("german")
    kb.put("new", "Ein Haus")
    assert kb.names("Haus", mode="text") == ["new"]
    assert len(kb.names("Häuser", mode="text", k=100)) == 100
    advanced, steps = words_job.advanced, 0

    def dying(*args: Any) -> bool:
        nonlocal steps
        steps += 1
        if steps > 1:
            raise KeyboardInterrupt
        return advanced(*args)

    monkeypatch.setattr(words_job, "advanced", dying)
    with pytest.raises(KeyboardInterrupt):
        kb.index_words()
    assert kb.about()["words_pending"] == 1
    assert {one["name"]: one["language"] for one in kb.documents()} == {
        "new": "german",
        "old": "german",
        "older": "english",
    }
    assert {hit["document_name"] for hit in kb.find("Häuser", mode="text", k=100, filter={"document_name": "older"})}
    assert kb.find("Haus", mode="text", filter={"document_name": "older"}) == []
    monkeypatch.undo()
    kb.index_words()
    assert kb.about()["words_pending"] == 0
    assert len(kb.find("Haus", mode="text", filter={"document_name": "older"})) == 3
    assert counts_are_exact(kb)


def test_a_step_that_fails_has_changed_nothing(kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kb.put("a", "Zwei Häuser")
    kb.speaks("german")

    def broken(*_: Any) -> list[str | None]:
        raise RuntimeError

    monkeypatch.setattr(words_job, "told", broken)
    with pytest.raises(RuntimeError):
        kb.index_words()
    monkeypatch.undo()
    assert kb.about()["words_pending"] == 1
    assert kb.names("Häuser", mode="text") == ["a"]
    kb.index_words()
    assert kb.names("Haus", mode="text") == ["a"]


def test_tenants_take_turns(kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    other = kb.neighbour()
    kb.index_words()
    for one in (kb, other):
        for name in ("a", "b", "c"):
            one.put(name, chunks=long("Häuser", 200))
        one.speaks("german")
    advanced, turns = words_job.advanced, list[UUID]()

    def noted(job: Any, tenant: UUID, base: UUID) -> bool:
        turns.append(tenant)
        return advanced(job, tenant, base)

    monkeypatch.setattr(words_job, "advanced", noted)
    kb.index_words()
    mine = [tenant for tenant in turns if tenant in (kb.tenant.id, other.tenant.id)]
    assert [set(mine[at : at + 2]) for at in (0, 2, 4)] == [{kb.tenant.id, other.tenant.id}] * 3
    assert kb.about()["words_pending"] == other.about()["words_pending"] == 0


def test_a_base_that_a_writer_has_waits_for_the_next_run(kb: KnowledgeClient, server: Any, database: str) -> None:
    kb.put("a", "Zwei Häuser")
    kb.speaks("german")
    with psycopg.connect(server.url("postgres", database)) as writer:
        writer.execute("SELECT FROM app.knowledge_bases WHERE id = %s FOR NO KEY UPDATE", (kb.base,))
        kb.index_words()
    assert kb.about()["words_pending"] == 1
    kb.index_words()
    assert kb.about()["words_pending"] == 0


def test_words_of_older_rules_are_mended_and_others_are_not_written(kb: KnowledgeClient) -> None:
    kb.put("a", "Refunds take a week")
    kb.put("b", "東京の保証")
    kb.superuser.execute("UPDATE app.chunks SET terms = '{1}' WHERE tenant_id = %s AND chunk_end = 5", (kb.tenant.id,))
    for statement in (OLD, OLD_BASE):
        kb.superuser.execute(statement, (kb.tenant.id,))
    before = kb.superuser.execute(STATE, (kb.tenant.id,)).fetchall()
    assert kb.names("保証", mode="text") == []
    kb.index_words()
    after = kb.superuser.execute(STATE, (kb.tenant.id,)).fetchall()
    assert kb.names("保証", mode="text") == ["b"]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
    assert counts_are_exact(kb)


def test_a_document_that_is_replaced_meanwhile_has_the_new_language(kb: KnowledgeClient) -> None:
    kb.put("a", "Zwei Häuser\n\n" + "Garten " * 300)
    kb.embed()
    kb.speaks("german")
    kb.put("a", "Zwei Häuser\n\n" + "Garten " * 300, title="Wohnen")
    assert kb.names("Haus", mode="text") == ["a"]
    kb.index_words()
    assert kb.about()["words_pending"] == 0
    assert counts_are_exact(kb)


def test_documents_are_told_by_how_they_begin_as_if_they_were_put_now(kb: KnowledgeClient) -> None:
    kb.put("de", "Die Rückgabe ist innerhalb von dreißig Tagen möglich, wenn die Ware nicht benutzt wurde.")
    kb.put("en", "You may return the goods within thirty days if they have not been used by anybody.")
    kb.put("ja", "商品の返品は三十日以内にお願いします。")
    assert kb.speaks("auto")["words_pending"] == 3
    kb.index_words()
    assert {one["name"]: one["language"] for one in kb.documents()} == {"de": "german", "en": "english", "ja": "simple"}
    assert kb.names("Tag", mode="text") == ["de"]
    assert kb.names("goods", mode="text") == ["en"]
    assert kb.names("返品", mode="text") == ["ja"]


def test_a_base_that_changes_its_language_back_at_once_is_complete(kb: KnowledgeClient) -> None:
    kb.put("a", "Refunds take a week")
    kb.index_words()
    kb.speaks("german")
    assert kb.speaks("english")["words_pending"] == 1
    kb.index_words()
    assert kb.about()["words_pending"] == 0
    assert kb.names("refund", mode="text") == ["a"]


def test_what_a_base_had_before_is_no_longer_asked_for(kb: KnowledgeClient) -> None:
    kb.put("a", "Zwei Häuser")
    kb.speaks("german")
    kb.index_words()
    spoken = kb.superuser.execute("SELECT languages FROM app.knowledge_bases WHERE id = %s", (kb.base,)).fetchall()
    assert spoken == [(["german"],)]
