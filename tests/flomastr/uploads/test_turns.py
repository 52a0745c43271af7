"""Who reads what and when: turns of tenants, messages that were lost, storage that does not answer, and expiry."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from flomastr import object_storage
from flomastr.embeddings.queue import client
from flomastr.object_storage import StorageUnavailableError
from flomastr.uploads import ingestion, raw_files
from tests.support.archive_env import emitted
from tests.support.connected import connected
from tests.support.s3 import Bucket
from tests.support.upload_client import UploadClient, key_of

TEXT = b"Refunds take two weeks."


class Messages:
    def __init__(self, client: Any, url: str):
        self.client, self.url = client, url

    def taken(self) -> list[str]:
        """The bodies of all that wait, taken out."""
        asked = {"QueueUrl": self.url, "MaxNumberOfMessages": 10}
        all: list[str] = []
        while found := self.client.receive_message(**asked).get("Messages"):
            for message in found:
                all.append(message["Body"])
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return all


@pytest.fixture
def messages(bucket: Bucket, uploads: UploadClient) -> Iterator[Messages]:
    made: Any = boto3.client("sqs", endpoint_url=bucket.endpoint, region_name="us-east-1")  # pyright: ignore[reportUnknownMemberType]
    url = made.create_queue(QueueName=f"ingest-{uploads.kb.tenant.id}")["QueueUrl"]
    uploads.kb.superuser.execute("UPDATE app.uploads SET due_at = NULL")  # what other tests have left
    with connected(INGEST_QUEUE_URL=url, SQS_ENDPOINT=bucket.endpoint):
        client.cache_clear()
        yield Messages(made, url)
    client.cache_clear()


def test_an_event_that_was_lost_is_made_up_for(uploads: UploadClient, messages: Messages) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")
    assert uploads.requeue()["uploads_sent"] == 0
    uploads.later(sent, 3)
    assert uploads.requeue()["uploads_sent"] == 1
    assert uploads.requeue()["uploads_sent"] == 0
    assert uploads.work(messages.taken()) == []
    assert uploads.facts(sent) == ("stored", None, 1, True, None)
    uploads.later(sent, 60)
    assert uploads.requeue()["uploads_sent"] == 0


def test_a_file_that_never_comes_is_waited_for_no_longer_than_its_link_and_a_while(
    uploads: UploadClient, messages: Messages
) -> None:
    begun = uploads.begins("a.txt", len(TEXT), "text/plain")
    uploads.later(begun, 29)
    uploads.requeue()
    assert uploads.work(messages.taken()) == []
    assert uploads.facts(begun)[:2] == ("waiting", None)
    uploads.later(begun, 20)
    uploads.requeue()
    failed = uploads.of(begun)
    assert (failed["status"], failed["code"]) == ("failed", "upload_expired")
    assert failed["reason"] == "No file came before the link expired."
    assert uploads.work(messages.taken()) == []
    assert uploads.facts(begun) == ("failed", "upload_expired", 0, True, None)


def test_a_file_that_comes_when_it_was_given_up_is_removed(uploads: UploadClient, messages: Messages) -> None:
    begun = uploads.begins("a.txt", len(TEXT), "text/plain")
    uploads.later(begun, 60)
    uploads.requeue()
    uploads.bucket.client.put_object(Bucket=uploads.bucket.name, Key=key_of(begun), Body=TEXT, ContentType="text/plain")
    uploads.ingest(begun)
    assert uploads.left() == uploads.kb.documents() == []


def test_a_tenants_files_are_read_one_after_another(
    uploads: UploadClient, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (uploads.sends(f"{n}.txt", TEXT, "text/plain") for n in range(3))
    other = UploadClient(uploads.kb.neighbour(), uploads.bucket)
    beside = other.sends("a.txt", TEXT, "text/plain")
    read: Any = ingestion.read
    states: list[str] = []

    def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(ingestion, "read", read)
        uploads.ingest(second, first, third)
        other.ingest(beside)
        states.extend([uploads.of(second)["status"], uploads.of(first)["status"], other.of(beside)["status"]])
        return read(*given)

    monkeypatch.setattr(ingestion, "read", meanwhile)
    uploads.ingest(first)
    assert states == ["waiting", "processing", "stored"]
    for left in (1, 0):
        (next_one,) = messages.taken()
        assert uploads.work([next_one]) == []
        assert [one["status"] for one in uploads.all()].count("waiting") == left
    assert messages.taken() == []
    assert {one["status"] for one in uploads.all()} == {"stored"}


def test_a_storage_that_does_not_answer_is_asked_again_later(
    uploads: UploadClient, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")

    def broken(*_: object) -> bytes:
        raise StorageUnavailableError

    monkeypatch.setattr(raw_files.RawFile, "read", broken)
    uploads.ingest(sent)
    assert uploads.facts(sent) == ("processing", None, 1, False, None)
    assert uploads.requeue()["uploads_sent"] == 0
    uploads.later(sent, 1)
    assert uploads.requeue()["uploads_sent"] == 1
    monkeypatch.undo()
    assert uploads.work(messages.taken()) == []
    assert uploads.facts(sent) == ("stored", None, 2, True, None)


def test_what_fails_six_times_for_no_reason_of_its_own_is_given_up_and_somebody_woken(
    uploads: UploadClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")

    def broken(*_: object) -> bytes:
        raise StorageUnavailableError

    monkeypatch.setattr(raw_files.RawFile, "read", broken)
    for attempts in range(1, 7):
        uploads.ingest(sent)
        assert uploads.facts(sent)[:3] == ("processing", None, attempts)
    assert "UploadsGivenUp" not in emitted(capsys.readouterr().out)
    uploads.ingest(sent)
    assert uploads.facts(sent) == ("failed", "file_unreadable", 7, True, None)
    assert uploads.of(sent)["reason"] == "The file could not be read or stored, six times. Send it again, or in parts."
    assert emitted(capsys.readouterr().out)["UploadsGivenUp"] == [1]
    assert uploads.left() == []


def test_a_file_that_cannot_be_removed_is_removed_later(
    uploads: UploadClient, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")

    def broken(*_: object) -> None:
        raise StorageUnavailableError

    monkeypatch.setattr(raw_files, "remove", broken)
    assert uploads.work([f'{{"tenant": "{sent["tenant_id"]}", "key": "{key_of(sent)}"}}']) == ["m0"]
    assert uploads.facts(sent) == ("stored", None, 1, False, None)
    monkeypatch.undo()
    assert uploads.requeue()["uploads_sent"] == 1
    assert uploads.work(messages.taken()) == []
    assert uploads.facts(sent) == ("stored", None, 1, True, None)
    assert uploads.left() == []


def test_an_object_that_is_still_there_is_not_taken_for_removed(
    uploads: UploadClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = uploads.sends("a.txt", TEXT, "text/plain")

    def nothing(**_: Any) -> None:
        pass

    monkeypatch.setattr(object_storage.client(), "delete_object", nothing)
    with pytest.raises(StorageUnavailableError):
        raw_files.remove(key_of(sent))
