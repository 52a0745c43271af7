"""Search: by meaning, words or both, filtered, in one tenant, with a score that says whether to rely on it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from flomastr.knowledge.filters import MAX_CONTAINED
from flomastr.settings import settings
from functions.knowledge_search.handler import lambda_handler as handler
from tests.support.clock import HANGS
from tests.support.embeddings_endpoint import rightly
from tests.support.events import call
from tests.support.factories import machine
from tests.support.kb_client import Json, KnowledgeClient
from tests.support.problems import refused

MODES = ("hybrid", "vector", "text")
SHELF = {
    "refunds": "Refunds go back to the card within five days.",
    "shipping": "Parcels leave the warehouse on the next working day.",
    "customs": "Customs may hold parcels for a week.",
}


@pytest.fixture
def shelf(kb: KnowledgeClient) -> KnowledgeClient:
    for name, text in SHELF.items():
        kb.put(name, text, metadata={"language": "en", "topic": name})
    kb.embed()
    return kb


@pytest.mark.parametrize("mode", MODES)
def test_the_passage_that_answers_comes_first_and_cites_its_position(shelf: KnowledgeClient, mode: str) -> None:
    hit = shelf.find("When do parcels leave the warehouse?", mode=mode)[0]
    assert hit["knowledge_base_id"] == shelf.base
    assert (hit["document_name"], hit["chunk_index"], hit["chunk_text"]) == ("shipping", 0, SHELF["shipping"])
    assert SHELF["shipping"][hit["start"] : hit["end"]] == hit["chunk_text"]
    assert hit["chunk_metadata"] == {"language": "en", "topic": "shipping"}


@pytest.mark.parametrize("mode", MODES)
def test_what_is_replaced_or_deleted_is_not_found_by_the_next_search(shelf: KnowledgeClient, mode: str) -> None:
    assert "refunds" in shelf.names("refunds card", mode=mode)
    shelf.put("refunds", "Money is returned in cash only.")
    assert SHELF["refunds"] not in [hit["chunk_text"] for hit in shelf.find("refunds card", mode=mode)]
    shelf.delete("customs")
    assert "customs" not in shelf.names("customs parcels", mode=mode)


def test_new_text_is_found_by_its_words_before_it_is_embedded(shelf: KnowledgeClient) -> None:
    shelf.put("warranty", "The warranty covers two winters.")
    assert shelf.names("warranty winters", mode="text") == ["warranty"]
    assert shelf.names("warranty winters")[0] == "warranty"
    assert "warranty" not in shelf.names("warranty winters", mode="vector")


@pytest.mark.parametrize("mode", MODES)
def test_filters_hold_for_every_leg(shelf: KnowledgeClient, mode: str) -> None:
    elsewhere = shelf.other_base()
    elsewhere.put("refunds", "Refunds to the card, elsewhere.", metadata={"language": "de"})
    elsewhere.embed()
    query = "refunds parcels card"
    assert len(shelf.find(query, mode=mode)) == 4
    assert {h["knowledge_base_id"] for h in shelf.find(query, mode=mode, knowledge_base_id=elsewhere.base)} == {
        elsewhere.base
    }
    assert shelf.names(query, mode=mode, filter={"document_name": "customs"}) == ["customs"]
    german = shelf.find(query, mode=mode, filter={"metadata": {"language": "de"}})
    assert [hit["knowledge_base_id"] for hit in german] == [elsewhere.base]
    both = {"document_name": "refunds", "metadata": {"topic": "refunds", "language": "en"}}
    assert [h["knowledge_base_id"] for h in shelf.find(query, mode=mode, filter=both)] == [shelf.base]
    assert shelf.find(query, mode=mode, filter={"document_name": "nothing"}) == []


def test_k_rows_come_whenever_there_are_k(kb: KnowledgeClient) -> None:
    kb.batch(*({"name": f"d{n}", "content": f"parcel number {n}"} for n in range(100)))
    while kb.tasks():
        kb.work(kb.tasks()[:10])
    for mode in MODES:
        for k in (1, 7, 100):
            assert len(kb.find("parcel", mode=mode, k=k)) == k
    assert len(kb.find("words that nothing has", k=100)) == 100
    assert kb.find("words that nothing has", k=100, mode="text") == []


@pytest.mark.parametrize("mode", MODES)
def test_a_hit_says_whether_it_can_be_relied_on_and_the_answer_whether_anybody_must_be_asked(
    shelf: KnowledgeClient, mode: str
) -> None:
    def confidence(**more: Any) -> tuple[list[bool], bool]:
        answer = shelf.searches(SHELF["refunds"], mode=mode, **more).json
        assert all(hit["confident"] == (hit["score"] >= more.get("min_score", 0.8)) for hit in answer["results"])
        return [hit["confident"] for hit in answer["results"]], answer["escalate"]

    confident, escalate = confidence()  # the tenant's threshold is 0.8
    assert (confident[0], any(confident[1:]), escalate) == (True, False, False)
    assert all(confidence(min_score=0)[0])
    other = shelf.searches("Who was the first person on the moon?", mode=mode).json
    assert other["escalate"] and not any(hit["confident"] for hit in other["results"])


def test_without_knowledge_somebody_must_be_asked(kb: KnowledgeClient) -> None:
    assert kb.searches("anything").json == {"results": [], "escalate": True, "reranked": False, "notes": []}


def test_the_threshold_is_the_tenants(shelf: KnowledgeClient) -> None:
    query = "When do parcels leave the warehouse on a day like this one or that?"
    score = shelf.find(query)[0]["score"]
    for threshold, confident in ((score, True), (min(1, score + 0.01), False)):
        shelf.make.within(shelf.tenant.id, "UPDATE app.tenants SET confidence_threshold = %(t)s", {"t": threshold})
        assert shelf.find(query)[0]["confident"] is confident


def test_scores_lie_between_nothing_and_all(shelf: KnowledgeClient) -> None:
    same = shelf.find(SHELF["refunds"], mode="vector")[0]
    assert (same["document_name"], same["score"]) == ("refunds", pytest.approx(1, abs=0.001))
    words = shelf.find(SHELF["refunds"], mode="text")[0]
    assert words["score"] == 1
    half = shelf.find("refunds unicorns", mode="text")[0]
    assert 0.2 < half["score"] < 0.6  # a word that nothing has weighs more


def test_words_count_by_how_rare_they_are_and_not_by_how_long_the_passage_is(kb: KnowledgeClient) -> None:
    kb.put("zebra", "Zebra printer.")
    kb.put("giraffe", "Giraffe food.")
    filler = " ".join(f"Filler{n} sentence about nothing." for n in range(40))
    kb.put("long", f"The warranty of your zebra printer covers repairs. {filler}")
    for n in range(6):
        kb.put(f"other{n}", f"Text {n} about cooking rice.")
    answer = kb.searches("lion giraffe", mode="text").json
    assert [(hit["document_name"], hit["score"]) for hit in answer["results"]] == [
        ("giraffe", pytest.approx(0.3877, abs=0.0001))  # ln(1 + 8.5/1.5) of that and of ln(1 + 9.5/0.5)
    ]
    assert answer["escalate"]
    answer = kb.searches("warranty of your zebra printer covers repairs", mode="text").json
    assert [(hit["document_name"], hit["score"]) for hit in answer["results"][:1]] == [("long", 1)]
    assert not answer["escalate"]


def test_of_two_words_the_rarer_one_decides(kb: KnowledgeClient) -> None:
    for n in range(5):
        kb.put(f"common{n}", "parcel and box")
    kb.put("rare", "voucher and box")
    assert kb.names("parcel voucher", mode="text", k=1) == ["rare"]


def test_a_word_counts_for_more_in_a_shorter_passage(kb: KnowledgeClient) -> None:
    kb.put("long", "voucher " + "filler " * 60)
    kb.put("short", "voucher filler")
    assert kb.names("voucher", mode="text") == ["short", "long"]


def test_a_word_that_is_repeated_counts_for_less_each_time(kb: KnowledgeClient) -> None:
    kb.put("twice", "voucher voucher box box")
    kb.put("once", "voucher parcel box box")
    assert kb.names("voucher", mode="text") == ["twice", "once"]
    kb.put("often", "voucher voucher voucher voucher")
    kb.put("both", "voucher parcel card card")
    assert kb.names("voucher parcel", mode="text", k=1) == ["once"]


def test_the_weights_of_words_are_those_of_bm25(superuser: psycopg.Connection[Any]) -> None:
    """Of 3 words, with k1 = 1.6, b = 0.75 and 100 words for the usual length: 2.6 n / (n + 0.436)."""
    (found,) = superuser.execute(
        "SELECT app.term('refund') + 1, app.weights_of(app.words_of('refund refund card'))::text"
    ).fetchall()
    refund, weights = found
    by_dimension = dict(pair.split(":") for pair in weights.partition("}")[0][1:].split(","))
    assert by_dimension.pop(str(refund)) == "2.1346"
    assert list(by_dimension.values()) == ["1.8106"]


@pytest.mark.parametrize(
    ("passage", "query"),
    [
        ("A \u201crefund\u201d is due", "refund"),
        ("The customer\u2019s card", "customer"),
        ("One payment\u2014declined twice", "payment"),
        ("One payment\u2014declined twice", "declined"),
        ("London\u2013Paris by rail", "Paris"),
        ("The price\u00a0tag", "tag"),
        ("We wait\u2026then go", "wait"),
        ("\u00abиюль\u00bb here", "июль"),
        ("\u00bfDónde está?", "Dónde"),
        ("\u2022apple \u2022pear", "apple"),
        ("home\u2192office", "office"),
        ("20\u00b0C outside", "20"),
        ("\u20ac100 each", "100"),
        ("Widget\u2122 and m²", "widget"),
        ("great\U0001f44dwork", "work"),
        ("zero\u200bwidth", "width"),
        ("hy\u00adphen\u00adation", "hyphenation"),
        ("日本語\u3002テスト", "日本語"),
        ("\uff48\uff45\uff4c\uff4c\uff4f\u3001world", "hello"),
        ("The ﬁnance office", "finance"),
        ("and/or lift/drag", "drag"),
        ("the field retry_of", "retry"),
        ("Write to ann@example.com", "ann@example.com"),
        ("Write to ann@example.com", "example.com"),
        ("Cafe\u0301 de la Bru\u0308cke", "Café Brücke"),
        ("Café de la Brücke", "CAFE\u0301"),
        ("ह\u093fन\u094dद\u0940 भ\u093eष\u093e\u0964", "भ\u093eष\u093e"),
    ],
)
def test_words_are_found_whatever_stands_beside_them(kb: KnowledgeClient, passage: str, query: str) -> None:
    kb.put("a", passage)
    (hit,) = kb.find(query, mode="text")
    assert hit["score"] == 1


def test_letters_in_two_parts_are_highlighted_as_they_are_written(kb: KnowledgeClient) -> None:
    kb.put("a", "Le re\u0301sume\u0301 est long")
    (hit,) = kb.find("résumé", mode="text")
    assert [hit["chunk_text"][start:end] for start, end in hit["highlights"]] == ["re\u0301sume\u0301"]


def test_vectors_count_by_their_direction_whatever_their_length(kb: KnowledgeClient) -> None:
    def stretched(asked: Json) -> tuple[int, Json]:
        status, body = rightly(asked)
        for row in body["data"]:
            if "shipping" in asked["input"][row["index"]]:
                row["embedding"] = [5 * number for number in row["embedding"]]
        return status, body

    kb.put("near", "refunds take a week")
    kb.put("far", "shipping takes a week")
    with kb.endpoint.answering(stretched):
        kb.embed()
    near, far = kb.find("refunds take a week", mode="vector")
    assert (near["document_name"], near["score"]) == ("near", pytest.approx(1, abs=0.001))
    assert far["score"] < 0.9


def test_highlights_are_where_the_words_stand_in_whatever_form(shelf: KnowledgeClient) -> None:
    shelf.put("forms", "He refunded it. Refunding is free; refund_policy, prerefund.")
    (hit,) = shelf.find("refunds", mode="text", filter={"document_name": "forms"})
    assert [hit["chunk_text"][start:end] for start, end in hit["highlights"]] == ["refunded", "Refunding", "refund"]
    assert {tuple(hit["highlights"]) for hit in shelf.find("refunds", mode="vector")} == {()}


@pytest.mark.parametrize(
    ("query", "passage", "found"),
    [
        ("died", "They are dying. A die is cast.", ["dying", "die"]),
        ("skies", "One sky, two skies, three skis.", ["sky", "skies"]),
        ("happy policies", "Happiness is a policy.", ["Happiness", "policy"]),
        ("running", "Runners run; a runner's runs.", ["run", "runs"]),
        ("x-ray 3.14 a@b.example", "X-ray of 3.14 pies", ["X-ray", "3.14"]),
        ("über straßen", "Über den Straßen", ["Über", "Straßen"]),
        (".*(", "Nothing (.*) of this is a pattern", []),
    ],
)
def test_highlights_are_what_the_stemmer_says_and_nothing_else(
    kb: KnowledgeClient, query: str, passage: str, found: list[str]
) -> None:
    kb.put("a", passage)
    kb.put("b", query)  # so that there is something to find
    kb.embed()
    (hit,) = kb.find(query, filter={"document_name": "a"})
    assert [hit["chunk_text"][start:end] for start, end in hit["highlights"]] == found


def test_other_tenants_text_changes_neither_results_nor_scores(shelf: KnowledgeClient) -> None:
    def all_found() -> Any:
        return [
            [(h["document_name"], h["score"]) for h in shelf.find("refunds parcels customs card", mode=m)]
            for m in MODES
        ]

    before = all_found()
    neighbour = shelf.neighbour()
    neighbour.batch(*({"name": f"n{n}", "content": f"refunds parcels customs card {n}"} for n in range(50)))
    while neighbour.tasks():
        neighbour.work(neighbour.tasks()[:10])
    assert all_found() == before
    assert len(neighbour.find("refunds", k=100)) == 50


def test_the_same_word_has_another_number_in_each_tenant(
    shelf: KnowledgeClient, superuser: psycopg.Connection[Any]
) -> None:
    """So that nobody's search has to pass over the postings of others."""
    neighbour = shelf.neighbour()
    neighbour.put("refunds", SHELF["refunds"])
    terms = "SELECT unnest(terms) FROM app.chunks WHERE tenant_id = %s"
    ours, theirs = ({row for row in superuser.execute(terms, (kb.tenant.id,))} for kb in (shelf, neighbour))
    assert ours and theirs and not ours & theirs


def test_a_misspelt_mode_too_many_rows_and_empty_queries_are_reported(shelf: KnowledgeClient) -> None:
    refused(shelf.searches("x", mode="best"), 422, "body.mode")
    refused(shelf.searches("x", k=0), 422, "body.k")
    refused(shelf.searches("x", k=101), 422, "body.k")
    refused(shelf.searches(" "), 422, "body.query")
    refused(shelf.searches("x" * 2001), 422, "body.query")
    refused(shelf.searches("x", min_score=1.1), 422, "body.min_score")
    refused(shelf.searches("x", filter={"author": "me"}), 422, "body.filter.author")
    refused(shelf.searches("x", knowledge_base_id=shelf.neighbour().base), 404, "body.knowledge_base_id")


def test_what_passages_are_compared_with_is_small_so_that_no_search_can_be_made_endless(kb: KnowledgeClient) -> None:
    """`@>` compares each element of a list with each of the other, and cannot be stopped meanwhile."""
    kb.put("a", "hello world", metadata={"a": [[0]] * 1900 + [[1]]})

    def of(size: int) -> Json:
        bare = {"a": [[1]] * 9 + [""]}
        return {"metadata": {"a": [[1]] * 9 + ["x" * (size - len(json.dumps(bare)))]}}

    began = time.monotonic()
    assert kb.searches("hello", mode="text", filter=of(MAX_CONTAINED)).json["results"] == []
    assert kb.names("hello", mode="text", filter={"metadata": {"a": [[1]]}}) == ["a"]
    assert time.monotonic() - began < HANGS / 4
    refused(kb.searches("hello", mode="text", filter=of(MAX_CONTAINED + 1)), 422, "body.filter.metadata")


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ({"a": list(range(20))}, 200),
        ({"a": list(range(21))}, 422),
        ({"a": [[1] * 10], "b": [{"c": [1] * 9}]}, 422),
    ],
)
def test_a_filter_has_few_members_of_lists(kb: KnowledgeClient, metadata: dict[str, Any], status: int) -> None:
    kb.put("a", "hello")
    assert kb.searches("hello", mode="text", filter={"metadata": metadata}).status == status


def test_a_query_of_stop_words_alone_is_searched_by_them(shelf: KnowledgeClient) -> None:
    (hit,) = shelf.find("to the", mode="text", filter={"document_name": "refunds"})
    assert (hit["score"], hit["highlights"]) == (1, [[16, 18], [19, 22]])
    assert shelf.find("to the moon", mode="text") == []


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("EMBEDDING_MODELS", "model-b")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def test_a_base_whose_model_is_gone_says_so_and_is_found_by_words(shelf: KnowledgeClient, no_models: None) -> None:
    answer = shelf.searches("refunds")
    refused(answer, 409)
    assert answer.json["code"] == "model_unavailable"
    assert shelf.names("refunds", mode="text") == ["refunds"]


def test_a_key_with_another_secret_gets_no_vector(shelf: KnowledgeClient) -> None:
    key = machine(shelf.make.api_key(shelf.tenant, scopes=["knowledge:read"]))
    forged = key.model_copy(update={"key_hash": "0" * 64})
    path, body = f"/routes/knowledge/{shelf.tenant.slug}/search", {"query": "refunds"}
    assert call(handler, "POST", path, body=body, caller=key).status == 200
    asked = len(shelf.endpoint.asked)
    assert call(handler, "POST", path, body={"query": "parcels"}, caller=forged).status == 401
    assert len(shelf.endpoint.asked) == asked


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_endpoint_that_sends_elsewhere_is_not_followed_with_the_key(shelf: KnowledgeClient, status: int) -> None:
    asked = len(shelf.endpoint.asked)
    with shelf.endpoint.answering(lambda _: (status, {}), Location=f"{shelf.endpoint.url}/embeddings"):
        answer = shelf.searches("refunds")
    assert (answer.status, answer.json["code"]) == (503, "embeddings_unavailable")
    assert len(shelf.endpoint.asked) == asked + 1


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, {}, "embeddings_unavailable"),
        (500, "oops", "embeddings_unavailable"),
        (401, {}, "embeddings_unavailable"),
        (302, {}, "embeddings_unavailable"),
        (200, "<html>", "embeddings_unavailable"),
        (200, {"data": []}, "embeddings_unavailable"),
        (200, {"data": [{"index": 0, "embedding": [1.0] * 3}]}, "embeddings_unavailable"),
        (400, {"error": {}}, "query_refused"),
    ],
)
def test_without_a_vector_the_search_says_so_and_words_still_work(
    shelf: KnowledgeClient, status: int, body: Any, code: str
) -> None:
    with shelf.endpoint.answering(lambda _: (status, body)):
        answer = shelf.searches("refunds")
        assert (answer.status, answer.json["code"]) == (422 if code == "query_refused" else 503, code)
        assert shelf.names("refunds", mode="text") == ["refunds"]
    assert shelf.names("refunds")[0] == "refunds"


def test_no_vector_is_bought_for_who_may_not_search(shelf: KnowledgeClient) -> None:
    stranger = shelf.neighbour()
    shelf.endpoint.asked.clear()
    path = f"/routes/knowledge/{shelf.tenant.slug}/search"
    for _ in range(2):
        assert call(handler, "POST", path, caller=stranger.tenant.owner, body={"query": "refunds"}).status == 404
    assert shelf.endpoint.asked == []
    assert shelf.names("refunds") and shelf.names("refunds")
    assert [asked["model"] for asked in shelf.endpoint.asked] == ["model-a", "model-a"]


def test_who_is_at_the_limit_buys_no_vector(shelf: KnowledgeClient) -> None:
    assert shelf.names("refunds")
    shelf.make.within(shelf.tenant.id, "UPDATE app.rate_limits SET rate_limit_per_minute = 1", {})
    shelf.endpoint.asked.clear()
    assert 429 in {shelf.searches("refunds").status for _ in range(3)}
    assert len(shelf.endpoint.asked) <= 1


def test_two_words_of_one_number_are_one_word(shelf: KnowledgeClient) -> None:
    assert shelf.searches("zqgggaac zqgggcdc", mode="text").json["results"] == []


def test_an_answer_is_one_that_lambda_can_carry(kb: KnowledgeClient) -> None:
    for n in range(10):
        kb.put(str(n), chunks=[{"text": f"{n}{m} " + "word " * 100 + "\x01" * 7400} for m in range(10)])
    answer = kb.searches("word", mode="text", k=100)
    assert len(json.dumps(answer.body)) < 6_000_000
    assert 20 < len(answer.json["results"]) < 100
    assert {len(hit["highlights"]) for hit in answer.json["results"]} == {100}


def test_the_twenty_rarest_words_of_a_query_are_highlighted(kb: KnowledgeClient) -> None:
    """To find more takes seconds in long passages."""
    words = [f"{first}{second}" for first in "bcdfg" for second in "bcdfgk"]
    kb.put("common", "\n\n".join(words[:10]))
    kb.put("all", " ".join(words))
    (hit,) = [hit for hit in kb.find(" ".join(words), mode="text") if hit["document_name"] == "all"]
    assert len(hit["highlights"]) == 20
    assert [hit["chunk_text"][begin:end] for begin, end in hit["highlights"]] == words[10:]


def test_a_tenant_searches_three_times_at_once_and_its_neighbour_beside_it(
    kb: KnowledgeClient, superuser: psycopg.Connection[Any]
) -> None:
    """Searches that are running hold their places until their transactions end."""
    kb.put("terms", "Refunds take fourteen days.")
    neighbour = kb.neighbour()
    neighbour.put("terms", "Refunds take ten days.")
    place = "SELECT pg_advisory_xact_lock(hashtextextended('app.search:' || %s, %s))"
    with superuser.transaction():  # of searches that go on meanwhile
        superuser.execute(place, [kb.tenant.id, 1])
        superuser.execute(place, [kb.tenant.id, 2])
        assert kb.searches("refunds", mode="text").status == 200
        superuser.execute(place, [kb.tenant.id, 3])
        refused = kb.searches("refunds", mode="text")
        assert (refused.status, refused.json["code"], refused.headers["retry-after"]) == (429, "too_many_at_once", "1")
        assert neighbour.searches("refunds", mode="text").status == 200
    assert kb.searches("refunds", mode="text").status == 200
