"""Words as people write them: what stands in a passage is found, alone and as a whole, and is highlighted."""

import json
from itertools import batched
from pathlib import Path

import pytest

from tests.support.kb_client import KnowledgeClient

type Pair = tuple[str, str]  # a passage, and a query that must find it

COLLECTED: list[Pair] = [tuple(pair) for pair in json.loads((Path(__file__).parent / "data/words.json").read_text())]
JOINED: list[Pair] = [
    ("Wait for the refund.Please write", "please"),
    ("Wait for the refund.Please write", "refund"),
    ("end of day.Then close", "then close"),
    ("set it in config.yaml first", "config"),
    ("set it in config.yaml first", "yaml"),
    ("set it in config.yaml first", "config.yaml"),
    ("Node.js runs it", "Node.js"),
    ("Node.js runs it", "node"),
    ("Node.js runs it", "nodejs"),
    ("Vue.js,React.js", "react"),
    ("ships with v1.2.3 today", "v1.2.3"),
    ("ships with v1.2.3 today", "1.2.3"),
    ("ships with 1.2.3 today", "v1.2.3"),
    ("see app.kubernetes.io/name here", "kubernetes"),
    ("import os.path.join", "join"),
    ("call foo.bar() now", "bar"),
    ("the U.S.A. office", "USA"),
]
TAGS: list[Pair] = [
    ("git checkout <branch> switches", "<branch>"),
    ("See <https://acme.example/refunds> now", "refunds"),
    ("See <https://acme.example/refunds> now", "https://acme.example/refunds"),
    ("a <b and refund> c", "refund"),
    ("Map<String, List<Invoice>> map", "invoice"),
    ("<refund/> empty", "refund"),
    ("</warranty>", "warranty"),
    ("<a href='x.html' title='warranty'>", "warranty"),
    ("<!DOCTYPE refund>", "refund"),
    ("<?xml version='2.0'?>", "xml"),
    ("x << refund >> y", "refund"),
    ("cost &lt;refund&gt; now", "refund"),
    ("R&D&refund", "refund"),
]
CODES: list[Pair] = [
    ("order SKU-12345 shipped", "SKU-12345"),
    ("order SKU-12345 shipped", "12345"),
    ("order SKU-12345 shipped", "sku12345"),
    ("order SKU12345 shipped", "SKU-12345"),
    ("fixes CVE-2026-2332 now", "CVE-2026-2332"),
    ("fixes CVE-2026-2332 now", "2332"),
    ("bill INV-2024-0031 paid", "INV 2024 0031"),
    ("bill INV-2024-0031 paid", "INV-2024-0031"),
    ("bill INV 2024 0031 paid", "INV-2024-0031"),
    ("bill INV_2024_0031 paid", "inv-2024-0031"),
    ("bill INV/2024/0031 paid", "0031"),
    ("call +49 30 123-456", "123-456"),
    ("ISBN 978-3-16-148410-0", "978-3-16-148410-0"),
    ("RFC2822 says", "rfc 2822"),
    ("RFC 2822 says", "RFC2822"),
    ("a model XPS13 here", "xps"),
    ("error 0x80070057", "0x80070057"),
    ("commit a94a8fe5ccb19ba61c4c0873", "a94a8fe5ccb19ba61c4c0873"),
    ("id 4e8400-29", "4e8400-29"),
    ("1e10 and 5e3", "5e3"),
    ("10.0.0.255/24", "10.0.0.255"),
    ("costs 1,299.00 EUR", "1,299.00"),
    ("12:30-14:45 open", "14:45"),
    ("for UTF-8 files", "utf8"),
]
ADDRESSES: list[Pair] = [
    ("ask jane.doe@acme.example", "jane"),
    ("ask jane.doe@acme.example", "acme"),
    ("ask jane.doe@acme.example", "jane.doe@acme.example"),
    ("ask jane_doe+tag@acme.example", "tag"),
    ("mailto:jane@acme.example?subject=refund", "refund"),
    ("https://acme.example:8443/a/refund.html#top", "top"),
    ("https://acme.example:8443/a/refund.html#top", "html"),
    ("ftp://files.acme.example/x", "files"),
    ("C:\\Users\\jane\\refund.docx", "docx"),
    ("/etc/ssl/certs/ca.pem", "certs"),
    ("../lib/refund_policy.py", "policy"),
]
SYMBOLS: list[Pair] = [
    ("AT&T sells it", "AT&T"),
    ("our R&D team", "R&D"),
    ("a Q&A page", "q&a"),
    ("salt&pepper", "pepper"),
    ("learn C++ today", "C++"),
    ("learn C++17 today", "c++"),
    ("learn C# today", "C#"),
    ("written in F#.", "f#"),
    ("an e-mail came", "email"),
    ("an email came", "e-mail"),
    ("an e\u2011mail came", "email"),
    ("an e-mail came", "e\u2010mail"),
    ("two E-Mails came", "email"),
    ("sell on-line", "online"),
    ("a T-shirt", "tshirt"),
    ("a {{refund}} slot", "refund"),
    ("${refund}", "refund"),
    ("%refund%", "refund"),
    ("#refund", "refund"),
    ("@refund", "refund"),
    ("refund=yes", "yes"),
    ("f(refund)", "refund"),
    ("`refund`", "refund"),
    ('say "refund"', "refund"),
    ("**refund**ed", "refund"),
]
LETTERS: list[Pair] = [
    ("a café here", "cafe"),
    ("a cafe here", "café"),
    ("a Cafe\u0301 here", "CAFE"),
    ("in der Straße", "Strasse"),
    ("in der Strasse", "straße"),
    ("STRASSE", "Straße"),
    ("a naïve résumé", "naive resume"),
    ("São Paulo", "sao paulo"),
    ("Łódź", "lodz"),
    ("Smørrebrød", "smorrebrod"),
    ("Ærø", "aero"),
    ("İstanbul", "istanbul"),
    ("der мой дом", "мой"),
    ("Ελλάδα", "Ελλάδα"),
]
STOP_WORDS: list[Pair] = [
    ("Ask IT for a laptop", "IT"),
    ("The WHO has guidelines", "WHO"),
    ("The WHO has guidelines", "who"),
    ("To be or not to be", "to be or not to be"),
    ("US and UK", "us"),
    ("I can do it all", "can it do"),
    ("The Who played", "the who"),
    ("ask IT", "it"),
]
UNSPACED: list[Pair] = [
    ("東京都庁へ行く", "東京"),
    ("東京都庁へ行く", "都庁へ"),
    ("東京都庁へ行く", "東京都庁へ行く"),
    ("東京都庁へ行く", "都"),
    ("iPhone15を買うと保証が付く", "保証"),
    ("iPhone15を買うと保証が付く", "iphone"),
    ("iPhone15を買うと保証が付く", "iPhone15を買う"),
    ("NTTとAT&Tの契約", "AT&T 契約"),
    ("ｶﾞｲﾄﾞを見る", "ガイド"),
    ("返品は三十日以内です。保証は一年。", "三十日 保証"),
    ("退货需要三十天", "退货"),
    ("退货需要三十天", "货"),
    ("一木", "木 一"),
    ("ประเทศไทยมีการรับประกันหนึ่งปี", "รับประกัน"),
    ("ประเทศไทยมีการรับประกันหนึ่งปี", "ก"),
    ("น้ำร้อน", "น้ำ"),
    ("환불은 30일 안에", "환불"),
    ("환불은 30일 안에", "30일"),
    ("第3章を読む", "第3章"),
]
PAIRS = [*COLLECTED, *JOINED, *TAGS, *CODES, *ADDRESSES, *SYMBOLS, *LETTERS, *STOP_WORDS, *UNSPACED]


def test_each_passage_is_found_as_a_whole_and_the_words_are_highlighted(kb: KnowledgeClient) -> None:
    passages = list(dict.fromkeys(passage for passage, _ in PAIRS))
    for some in batched(passages, 100, strict=False):
        assert kb.batch(*({"name": str(passages.index(p)), "content": p} for p in some)).status == 200
    missed: list[tuple[str, str, object]] = []
    for passage, query in PAIRS:
        hits = kb.find(query, mode="text", filter={"document_name": str(passages.index(passage))})
        if not hits or hits[0]["score"] != 1 or not hits[0]["highlights"]:
            missed.append((passage, query, hits and (hits[0]["score"], hits[0]["highlights"])))
    assert missed == []


@pytest.mark.parametrize(
    ("query", "passage", "marked"),
    [
        ("C++", "C and C++ and C#", ["C++"]),
        ("C#", "C and C++ and C#", ["C#"]),
        ("c", "C and C++ and C#", ["C"]),
        ("email", "An e-mail, an email", ["e-mail", "email"]),
        ("SKU-12345", "See SKU-12345 or 12345", ["SKU-12345", "12345"]),
        ("AT&T", "At AT&T", ["AT&T"]),
        ("cafe", "Le Cafe\u0301, le café", ["Cafe\u0301", "café"]),
        ("5", "5km or 5 km", ["5", "5"]),
        ("Strasse", "Die Straße", ["Straße"]),
        ("hyphenation", "hy\u00adphen\u00adation", ["hy\u00adphen\u00adation"]),
        ("IT", "IT is it", ["IT", "it"]),
        ("保証", "商品の保証は保証書に", ["保証", "保証"]),
        ("東京都", "東京都庁と京都", ["東京都", "京都"]),
        ("都", "東京都庁と京都", ["都", "都"]),
        ("ガイド", "ｶﾞｲﾄﾞを見る", ["ｶﾞｲﾄﾞ"]),
        ("か\u3099い", "がいこく", ["がい"]),
        ("iPhone 保証", "iPhone15の保証", ["iPhone", "保証"]),
        ("ประกัน", "รับประกัน", ["ประกัน"]),
    ],
)
def test_what_is_highlighted_is_what_was_found(
    kb: KnowledgeClient, query: str, passage: str, marked: list[str]
) -> None:
    kb.put("a", passage)
    (hit,) = kb.find(query, mode="text")
    assert [hit["chunk_text"][begin:end] for begin, end in hit["highlights"]] == marked


def test_languages_that_differ_in_a_sign_are_different_words(kb: KnowledgeClient) -> None:
    for name in ("C", "C++", "C#"):
        kb.put(name, f"The guide to {name} for all")
    for name in ("C", "C++", "C#"):
        assert kb.names(name, mode="text") == [name]


def test_an_abbreviation_that_is_a_stop_word_counts_in_capitals(kb: KnowledgeClient) -> None:
    kb.put("rain", "Support says it rains")
    kb.put("desk", "Support by IT")
    assert kb.names("IT", mode="text")[0] == "desk"
    assert kb.names("IT support", mode="text")[0] == "desk"


def test_a_word_that_the_query_says_twice_counts_twice(kb: KnowledgeClient) -> None:
    kb.put("one", "voucher and parcel")
    kb.put("other", "warranty and parcel")
    assert kb.names("voucher warranty warranty", mode="text") == ["other", "one"]
    assert kb.names("voucher voucher warranty", mode="text") == ["one", "other"]


def test_letters_without_spaces_are_found_in_their_order(kb: KnowledgeClient) -> None:
    kb.put("a", "東京の大学")
    kb.put("b", "京東の学大")
    assert kb.names("東京", mode="text") == ["a"]
    assert kb.names("京東", mode="text") == ["b"]
    assert kb.names("大学", mode="text") == ["a"]
    assert kb.names("都", mode="text") == []
