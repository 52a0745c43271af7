"""Uploads: a link takes one file of what was said, which becomes a document or a reason, and is removed."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid4

import pytest

from flomastr import object_storage
from flomastr.uploads import ingestion
from functions.uploads.handler import lambda_handler
from tests.support.events import Answer
from tests.support.hostile_files import encrypted_pdf
from tests.support.office import docx
from tests.support.pdfs import pdf
from tests.support.problems import refused
from tests.support.upload_client import UploadClient, came, key_of, put

MAX_SIZE = 50_000_000
TERMS = ["Deliveries\nA parcel arrives within two days.", "", "Refunds\nMoney goes back within a week."]
TEXT = b"Refunds take two weeks."
SUSPENDED = "UPDATE app.tenants SET status = 'suspended' WHERE id = %s"
DELETED = "UPDATE app.tenants SET deleted_at = now() WHERE id = %s"
NO_BASE = "DELETE FROM app.knowledge_bases WHERE tenant_id = %s"


def problem(answer: Answer, status: int, *fields: str) -> Any:
    refused(answer, status, *fields)
    return answer.json


def test_a_file_over_what_a_request_takes_becomes_a_document_with_pages(uploads: UploadClient) -> None:
    data = pdf(TERMS, "Terms (2026)", padding=6_000_000)
    begun = uploads.begins("terms.pdf", len(data), metadata={"year": 2026})
    assert (begun["status"], begun["reason"], begun["document_id"], begun["finished_at"]) == ("waiting", *[None] * 3)
    assert put(begun["url"], data, begun["headers"]) == 200
    assert uploads.left() == [key_of(begun)]
    uploads.ingest(begun)
    stored, document = uploads.of(begun), uploads.kb.document("terms.pdf")
    assert (stored["status"], stored["code"], stored["reason"]) == ("stored", None, None)
    assert (stored["document_id"], stored["chunk_count"]) == (document["id"], 1)
    assert (document["title"], document["metadata"]) == ("Terms (2026)", {"year": 2026})
    assert uploads.left() == []
    assert uploads.facts(begun) == ("stored", None, 1, True, None)
    uploads.kb.embed()
    (hit,) = uploads.kb.find("money back", filter={"metadata": {"year": 2026, "pages": [3]}})
    assert hit["chunk_metadata"] == {"year": 2026, "pages": [1, 3]}


def test_a_link_takes_one_object_of_that_size_and_type_and_ends(uploads: UploadClient) -> None:
    begun = uploads.begins("terms.pdf", 4_711)
    address = urlsplit(str(begun["url"]))
    asked = parse_qs(address.query)
    assert unquote(address.path) == f"/uploads/{key_of(begun)}"
    assert asked["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert 880 <= int(asked["X-Amz-Expires"][0]) <= 900
    assert begun["headers"] == {"Content-Type": "application/pdf", "Content-Length": "4711"}


def test_a_link_to_aws_names_the_region_since_a_new_bucket_is_known_there_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    link = object_storage.connect("", "id", "key").generate_presigned_url
    assert link("put_object", Params={"Bucket": "made", "Key": "k"}).startswith(
        "https://made.s3.eu-central-1.amazonaws.com/k?"
    )


def test_the_location_of_an_upload_tells_how_far_it_is(uploads: UploadClient) -> None:
    answer = uploads.asks("terms.txt", len(TEXT), "text/plain")
    assert answer.headers["location"] == f"{uploads.path}/{answer.json['id']}"
    seen = uploads.kb.ask(lambda_handler, "GET", answer.headers["location"])
    assert "url" not in seen.json
    again = {"if-none-match": seen.headers["etag"]}
    assert uploads.kb.ask(lambda_handler, "GET", answer.headers["location"], headers=again).status == 304
    put(answer.json["url"], TEXT, answer.json["headers"])
    uploads.ingest(answer.json)
    assert uploads.kb.ask(lambda_handler, "GET", answer.headers["location"], headers=again).json["status"] == "stored"


def test_a_repeat_under_its_key_is_the_same_upload_with_a_link_as_long_as_it_waits(uploads: UploadClient) -> None:
    headers = {"idempotency-key": "1"}
    first = uploads.begins("terms.txt", len(TEXT), "text/plain", headers=headers)
    second = uploads.begins("terms.txt", len(TEXT), "text/plain", headers=headers)
    assert (second["id"], second["expires_at"]) == (first["id"], first["expires_at"])
    assert put(second["url"], TEXT, second["headers"]) == 200
    uploads.ingest(second)
    third = uploads.begins("terms.txt", len(TEXT), "text/plain", headers=headers)
    assert (third["id"], third["status"], third["url"], third["headers"]) == (first["id"], "stored", None, {})
    assert len(uploads.all()) == 1


def test_what_is_asked_for_has_bounds(uploads: UploadClient) -> None:
    assert uploads.begins("a.pdf", MAX_SIZE)["size"] == MAX_SIZE
    assert "50000000" in uploads.asks("a.pdf", MAX_SIZE + 1).body
    refused(uploads.asks("a.pdf", MAX_SIZE + 1), 422, "body.size")
    refused(uploads.asks("a.pdf", 0), 422, "body.size")
    refused(uploads.asks("a.pdf", 1, "application/pdf\r\nx-amz-acl: public-read"), 422, "body.media_type")
    refused(uploads.asks("a.pdf", 1, metadata={"x": "x" * 10_000}), 422, "body.metadata")
    refused(uploads.asks("a.pdf", 1, title="x" * 1001), 422, "body.title")
    for unread in (("a.doc", "application/msword"), ("a.doc", "application/octet-stream")):
        refused(uploads.asks(unread[0], 1, unread[1]), 422, "body")
        assert "These are read" in uploads.asks(unread[0], 1, unread[1]).body
    uploads.kb.base = str(uuid4())
    assert problem(uploads.asks("a.pdf", 1), 404)["code"] == "not_found"


def test_a_tenant_has_twenty_open_uploads(uploads: UploadClient) -> None:
    sent = [uploads.sends(f"{n}.txt", TEXT, "text/plain") for n in range(20)]
    assert problem(uploads.asks("20.txt", 1, "text/plain"), 409)["code"] == "too_many_open"
    uploads.ingest(sent[7])
    uploads.begins("20.txt", 1, "text/plain")
    assert problem(uploads.asks("21.txt", 1, "text/plain"), 409)["code"] == "too_many_open"


def test_uploads_are_listed_newest_first(uploads: UploadClient) -> None:
    uploads.stores("a.txt", TEXT, "text/plain")
    uploads.begins("b.txt", 1, "text/plain")
    assert [(one["name"], one["status"]) for one in uploads.all()] == [("b.txt", "waiting"), ("a.txt", "stored")]
    assert uploads.kb.neighbour().ask(lambda_handler, "GET", uploads.path).status == 404


@pytest.mark.parametrize("size", [len(TEXT) - 1, len(TEXT) + 1, 1, MAX_SIZE])
def test_a_file_of_another_size_than_was_said_is_none(uploads: UploadClient, size: int) -> None:
    begun = uploads.begins("a.txt", size, "text/plain")
    put(begun["url"], TEXT, {"Content-Type": "text/plain"})  # as a storage would take it that looks at no signature
    uploads.ingest(begun)
    failed = uploads.of(begun)
    assert (failed["status"], failed["code"]) == ("failed", "upload_differs")
    assert failed["reason"] == f"The file has {len(TEXT)} bytes, and should have {size:,}."
    assert uploads.left() == uploads.kb.documents() == []


def test_a_file_of_another_type_than_was_said_is_none(uploads: UploadClient) -> None:
    begun = uploads.begins("a.pdf", len(TEXT))
    put(begun["url"], TEXT, {"Content-Type": "text/html"})
    uploads.ingest(begun)
    assert uploads.of(begun)["reason"] == "The file came as text/html, and should be application/pdf."
    assert uploads.facts(begun) == ("failed", "upload_differs", 1, True, None)


@pytest.mark.parametrize(
    ("data", "media_type", "code"),
    [
        (encrypted_pdf(), "application/pdf", "file_encrypted"),
        (pdf([""]), "application/pdf", "file_without_text"),
        (b"%PDF-1.7 and no end", "application/pdf", "file_unreadable"),
        (b"a" * 500_001, "text/plain", "file_too_large"),
        (b"a\n\n" * 166_668, "text/plain", "file_too_large"),
        (b"# a\n\nb\n\n" * 601, "text/markdown", None),
    ],
)
def test_a_file_that_is_no_document_says_why(
    uploads: UploadClient, data: bytes, media_type: str, code: str | None
) -> None:
    failed = uploads.stores("a.file", data, media_type)
    if code:
        assert (failed["status"], failed["code"], failed["document_id"]) == ("failed", code, None)
        assert failed["reason"]
    assert uploads.left() == []


def test_a_text_of_all_that_a_document_may_have_is_stored(uploads: UploadClient) -> None:
    text = ("word " * 99_999 + "last.").encode()
    assert len(text) == 500_000
    assert uploads.stores("a.txt", text, "text/plain")["status"] == "stored"


def test_an_upload_takes_the_place_of_the_document_of_its_name(uploads: UploadClient) -> None:
    first = uploads.stores("a.docx", docx("Refunds take a week."), "application/octet-stream")
    second = uploads.stores("a.docx", docx("Refunds take a month."), "application/octet-stream", title="Refunds")
    assert first["document_id"] == second["document_id"]
    document = uploads.kb.document("a.docx")
    assert (document["content"], document["title"]) == ("Refunds take a month.\n", "Refunds")


def test_events_that_come_twice_or_late_or_of_nothing_change_nothing(uploads: UploadClient) -> None:
    begun = uploads.begins("a.txt", len(TEXT), "text/plain")
    uploads.ingest(begun)  # ahead of the file
    assert uploads.facts(begun) == ("waiting", None, 0, False, None)
    put(begun["url"], TEXT, begun["headers"])
    uploads.ingest(begun, begun)
    stored = uploads.of(begun)
    assert stored["status"] == "stored"
    uploads.ingest(begun)
    assert uploads.of(begun) == stored
    assert uploads.facts(begun) == ("stored", None, 1, True, None)
    assert [document["name"] for document in uploads.kb.documents()] == ["a.txt"]
    assert uploads.work(['{"Service": "Amazon S3", "Event": "s3:TestEvent"}', came("no/upload")]) == []
    assert uploads.work(["no message", '{"Records": [{}]}']) == ["m0", "m1"]


def test_a_file_that_is_sent_again_when_it_was_read_is_removed(uploads: UploadClient) -> None:
    begun = uploads.sends("a.txt", TEXT, "text/plain")
    uploads.ingest(begun)
    put(begun["url"], b"Refunds take two years.", begun["headers"])
    assert uploads.left() == [key_of(begun)]
    uploads.ingest(begun)
    assert uploads.left() == []
    assert uploads.kb.document("a.txt")["content"] == TEXT.decode()


def test_an_object_of_no_upload_is_removed_and_the_row_alone_says_whose_it_is(uploads: UploadClient) -> None:
    other = UploadClient(uploads.kb.neighbour(), uploads.bucket)
    begun = uploads.begins("a.txt", len(TEXT), "text/plain")
    forged = [f"tenant={other.kb.tenant.id}/{begun['id']}", f"tenant={other.kb.tenant.id}/{uuid4()}"]
    for key in forged:
        uploads.bucket.client.put_object(Bucket=uploads.bucket.name, Key=key, Body=TEXT, ContentType="text/plain")
    assert uploads.work([came(*forged)]) == []
    assert other.left() == other.kb.documents() == uploads.kb.documents() == []
    assert uploads.of(begun)["status"] == "waiting"


@pytest.mark.parametrize(
    ("statement", "code", "reason"),
    [
        (SUSPENDED, "tenant_suspended", "The tenant was suspended before the file was read."),
        (DELETED, "tenant_not_found", "The tenant was deleted before the file was read."),
        (NO_BASE, "not_found", "The knowledge base was deleted before the file was read."),
    ],
)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_where_there_is_no_place_any_more_nothing_is_stored_and_the_file_goes(
    uploads: UploadClient, statement: Any, code: str, reason: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        uploads.kb.superuser.execute(statement, (uploads.kb.tenant.id,))

    sent = uploads.sends("a.txt", TEXT, "text/plain")
    if when == "before":
        change()
    else:
        read: Any = ingestion.read

        def reading(*given: Any) -> Any:
            change()
            return read(*given)

        monkeypatch.setattr(ingestion, "read", reading)
    uploads.ingest(sent)
    told = "SELECT code, reason FROM app.uploads WHERE id = %s"
    assert uploads.kb.superuser.execute(told, (sent["id"],)).fetchall() == [(code, reason)]
    assert uploads.left() == []
    if statement == NO_BASE:
        assert uploads.of(sent)["reason"] == reason


def test_what_is_under_a_legal_hold_is_not_replaced_and_says_so(uploads: UploadClient) -> None:
    uploads.stores("a.txt", TEXT, "text/plain")
    uploads.kb.make.hold(uploads.kb.tenant)
    failed = uploads.stores("a.txt", b"Refunds take two years.", "text/plain")
    assert (failed["status"], failed["code"]) == ("failed", "legal_hold")
    assert "legal hold" in failed["reason"]
    assert uploads.kb.document("a.txt")["content"] == TEXT.decode()
    assert uploads.stores("b.txt", TEXT, "text/plain")["status"] == "stored"
    assert uploads.left() == []


def test_an_upload_of_a_tenant_that_is_gone_leaves_no_file(uploads: UploadClient) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")
    uploads.kb.superuser.execute("DELETE FROM app.uploads WHERE id = %s", (sent["id"],))
    uploads.ingest(sent)
    assert uploads.left() == uploads.kb.documents() == []


def test_the_history_says_on_whose_behalf_a_file_was_stored(uploads: UploadClient) -> None:
    stored = uploads.stores("a.txt", TEXT, "text/plain")
    owner = f"user:{uploads.kb.tenant.owner.user_id}"
    assert stored["created_by"] == owner
    assert UUID(stored["document_id"])
