"""Who may report events: a machine with a key, or one that signs. The route itself looks, not API Gateway."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from flomastr.auth.webhook_signatures import signature, signing_secret
from flomastr.http import bodies
from functions.events.handler import lambda_handler
from tests.support import oidc_issuer
from tests.support.events import Answer, Context, call, http_event
from tests.support.factories import Factory, machine
from tests.support.n8n_capture import PATH, Instance, executed, failed, instance, stored
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]

BODY = json.dumps(failed())


@pytest.fixture
def n8n(make: Factory, superuser: Superuser) -> Instance:
    return signing(instance(make), superuser)


def signing(n8n: Instance, superuser: Superuser) -> Instance:
    """Its key has a signing secret too, as keys have that the platform makes."""
    hashed = sha256(signing_secret(n8n.key.id)).digest()
    superuser.execute("UPDATE app.api_keys SET signing_hash = %s WHERE id = %s", (hashed, n8n.key.id))
    return n8n


def signed(key_id: str, body: str = BODY, at: float = 0) -> dict[str, str]:
    """The headers of a signature, made so many seconds from now."""
    timestamp = str(int(time.time() + at))
    header = signature(signing_secret(key_id), "msg_1", timestamp, body.encode())
    return {"webhook-id": "msg_1", "webhook-timestamp": timestamp, "webhook-signature": header}


def ask(headers: Mapping[str, str], path: str = PATH, body: Any = BODY) -> Answer:
    return call(lambda_handler, "POST", path, headers=headers, body=body)


def asked_to_sign_in(answer: Answer, code: str) -> None:
    refused(answer, 401)
    assert (answer.json["code"], answer.headers["www-authenticate"]) == (code, "Bearer")


def test_a_key_reports_for_its_tenant(n8n: Instance, superuser: Superuser) -> None:
    answer = ask({"authorization": f"bearer {n8n.key.token()}"})
    assert (answer.status, answer.json["results"][0]["outcome"]) == (202, "created")
    assert [row["n8n_execution_id"] for row in stored(superuser, n8n.tenant)] == ["1"]


@pytest.mark.parametrize("prefix", ["whsec_", ""])
def test_a_secret_signs_as_the_text_that_it_is_as_well(n8n: Instance, prefix: str) -> None:
    """As n8n's Crypto node does, which takes what is typed in for the key."""
    text = prefix + b64encode(signing_secret(n8n.key.id)).decode()
    headers = signed(n8n.key.id)
    by_text = signature(text.encode(), "msg_1", headers["webhook-timestamp"], BODY.encode())
    path = f"{PATH}?key={n8n.key.id}"
    assert ask(headers | {"webhook-signature": by_text}, path).status == 202
    other = signature(f"{text}x".encode(), "msg_1", headers["webhook-timestamp"], BODY.encode())
    asked_to_sign_in(ask(headers | {"webhook-signature": other}, path), "invalid_signature")


def test_what_an_authorizer_might_have_said_counts_for_nothing(n8n: Instance) -> None:
    for caller in (n8n.tenant.owner, machine(n8n.key)):
        asked_to_sign_in(call(lambda_handler, "POST", PATH, caller=caller, body=BODY), "not_signed_in")


@pytest.mark.parametrize("token", ["", "flo_live_", "flo_live_AAAAAAAAAAAA_" + "A" * 38, "x" * 5_000, "\xe9"])
def test_what_is_no_key_is_refused_without_asking_the_database(n8n: Instance, token: str) -> None:
    asked_to_sign_in(ask({"authorization": f"Bearer {token}"}), "invalid_api_key")
    asked_to_sign_in(ask({"authorization": token or "Bearer"}), "invalid_api_key")
    asked_to_sign_in(ask({"authorization": f"Basic {n8n.key.token()}"}), "invalid_api_key")


def test_people_get_the_message_that_machines_report(n8n: Instance) -> None:
    answer = ask({"authorization": f"Bearer {oidc_issuer.token()}"})
    asked_to_sign_in(answer, "invalid_api_key")
    assert answer.json["detail"] == "Machines report here: send an API key, flo_live_..., as bearer token."


def test_a_key_that_is_unknown_expired_or_revoked_is_refused(make: Factory) -> None:
    ended = {"expires_at": "2026-01-01T00:00:00Z"}, {"revoked_at": "2026-01-01T00:00:00Z"}
    for key in (instance(make, **fields).key for fields in ended):
        answer = ask({"authorization": f"Bearer {key.token()}"})
        refused(answer, 401)
        assert answer.json["code"] == "invalid_api_key"
    other = instance(make).key
    unknown = other._replace(secret=instance(make).key.secret)
    refused(ask({"authorization": f"Bearer {unknown.token()}"}), 401)


def test_a_key_needs_the_scope_for_events_and_no_other(make: Factory, superuser: Superuser) -> None:
    others = ["workflows:read", "workflows:write", "executions:read", "executions:write"]
    n8n = signing(instance(make, scopes=others), superuser)
    for headers, path in (
        ({"authorization": f"Bearer {n8n.key.token()}"}, PATH),
        (signed(n8n.key.id), f"{PATH}?key={n8n.key.id}"),
    ):
        answer = ask(headers, path)
        refused(answer, 403)
        assert answer.json["code"] == "missing_scope"
    assert stored(superuser, n8n.tenant) == []


def test_a_suspended_tenant_takes_no_events(n8n: Instance, superuser: Superuser) -> None:
    superuser.execute("UPDATE app.tenants SET status = 'suspended' WHERE id = %s", (n8n.tenant.id,))
    assert n8n.post(failed()).json["code"] == "tenant_suspended"


def test_the_tenant_may_be_named_and_must_be_the_keys_own(make: Factory, n8n: Instance) -> None:
    other = make.tenant()
    assert n8n.post(failed(), headers={"x-tenant": n8n.tenant.slug}).status == 202
    assert n8n.post(failed(), path=f"{PATH}?tenant_id={n8n.tenant.id}").status == 202
    refused(n8n.post(failed(), headers={"x-tenant": other.slug}), 403)
    refused(n8n.post(failed(), path=f"{PATH}?tenant_id={other.id}"), 403)


def test_a_signed_report_is_taken(n8n: Instance, superuser: Superuser) -> None:
    answer = ask(signed(n8n.key.id), f"{PATH}?key={n8n.key.id}")
    assert answer.status == 202, answer.body
    assert len(stored(superuser, n8n.tenant)) == 1


def test_what_is_signed_are_the_bytes_that_n8n_sent(n8n: Instance) -> None:
    body = json.dumps(failed(error={"message": "Zahlung unmöglich \U0001f680"}), ensure_ascii=False)
    event = http_event("POST", f"{PATH}?key={n8n.key.id}", headers=signed(n8n.key.id, body))
    for sent in ({"body": b64encode(body.encode()).decode(), "isBase64Encoded": True}, {"body": body}):
        assert lambda_handler(event | sent, Context())["statusCode"] == 202


@pytest.mark.parametrize(("at", "status"), [(-310, 401), (-290, 202), (290, 202), (310, 401)])
def test_a_signature_expires(n8n: Instance, at: float, status: int) -> None:
    assert ask(signed(n8n.key.id, at=at), f"{PATH}?key={n8n.key.id}").status == status


def test_a_bad_signature_is_refused_whatever_is_bad_about_it(
    make: Factory, n8n: Instance, superuser: Superuser
) -> None:
    good, other = signed(n8n.key.id), signing(instance(make), superuser).key.id
    path = f"{PATH}?key={n8n.key.id}"
    answers = [
        ask(good, path, BODY + " "),
        ask(good, path, json.dumps(failed("2"))),
        ask(signed(other), path),
        ask(good, f"{PATH}?key={other}"),
        ask(good, f"{PATH}?key=unknown"),
        ask(good, f"{PATH}?key=%00%ff"),
        ask({}, path),
        ask(signed(n8n.key.id, at=-1_000), path),
        *(ask({name: value for name, value in good.items() if name != left_out}, path) for left_out in good),
        *(ask(good | {name: "\xe9"}, path) for name in good),
    ]
    for answer in answers:
        asked_to_sign_in(answer, "invalid_signature")
        assert answer.body == answers[0].body
    assert stored(superuser, n8n.tenant) == []


def test_a_signature_that_names_no_key_is_asked_to_sign_in(n8n: Instance, superuser: Superuser) -> None:
    for path in (PATH, f"{PATH}?key="):
        answer = ask(signed(n8n.key.id), path)
        asked_to_sign_in(answer, "invalid_signature")
        assert answer.json["detail"] == "Name the API key that has signed, by its id: ?key=..."
    assert stored(superuser, n8n.tenant) == []


def test_a_revoked_key_no_longer_signs(n8n: Instance, superuser: Superuser) -> None:
    superuser.execute("UPDATE app.api_keys SET revoked_at = now() WHERE id = %s", (n8n.key.id,))
    refused(ask(signed(n8n.key.id), f"{PATH}?key={n8n.key.id}"), 401)


def test_a_key_without_a_signing_secret_does_not_sign(make: Factory) -> None:
    key = instance(make).key
    refused(ask(signed(key.id), f"{PATH}?key={key.id}"), 401)


def test_a_key_in_the_header_is_what_counts_beside_a_signature(n8n: Instance) -> None:
    expired = signed(n8n.key.id, at=-1_000)
    assert ask(expired | {"authorization": f"Bearer {n8n.key.token()}"}, f"{PATH}?key={n8n.key.id}").status == 202
    assert ask(signed(n8n.key.id) | {"authorization": "Bearer x"}, f"{PATH}?key={n8n.key.id}").status == 401


def test_the_answer_has_ids_and_outcomes_and_nothing_else(n8n: Instance) -> None:
    n8n.send(executed(status="error", data={"resultData": {"error": {"message": "known to the tenant"}}}))
    answer = n8n.post(executed(workflowData={"name": "known to n8n"}))
    names = {"n8n_execution_id", "n8n_workflow_id", "id", "outcome", "error", "note", "data_notes"}
    assert answer.json["results"][0].keys() == names
    assert "known" not in answer.body


LARGE = json.dumps([failed(error={"text": "x" * 60_000})])


@pytest.mark.parametrize("query", ["", "?tenant_id=-"])
def test_a_strangers_body_is_not_read(make: Factory, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Nobody's, a forged signature's, and that of a key which only the database knows to be unknown."""
    monkeypatch.setattr(bodies, "read_json", lambda _: pytest.fail("it was read"))  # pyright: ignore
    n8n = instance(make)
    forged = signed(n8n.key.id, LARGE) | {"webhook-id": "msg_2"}
    unknown = n8n.key._replace(secret=instance(make).key.secret)
    for headers, path in (
        ({}, f"{PATH}{query}"),
        (forged, f"{PATH}{query or '?'}&key={n8n.key.id}"),
        ({"authorization": f"Bearer {unknown.token()}"}, f"{PATH}{query}"),
        ({"authorization": f"Bearer {instance(make, revoked_at='2026-01-01T00:00:00Z').key.token()}"}, PATH + query),
    ):
        assert ask(headers, path, LARGE).status == (422 if query else 401)


def test_a_large_report_is_counted_once(n8n: Instance, superuser: Superuser) -> None:
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 20 WHERE tenant_id = %s", [n8n.tenant.id])
    answers = [ask({"authorization": f"Bearer {n8n.key.token()}"}, body=body) for body in (BODY, LARGE, BODY)]
    assert [answer.status for answer in answers] == [202, 202, 202]
    assert [re.findall(r"r=(\d+)", answer.headers["ratelimit"]) for answer in answers] == [["19"], ["6"], ["5"]]
