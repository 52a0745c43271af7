"""Files become documents: by their type, through the path that a document takes, with places to cite."""

import time
from typing import Any

import pytest

from flomastr.database import session
from flomastr.readers import reading
from flomastr.readers.kinds import ENDS
from functions.files import handler
from functions.files.handler import lambda_handler as files
from tests.support.events import Answer
from tests.support.kb_client import KnowledgeClient
from tests.support.office import docx, epub, slides, xlsx
from tests.support.pdfs import pdf
from tests.support.problems import refused

PDF = {"content-type": "application/pdf"}
TERMS = ["Deliveries\nA parcel arrives within two days.", "", "Refunds\nMoney goes back within a week."]
MAIL = b"From: jane@acme.example\nSubject: A refund\nContent-Type: text/html\n\n<p>Where is my <b>money</b>?</p>"
MAX_FILE = 4_500_000


def sends(kb: KnowledgeClient, name: str, data: bytes, headers: dict[str, str] | None = None, **more: str) -> Answer:
    headers = {"content-type": "application/octet-stream"} | (headers or {})
    return kb.ask(files, "POST", f"{kb.path}/files", query={"name": name, **more}, body=data, headers=headers)


def stores(kb: KnowledgeClient, name: str, data: bytes, headers: dict[str, str] | None = None, **more: str) -> Any:
    answer = sends(kb, name, data, headers, **more)
    assert answer.status == 200, answer.body
    return answer.json


def code_of(answer: Answer) -> str:
    refused(answer, 422)
    return answer.json["code"]


def test_a_pdf_is_found_with_its_pages(kb: KnowledgeClient) -> None:
    stored = stores(kb, "terms", pdf(TERMS, "Terms (2026)"), PDF)
    assert (stored["name"], stored["title"], stored["status"]) == ("terms", "Terms (2026)", "processing")
    assert kb.document("terms")["content"] == f"{TERMS[0]}\n\n{TERMS[2]}"
    kb.embed()
    (hit,) = kb.find("money back")
    assert hit["chunk_metadata"] == {"pages": [1, 3]}
    assert kb.names("money", filter={"metadata": {"pages": [3]}}) == ["terms"]
    assert kb.names("money", filter={"metadata": {"pages": [2]}}) == []


def test_three_megabytes_of_three_hundred_pages_are_found_by_page(kb: KnowledgeClient) -> None:
    line = "Of what is said here no word answers anything, and so it goes on.\n"
    pages = [f"Chapter {n}\n{line * 22}The part number is PN-{7000 + n}." for n in range(1, 301)]
    data = pdf(pages, padding=2_400_000)
    assert 2_900_000 < len(data) < 3_100_000
    assert stores(kb, "manual.pdf", data)["chunk_count"] == 300
    stores(kb, "manual.docx", docx("# Parts", "The spare part is SP-9.", "# Prices", "They are low."))
    hits = {n: kb.find(f"PN-{7000 + n}", mode="text")[0] for n in (1, 150, 300)}
    assert {n: hit["chunk_metadata"]["pages"] for n, hit in hits.items()} == {1: [1], 150: [150], 300: [300]}
    assert kb.find("SP-9", mode="text")[0]["chunk_metadata"] == {"headings": ["Parts"]}


@pytest.mark.parametrize("types", ["name", "content type"])
def test_each_format_is_read_and_cited(kb: KnowledgeClient, types: str) -> None:
    sent: dict[str, tuple[bytes, str, dict[str, Any]]] = {
        "a.docx": (docx("# Refunds", "Two weeks."), "# Refunds\n\nTwo weeks.\n", {"headings": ["Refunds"]}),
        "a.xlsx": (
            xlsx({"Prices": [["Item", "Euro"], ["Bolt|nut", 3.0], ["", ""], ["Pin", 0.25]], "Empty": []}),
            "# Prices\n\n| Item | Euro |\n| --- | --- |\n| Bolt\\|nut | 3 |\n| Pin | 0.25 |\n",
            {"sheets": ["Prices"], "headings": ["Prices"]},
        ),
        "a.pptx": (
            slides(["Refunds"], "Say it slowly."),
            "# Refunds\n\nWhat there is to say of refunds\n\nSay it slowly.",
            {"slides": [1], "headings": ["Refunds"]},
        ),
        "b.epub": (epub("<head><title/><script src='a.js' /></head><p>Once</p>"), "Once\n", {}),
        "a.epub": (epub("<h1>One</h1><p>Once</p>"), "# One\n\nOnce\n", {"headings": ["One"]}),
        "a.eml": (MAIL, "Subject: A refund\n\nFrom: jane@acme.example\n\nWhere is my money?\n", {}),
        "a.csv": (b"\xef\xbb\xbfItem;Euro\nBolt;3,5\n", "| Item | Euro |\n| --- | --- |\n| Bolt | 3,5 |\n", {}),
        "a.txt": ("Zurück".encode("cp1252"), "Zurück", {}),
        "a.md": (b"# Refunds\n\nTwo weeks.", "# Refunds\n\nTwo weeks.", {"headings": ["Refunds"]}),
        "a.html": (b"<h1>Refunds</h1><p>Two weeks.", "# Refunds\n\nTwo weeks.\n", {"headings": ["Refunds"]}),
    }
    for name, (data, content, metadata) in sent.items():
        if types == "name":
            stores(kb, name, data)
        else:
            stores(kb, name, data, {"content-type": f"{ENDS[f'.{name[2:]}']}; charset=windows-1252"})
        assert kb.document(name)["content"].rstrip() == content.rstrip(), name
        assert kb.chunks(name)[0]["chunk_metadata"] == metadata, name


def test_a_file_that_is_sent_again_is_the_same_document(kb: KnowledgeClient) -> None:
    first = stores(kb, "a.pdf", pdf(TERMS), {"idempotency-key": "1"})
    assert stores(kb, "a.pdf", pdf(TERMS), {"idempotency-key": "1"}) == first
    assert stores(kb, "a.pdf", pdf(TERMS)) == first
    assert code_of(sends(kb, "a.pdf", pdf(["Other"]), {"idempotency-key": "1"})) == "idempotency_key_reused"
    of_another_type = {"idempotency-key": "1", "content-type": "text/plain"}
    assert code_of(sends(kb, "a.pdf", pdf(TERMS), of_another_type)) == "idempotency_key_reused"
    assert sends(kb, "a.pdf", pdf(TERMS), {"if-none-match": "*"}).status == 412
    moved = stores(kb, "a.pdf", pdf(["", *TERMS]), title="Terms")
    assert (moved["id"], moved["title"]) == (first["id"], "Terms")
    assert kb.chunks()[0]["chunk_metadata"] == {"pages": [2, 4]}


def test_a_form_sends_a_file(kb: KnowledgeClient) -> None:
    head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    form = {"content-type": "multipart/form-data; boundary=x", "idempotency-key": "1"}
    stores(kb, "terms", head + pdf(TERMS) + b"\r\n--x--\r\n", form)
    assert kb.chunks("terms")[0]["chunk_metadata"] == {"pages": [1, 3]}
    refused(sends(kb, "terms", head.replace(b'"file"', b'"other"') + b"a\r\n--x--\r\n", form), 422, "body.file")
    assert code_of(sends(kb, "terms", head + pdf(["Other"]) + b"\r\n--x--\r\n", form)) == "idempotency_key_reused"
    assert sends(kb, "terms", b"no form", {"content-type": "multipart/form-data"}).status == 400
    assert sends(kb, "terms", head + pdf(TERMS), {"content-type": "multipart/form-data; boundary=x"}).status == 400
    assert sends(kb, "terms", (head + b"a\r\n") * 11 + b"--x--", form | {"idempotency-key": "2"}).status == 400


def test_a_file_is_refused_with_its_reason_or_taken_up_to_its_size(kb: KnowledgeClient) -> None:
    answer = sends(kb, "a.docx", pdf(TERMS))
    assert code_of(answer) == "file_unreadable"
    assert answer.json["detail"] == "The file is damaged, cut short, or not of the type that it is sent as."
    rest = MAX_FILE - len(pdf(TERMS, padding=1_000_000)) + 1_000_000
    assert len(pdf(TERMS, padding=rest)) == MAX_FILE
    stores(kb, "a.pdf", pdf(TERMS, padding=rest))
    assert sends(kb, "a.pdf", pdf(TERMS, padding=rest) + b" ").status == 413


def limit_as_usual(kb: KnowledgeClient) -> None:
    kb.superuser.execute("DELETE FROM app.rate_limits WHERE tenant_id = %s", (kb.tenant.id,))


def refilled_in(kb: KnowledgeClient) -> float:
    """Seconds until the tenant has all of its 6,000 requests a minute: 1 for each 100 of them."""
    left = "SELECT extract(EPOCH FROM full_at - clock_timestamp()) FROM app.rate_buckets WHERE name = %s"
    return float(kb.superuser.execute(left, (str(kb.tenant.id),)).fetchall()[0][0])


def test_a_file_weighs_sixteen_hundred_until_it_is_read_and_then_what_that_took(
    kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_as_usual(kb)
    meanwhile = list[float]()

    def noted(file: Any) -> Any:
        meanwhile.append(refilled_in(kb))
        return reading.read(file)

    monkeypatch.setattr(handler, "read", noted)
    stores(kb, "a.docx", docx("Refunds"))
    afterwards = [refilled_in(kb)]
    assert sends(kb, "b.docx", b"no document").status == 422
    afterwards.append(refilled_in(kb))
    assert all(seconds > 15 for seconds in meanwhile), meanwhile
    assert all(seconds < 10 for seconds in afterwards), afterwards


def test_a_file_that_is_refused_late_is_refused_with_its_reason(
    kb: KnowledgeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "BUDGET_SECONDS", 2.0)

    def slowly(file: Any) -> Any:
        time.sleep(2.1)
        return reading.read(file)

    monkeypatch.setattr(handler, "read", slowly)
    assert code_of(sends(kb, "a.docx", b"no document")) == "file_unreadable"


@pytest.mark.parametrize(("left", "status"), [(1_500, 429), (3_000, 200)])
def test_a_file_waits_until_all_that_it_may_take_is_left(kb: KnowledgeClient, left: int, status: int) -> None:
    limit_as_usual(kb)
    kb.superuser.execute(
        "INSERT INTO app.rate_buckets VALUES (%s, clock_timestamp() + make_interval(secs => %s))",
        (str(kb.tenant.id), 60 - left / 100),
    )
    assert sends(kb, "a.docx", docx("Refunds")).status == status
