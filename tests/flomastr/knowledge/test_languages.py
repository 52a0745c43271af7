"""Words in the language of their base, and queries in all languages of the bases that are searched."""

# ruff: noqa: RUF001

from dataclasses import replace
from math import log
from typing import Any, get_args

import psycopg
import pytest

from flomastr.languages.detection import Language, language_of
from functions.knowledge_bases.handler import lambda_handler as bases
from tests.support.kb_client import KnowledgeClient

LANGUAGES: tuple[str, ...] = get_args(Language.__value__)
NEWER = {"estonian"}  # came with Postgres 18

TEXTS = {
    "german": "Die Rückgabe ist innerhalb von dreißig Tagen möglich, wenn die Ware nicht benutzt wurde.",
    "english": "You may return the goods within thirty days if they have not been used, and we pay for it.",
    "french": "Vous pouvez retourner les marchandises dans les trente jours si elles n'ont pas été utilisées.",
    "portuguese": "Você pode devolver as mercadorias em trinta dias, se elas não tiverem sido utilizadas.",
    "russian": "Вы можете вернуть товар в течение тридцати дней, если он не был использован.",
    "turkish": "Kullanılmamış ürünleri otuz gün içinde iade edebilirsiniz, masrafları biz öderiz.",
    "simple": "商品の返品は三十日以内にお願いします。未使用の商品に限ります。",
}
QUERY_WORDS = """
SELECT q.language, q.lexeme, q.rarity FROM app.query_words(%s, %s, %s, %s) AS w
CROSS JOIN LATERAL unnest(w.languages, w.lexemes, w.rarities) AS q (language, lexeme, rarity)
"""


def test_languages_are_those_of_postgres(superuser: psycopg.Connection[Any]) -> None:
    known = superuser.execute("SELECT cfgname FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace")
    assert {name for (name,) in known.fetchall()} - NEWER == set(LANGUAGES) - {"auto"}
    for language in set(LANGUAGES) - {"auto"}:
        superuser.execute("SELECT app.words_of('Über the Häuser 1.2', %s)", (language,))


def test_another_language_is_refused_with_those_there_are(kb: KnowledgeClient) -> None:
    for method, path, body in (("PUT", kb.path, {}), ("POST", "/routes/knowledge-bases", {"name": "Klingon"})):
        answer = kb.ask(bases, method, path, body=body | {"language": "klingon"})
        assert answer.status == 422
        assert "language" in str(answer.json) and "'german'" in str(answer.json) and "'auto'" in str(answer.json)


def test_a_base_is_english_unless_it_is_made_in_another_language(kb: KnowledgeClient) -> None:
    assert kb.about()["language"] == "english"
    made = kb.ask(bases, "POST", "/routes/knowledge-bases", body={"name": "Hilfe", "language": "german"}).json
    assert (made["language"], made["words_pending"]) == ("german", 0)


@pytest.mark.parametrize(
    ("language", "passage", "query", "marked"),
    [
        ("german", "Zwei Häuser", "Haus", ["Häuser"]),
        ("german", "Zwei Häuser", "hauser", ["Häuser"]),
        ("german", "in den Straßen", "Strasse", ["Straßen"]),
        ("german", "Rechnung INV-2024-0031", "Rechnungen INV-2024-0031", ["Rechnung", "INV-2024-0031"]),
        ("german", "für über", "für", ["für"]),
        ("portuguese", "as informações", "informação", ["informações"]),
        ("portuguese", "a informação", "informacao", ["informação"]),
        ("french", "elles sont mangées", "manger", ["mangées"]),
        ("russian", "Новые книги", "книга", ["книги"]),
        ("spanish", "las canciones", "canción", ["canciones"]),
        ("turkish", "kitapların", "kitap", ["kitapların"]),
        ("simple", "two houses", "houses", ["houses"]),
        ("german", "Das 東京 Haus", "東京 Häuser", ["東京", "Haus"]),
    ],
)
def test_words_are_found_in_any_form_of_their_language(
    kb: KnowledgeClient, language: str, passage: str, query: str, marked: list[str]
) -> None:
    kb.speaks(language)
    kb.put("a", passage)
    (hit,) = kb.find(query, mode="text")
    assert hit["score"] == 1
    assert [passage[begin:end] for begin, end in hit["highlights"]] == marked


def test_other_forms_of_english_are_not_found_in_other_languages(kb: KnowledgeClient) -> None:
    kb.put("a", "Zwei Häuser")
    assert kb.names("Haus", mode="text") == []
    kb.speaks("simple")
    kb.put("b", "two houses")
    assert kb.names("house", mode="text") == []


def test_bases_of_several_languages_are_searched_at_once_each_in_its_own(kb: KnowledgeClient) -> None:
    german = kb.other_base()
    german.speaks("german")
    kb.put("en", "The deliveries cost nothing")
    german.put("de", "Die Kosten der Lieferungen")
    for query, found in (("delivery", ["en"]), ("Lieferung", ["de"]), ("deliveries Lieferung", ["de", "en"])):
        assert sorted(kb.names(query, mode="text")) == found
    (hit,) = kb.find("die Kosten der Lieferung", mode="text")
    assert hit["score"] == 1  # `die` and `der` are stop words of German, if not of English
    assert [hit["chunk_text"][a:b] for a, b in hit["highlights"]] == ["Kosten", "Lieferungen"]


def test_a_stem_of_one_language_finds_no_word_of_another(kb: KnowledgeClient) -> None:
    german = kb.other_base()
    german.speaks("german")
    kb.put("museum", "Modern art")
    german.put("species", "Andere Arten")
    assert kb.names("Arten", mode="text") == ["species"]  # German stems it to `art`


def test_a_word_is_as_rare_as_its_forms_in_all_languages_together(kb: KnowledgeClient) -> None:
    german = kb.other_base()
    german.speaks("german")
    for number in range(6):
        kb.put(f"{number}", f"Installations and parcels, number {number}")
    for number in range(2):
        german.put(f"{number}", f"Die Installation der Zebra, Nummer {number}")
    kb.put("none", "Something else")
    kb.put("zebra", "A zebra")
    asked = (kb.tenant.id, [kb.base, german.base], ["english", "german"], "Installation zebra")
    rarities = {(language, word): rarity for language, word, rarity in kb.superuser.execute(QUERY_WORDS, asked)}
    installation, zebra = log(1 + (10 - 8 + 0.5) / (8 + 0.5)), log(1 + (10 - 3 + 0.5) / (3 + 0.5))
    assert rarities == pytest.approx(
        {
            ("english", "instal"): installation,
            ("german", "installation"): installation,
            ("english", "zebra"): zebra,
            ("german", "zebra"): zebra,
        }
    )


def test_a_document_of_a_base_of_several_languages_has_its_own(kb: KnowledgeClient) -> None:
    kb.speaks("auto")
    for language, text in TEXTS.items():
        assert kb.put(language, text)["language"] == language
    assert kb.batch({"name": "b", "content": TEXTS["german"]}).json["documents"][0]["language"] == "german"
    assert kb.put("german", TEXTS["french"])["language"] == "french"
    assert kb.names("Tag", mode="text") == ["b"]
    assert kb.names("utilisé", mode="text") == ["french"]


def test_what_nobody_can_tell_is_simple() -> None:
    assert language_of(["INV-2024-0031"]) == "simple"
    assert language_of([]) == "simple"
    assert {language: language_of([text]) for language, text in TEXTS.items()} == {name: name for name in TEXTS}


def test_a_long_query_is_answered_in_a_tenant_of_all_languages(kb: KnowledgeClient) -> None:
    for language in set(LANGUAGES) - {"auto"} - NEWER:
        made = kb.ask(bases, "POST", "/routes/knowledge-bases", body={"name": language, "language": language})
        replace(kb, base=made.json["id"]).put(language, "30")
    kb.put("returns", "返品は三十日以内に")
    letters = "".join(chr(0x4E00 + 7 * n % 20_000) for n in range(1_990))
    assert kb.names("返品" + letters, mode="text")[:1] == ["returns"]
