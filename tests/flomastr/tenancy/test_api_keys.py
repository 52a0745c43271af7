"""API keys as they are issued: derived, used, limited, revoked, listed, and never written where others read."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, override
from unittest.mock import Mock

import psycopg
import pytest

from flomastr.auth.api_key_tokens import parse
from flomastr.auth.webhook_signatures import signing_secret
from flomastr.caller import Caller
from flomastr.database import pipeline
from flomastr.observability import logger
from flomastr.tenancy import api_keys
from functions.api_keys.handler import lambda_handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine

type Superuser = psycopg.Connection[Any]

NEW = {"name": "n8n", "scopes": ["workflows:read"]}


def ask(tenant: Tenant, method: str, path: str = "", caller: Caller | None = None, **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/api-keys{path}", caller=caller or tenant.owner, **request)


def issue(tenant: Tenant, **changed: Any) -> Any:
    return ask(tenant, "POST", body=NEW | changed).json


def use(issued: Any) -> Answer:
    key = parse(issued["token"])
    assert key
    return call(workflows, "GET", "/routes/workflows", caller=machine(key))


def test_every_key_is_new_and_one_that_a_token_can_carry() -> None:
    keys = [api_keys.derive_key(api_keys.new_secrets()["salt"]) for _ in range(200)]
    assert len({key.id for key in keys}) == len({key.secret for key in keys}) == 200
    assert all(parse(key.token()) == key for key in keys)


def test_what_is_stored_of_a_key_is_of_the_key_that_its_salt_makes() -> None:
    stored = api_keys.new_secrets()
    key = api_keys.derive_key(stored["salt"])
    assert (stored["id"], stored["secret_hash"]) == (key.id, key.secret_hash)


def test_the_salt_reveals_nothing_without_what_only_the_service_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    before = api_keys.derive_key("salt")
    monkeypatch.setattr(api_keys, "signing_key", lambda: b"another")
    assert api_keys.derive_key("salt").secret != before.secret


def test_when_the_signing_key_has_changed_meanwhile_no_wrong_secret_is_shown(
    make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make.tenant()
    request: dict[str, Any] = {"body": NEW, "headers": {"idempotency-key": "k"}}
    assert ask(tenant, "POST", **request).status == 201
    monkeypatch.setattr(api_keys, "signing_key", lambda: b"another")
    again = ask(tenant, "POST", **request)
    assert (again.status, again.json["code"]) == (409, "secret_was_shown")


class Heard(logging.Handler):
    """Everything that log records could be made to say."""

    text = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + repr(record.__dict__)


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    sources = [logging.getLogger(name) for name in ("", "psycopg", logger.service)]
    levels = [source.level for source in sources]
    for source in sources:
        source.addHandler(heard)
        source.setLevel("DEBUG")
    yield heard
    for source, level in zip(sources, levels, strict=True):
        source.removeHandler(heard)
        source.setLevel(level)


def test_no_log_has_a_secret_whether_a_request_fails_or_not(
    make: Factory, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make.tenant()
    request: dict[str, Any] = {"body": NEW, "headers": {"idempotency-key": "k"}}
    for error, status in ((psycopg.ProgrammingError("a defect"), 500), (psycopg.DataError("a value"), 422)):
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "send", Mock(side_effect=error))
            assert ask(tenant, "POST", **request).status == status
    issued = ask(tenant, "POST", **request).json
    assert ask(tenant, "POST", **request).json == issued
    assert "a defect" in heard.text and "refused a value" in heard.text
    for secret in (issued["token"][22:54], issued["signing_secret"][6:], signing_secret(issued["id"]).hex()):
        assert secret not in heard.text


def test_a_revoked_key_ends_at_once_and_for_good_and_stays_in_the_list(make: Factory) -> None:
    tenant = make.tenant()
    issued = issue(tenant)
    path = f"/{issued['id']}"
    assert use(issued).status == 200
    revoked = ask(tenant, "DELETE", path)
    assert (revoked.status, revoked.json["revoked_at"] is None, use(issued).status) == (200, False, 401)
    again = ask(tenant, "DELETE", path)
    assert (again.json, again.headers["etag"]) == (revoked.json, revoked.headers["etag"])
    assert ask(tenant, "GET").json == [revoked.json]
    rotated = ask(tenant, "POST", f"{path}/rotate", body={})
    assert (rotated.status, rotated.json["code"]) == (409, "key_has_ended")


def test_an_expired_key_is_not_rotated(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    issued = issue(tenant)
    superuser.execute("UPDATE app.api_keys SET expires_at = now() WHERE id = %s", (issued["id"],))
    assert ask(tenant, "POST", f"/{issued['id']}/rotate", body={}).json["code"] == "key_has_ended"
    assert len(ask(tenant, "GET").json) == 1


def test_a_key_is_revoked_in_the_state_that_was_read_which_using_it_does_not_change(make: Factory) -> None:
    tenant = make.tenant()
    issued = issue(tenant)
    path = f"/{issued['id']}"
    read = {"if-match": ask(tenant, "GET", path).headers["etag"]}
    use(issued)
    rotated = ask(tenant, "POST", f"{path}/rotate", body={})
    assert ask(tenant, "DELETE", path, headers=read).status == 412
    fresh = {"if-match": rotated.headers["etag"]}
    assert use(rotated.json).status == 200
    assert ask(tenant, "DELETE", f"/{rotated.json['id']}", headers=fresh).status == 200


def test_when_a_key_was_last_used_is_known_to_the_minute(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    issued = issue(tenant)

    def last_used() -> Any:
        return ask(tenant, "GET", f"/{issued['id']}").json["last_used_at"]

    assert last_used() is None
    use(issued)
    first = last_used()
    use(issued)
    assert first is not None and last_used() == first
    for ago, is_written in ((timedelta(seconds=50), False), (timedelta(seconds=61), True)):
        superuser.execute("UPDATE app.api_keys SET last_used_at = now() - %s WHERE id = %s", (ago, issued["id"]))
        before = last_used()
        use(issued)
        assert (last_used() != before) == is_written


def test_a_keys_own_limit_refuses_its_requests_and_nobody_elses(make: Factory) -> None:
    tenant = make.tenant()
    issued, other = issue(tenant, rate_limit_per_minute=2), issue(tenant)
    first, second, third = (use(issued) for _ in range(3))
    assert [first.status, second.status, third.status] == [200, 200, 429]
    assert first.headers["ratelimit-policy"].endswith('"key";q=2;w=60')
    assert first.headers["ratelimit"].endswith('"key";r=1;t=30')
    assert third.json["code"] == "too_many_requests"
    assert third.headers["ratelimit-policy"] == '"key";q=2;w=60'
    assert third.headers["ratelimit"] == f'"key";r=0;t={third.headers["retry-after"]}'
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert [use(other).status, ask(tenant, "GET").status] == [200, 200]


def test_keys_are_listed_newest_first_page_by_page(make: Factory) -> None:
    tenant = make.tenant()
    ids = [issue(tenant, name=str(n))["id"] for n in range(5)]
    page = ask(tenant, "GET", query={"limit": 2}, headers={"prefer": "count=exact"})
    assert page.headers["x-total-count"] == "5"
    listed = [key["id"] for key in page.json]
    while "link" in page.headers:
        page = ask(tenant, "GET", page.headers["link"].split(">")[0].removeprefix("</routes/api-keys"))
        listed += [key["id"] for key in page.json]
    assert listed == ids[::-1]


def test_the_keys_of_a_tenant_are_not_there_for_others_or_for_members(make: Factory) -> None:
    tenant, other, member = make.tenant(), make.tenant(), make.person()
    make.member(tenant.id, member)
    path = f"/{issue(tenant)['id']}"
    for method, way in (("GET", path), ("DELETE", path), ("POST", f"{path}/rotate")):
        assert ask(other, method, way, body="{}").status == 404
        assert ask(tenant, method, way, member, body="{}").status == 403
    assert ask(tenant, "GET", path).json["revoked_at"] is None
