"""What DigitalOcean refuses is told by name."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dev.services.postgres import Cluster, free_port
from flomastr.drills import digitalocean
from flomastr.drills.digitalocean import (
    Client,
    LimitError,
    NotFoundError,
    ProviderError,
    UnauthorizedError,
    UnreachableError,
)
from tests.support.digitalocean_api import SOURCE, TOKEN, Provider, serving

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with serving(Provider(tmp_path, Cluster(0, 0, ""))) as found:
        yield found


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (401, "Unable to authenticate you", UnauthorizedError),
        (403, "You are missing the required permission", UnauthorizedError),
        (404, "cluster not found", NotFoundError),
        (422, "You have reached the limit of database clusters", LimitError),
        (429, "API rate limit exceeded", LimitError),
        (422, "invalid size", ProviderError),
        (503, "Service unavailable", UnreachableError),
    ],
)
def test_what_is_refused_is_told_by_name(
    provider: Provider, status: int, message: str, error: type[ProviderError]
) -> None:
    client = Client(TOKEN, provider.url)
    source = client.cluster(SOURCE)
    provider.answers["POST"] = status, message
    with pytest.raises(ProviderError, match=message) as raised:
        client.fork(source, "a-fork", MOMENT, "a-tag")
    assert type(raised.value) is error
    assert provider.asked.count("POST /v2/databases") == 1  # it may have been done


def test_a_token_that_is_not_accepted_is_never_shown(provider: Provider) -> None:
    with pytest.raises(UnauthorizedError) as raised:
        Client("dop_v1_wrong", provider.url).backups(SOURCE)
    assert "dop_v1_wrong" not in str(raised.value)


def test_what_only_reads_is_asked_again(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digitalocean, "PAUSE", 0)
    provider.answers["GET"] = 502, "Bad gateway"
    with pytest.raises(UnreachableError, match="502 Bad gateway"):
        Client(TOKEN, provider.url).cluster(SOURCE)
    assert len(provider.asked) == 1 + digitalocean.RETRIES


def test_no_answer_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digitalocean, "PAUSE", 0)
    with pytest.raises(UnreachableError, match="no answer"):
        Client(TOKEN, f"http://127.0.0.1:{free_port()}").cluster(SOURCE)


def test_an_answer_that_takes_too_long_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digitalocean, "TIMEOUT", 0.05)
    monkeypatch.setattr(digitalocean, "PAUSE", 0)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnreachableError, match="no answer"):
        Client(TOKEN, f"http://127.0.0.1:{silent.getsockname()[1]}").cluster(SOURCE)


def test_an_answer_of_another_form_is_told_as_such(provider: Provider) -> None:
    provider.backups = [MOMENT]
    provider.forks = {"1": {"id": "1", "name": "a-fork", "tags": ["a-tag"]}}  # without a status
    with pytest.raises(ProviderError, match=r"another form: [(]'status',[)]"):
        Client(TOKEN, provider.url).clusters("a-tag")


def test_what_is_gone_is_deleted(provider: Provider) -> None:
    Client(TOKEN, provider.url).delete("22222222-2222-4222-8222-222222222222")


def test_backups_come_oldest_first(provider: Provider) -> None:
    provider.backups = [MOMENT.replace(day=3), MOMENT]
    found = Client(TOKEN, provider.url).backups(SOURCE)
    assert [backup.created_at for backup in found] == [MOMENT, MOMENT.replace(day=3)]
