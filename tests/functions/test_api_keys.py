"""API keys over HTTP: a secret that is shown once, works at once, and ends at its time or when it is revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from flomastr.auth.api_key_tokens import parse
from flomastr.caller import Caller
from functions.api_keys.handler import lambda_handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import KEY_SCOPES, Factory, Tenant, machine
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]

NEW: dict[str, Any] = {"name": "n8n", "scopes": ["workflows:read", "events:write"]}


def ask(tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/api-keys{path}", caller=tenant.owner, **request)


def issue(tenant: Tenant, **changed: Any) -> Any:
    answer = ask(tenant, "POST", body=NEW | changed)
    assert answer.status == 201, answer.body
    return answer.json


def holder(issued: Any) -> Caller:
    """Who comes with the token."""
    key = parse(issued["token"])
    assert key and key.id == issued["id"]
    return machine(key)


def use(issued: Any, method: str = "GET", **request: Any) -> Answer:
    return call(workflows, method, "/routes/workflows", caller=holder(issued), **request)


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_key_is_shown_with_its_secrets_once_and_works_at_once(make: Factory) -> None:
    tenant = make.tenant()
    created = ask(tenant, "POST", body=NEW | {"rate_limit_per_minute": 60, "expires_at": "2999-01-01T00:00:00Z"})
    assert (created.status, created.headers["location"]) == (201, f"/routes/api-keys/{created.json['id']}")
    shown = created.json | {"token": created.json.pop("token"), "signing_secret": created.json.pop("signing_secret")}
    assert shown["token"].startswith(f"flo_live_{shown['id']}_") and shown["signing_secret"].startswith("whsec_")
    assert created.json.items() >= (NEW | {"rate_limit_per_minute": 60, "tenant_id": str(tenant.id)}).items()
    assert (created.json["created_by"], created.json["last_used_at"]) == (f"user:{tenant.owner.user_id}", None)
    found = ask(tenant, "GET", f"/{shown['id']}")
    assert found.json == {name: value for name, value in shown.items() if name not in ("token", "signing_secret")}
    assert found.headers["etag"] == created.headers["etag"]
    assert ask(tenant, "GET").json == [found.json]
    assert use(shown).status == 200


def test_a_key_may_do_what_its_scopes_say_in_its_tenant_and_no_more(make: Factory) -> None:
    tenant = make.tenant()
    issued = issue(tenant)
    writing = use(issued, "POST", body={"name": "x"})
    assert (writing.status, writing.json["code"]) == (403, "missing_scope")
    assert writing.json["detail"] == "The API key lacks the scope workflows:write."
    assert use(issued, headers={"x-tenant": make.tenant().slug}).json["code"] == "other_tenants_key"
    assert use(issue(tenant, scopes=["workflows:write"]), "POST", body={"name": "x"}).status == 201
    managing = call(lambda_handler, "GET", "/routes/api-keys", caller=holder(issue(tenant, scopes=KEY_SCOPES)))
    assert (managing.status, managing.json["code"]) == (403, "missing_scope")
    assert managing.json["detail"] == "This is for people: no API key may do it."


def test_neither_secret_is_in_any_table(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    created = ask(tenant, "POST", body=NEW, headers={"idempotency-key": "k"}).json
    rotated = ask(tenant, "POST", f"/{created['id']}/rotate", body={}, headers={"idempotency-key": "r"}).json
    words = [word for each in (created, rotated) for word in (each["token"][22:54], each["signing_secret"][6:48])]
    tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'app'").fetchall()
    assert {("api_keys",), ("idempotency_keys",)} < set(tables)
    for (table,) in tables:
        rows = superuser.execute(sql.SQL("SELECT t::text FROM app.{} AS t").format(sql.Identifier(table)))
        text = " ".join(row for (row,) in rows)
        assert not [word for word in words if word in text or word.encode().hex() in text]


def test_repeated_under_its_idempotency_key_a_request_shows_the_same_key(make: Factory) -> None:
    tenant = make.tenant()
    request: dict[str, Any] = {"body": NEW, "headers": {"idempotency-key": "k"}}
    first, again = ask(tenant, "POST", **request), ask(tenant, "POST", **request)
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert [again.headers[name] for name in ("etag", "location")] == [first.headers["etag"], first.headers["location"]]
    use(first.json)
    assert ask(tenant, "POST", **request).json == first.json
    assert len(ask(tenant, "GET").json) == 1
    other = ask(tenant, "POST", body=NEW | {"name": "other"}, headers={"idempotency-key": "k"})
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    path = f"/{first.json['id']}/rotate"
    rotated = ask(tenant, "POST", path, body={}, headers={"idempotency-key": "r"})
    assert ask(tenant, "POST", path, body={}, headers={"idempotency-key": "r"}).json == rotated.json
    assert use(rotated.json).status == 200


def test_one_idempotency_key_makes_another_key_for_each_person_and_tenant(make: Factory) -> None:
    here, there, admin = make.tenant(), make.tenant(), make.person()
    make.member(there.id, here.owner, "admin")
    make.member(here.id, admin, "admin")
    made = [
        call(
            lambda_handler,
            "POST",
            "/routes/api-keys",
            body=NEW,
            headers={"x-tenant": tenant.slug, "idempotency-key": "k"},
            caller=caller,
        ).json
        for caller, tenant in ((here.owner, here), (here.owner, there), (admin, here))
    ]
    assert len({each["id"] for each in made}) == len({each["token"] for each in made}) == 3
    assert [use(each).status for each in made] == [200] * 3


def test_however_the_repeated_request_names_the_tenant_the_secret_is_the_same(make: Factory) -> None:
    tenant = make.tenant()
    by_slug, by_id = (
        ask(tenant, "POST", body=NEW, headers={"x-tenant": name, "idempotency-key": "k"})
        for name in (tenant.slug, str(tenant.id))
    )
    assert (by_slug.status, by_id.json) == (201, by_slug.json)
    assert len(ask(tenant, "GET").json) == 1


def test_a_revoked_key_is_never_born_again(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    request: dict[str, Any] = {"body": NEW, "headers": {"idempotency-key": "k"}}
    first = ask(tenant, "POST", **request).json
    superuser.execute("DELETE FROM app.api_keys WHERE id = %s", (first["id"],))
    superuser.execute("DELETE FROM app.idempotency_keys WHERE tenant_id = %s", (tenant.id,))
    second = ask(tenant, "POST", **request).json
    assert first["token"] != second["token"]
    assert (use(first).status, use(second).status) == (401, 200)


def test_revoking_a_key_ends_all_that_it_was_rotated_from(make: Factory) -> None:
    tenant = make.tenant()
    chain = [issue(tenant)]
    for _ in range(2):
        chain.append(ask(tenant, "POST", f"/{chain[-1]['id']}/rotate", body={"grace_seconds": 3600}).json)
    other = issue(tenant)
    assert [use(key).status for key in chain] == [200] * 3
    assert ask(tenant, "DELETE", f"/{chain[1]['id']}").status == 200
    assert [use(key).status for key in (*chain, other)] == [401, 401, 200, 200]


@pytest.mark.parametrize(
    "scope", ["tenant:write", "members:read", "keys:read", "keys:write", "me:read", "platform:read"]
)
def test_what_people_administer_no_key_may(make: Factory, superuser: Superuser, scope: str) -> None:
    tenant = make.tenant()
    refused(ask(tenant, "POST", body=NEW | {"scopes": ["workflows:read", scope]}), 422, "body.scopes.1")
    key = make.api_key(tenant)
    with pytest.raises(psycopg.errors.CheckViolation):
        superuser.execute("UPDATE app.api_keys SET scopes = %s WHERE id = %s", ([scope], key.id))


@pytest.mark.parametrize(
    ("field", "value", "reported"),
    [
        *(("scopes", [bad], "scopes.0") for bad in ("", "*", "workflows", "workflows:*", "Workflows:read", None, 7)),
        *(("scopes", bad, "scopes") for bad in ([], None, "workflows:read", ["workflows:read"] * 21)),
        *(("name", bad, "name") for bad in ("", "x" * 256, None, "a\x00")),
        *(("rate_limit_per_minute", bad, "rate_limit_per_minute") for bad in (0, -1, 1_000_001, 1.5, "7", True)),
        *(
            ("expires_at", bad, "expires_at")
            for bad in ("tomorrow", 4_000_000_000, "2999-01-01T00:00:00", "2026-01-01T00:00:00Z")
        ),
        ("secret", "x", "secret"),
    ],
)
def test_what_a_key_cannot_be_is_reported_by_field(make: Factory, field: str, value: Any, reported: str) -> None:
    refused(ask(make.tenant(), "POST", body=NEW | {field: value}), 422, f"body.{reported}")


def test_a_key_is_not_made_for_the_past_but_for_any_time_to_come(make: Factory) -> None:
    tenant = make.tenant()
    refused(ask(tenant, "POST", body=NEW | {"expires_at": in_days(-0.00001)}), 422, "body.expires_at")
    assert use(issue(tenant, expires_at=in_days(0.001))).status == 200


def test_a_key_ends_at_its_end_and_not_before(make: Factory, superuser: Superuser) -> None:
    issued = issue(make.tenant(), expires_at=in_days(1))
    caller = holder(issued)
    ending = "UPDATE app.api_keys SET expires_at = now() + %s::interval WHERE id = %s"
    verified = "SELECT FROM app.verified_key(%s, decode(%s, 'hex'))"
    with superuser.transaction(force_rollback=True):  # in which now() stands still
        superuser.execute(ending, ("1 microsecond", caller.key_id))
        assert superuser.execute(verified, (caller.key_id, caller.key_hash)).rowcount == 1
        superuser.execute(ending, ("0", caller.key_id))
        with pytest.raises(psycopg.Error, match="unknown, expired or revoked"):
            superuser.execute(verified, (caller.key_id, caller.key_hash))
    superuser.execute("UPDATE app.api_keys SET expires_at = now() WHERE id = %s", (issued["id"],))
    assert (use(issued).status, use(issued).json["code"]) == (401, "invalid_api_key")


def test_a_rotated_key_has_a_new_secret_and_the_old_one_goes_on_for_its_grace(
    make: Factory, superuser: Superuser
) -> None:
    tenant = make.tenant()
    old = issue(tenant, rate_limit_per_minute=77)
    rotated = ask(tenant, "POST", f"/{old['id']}/rotate", body={"grace_seconds": 3600})
    new = rotated.json
    assert (rotated.status, rotated.headers["location"]) == (201, f"/routes/api-keys/{new['id']}")
    assert {name: new[name] for name in (*NEW, "rate_limit_per_minute", "tenant_id", "expires_at")} == (
        {name: old[name] for name in (*NEW, "rate_limit_per_minute", "tenant_id", "expires_at")}
    )
    assert not {old["id"], old["token"], old["signing_secret"]} & {new["id"], new["token"], new["signing_secret"]}
    assert [use(old).status, use(new).status] == [200, 200]
    ends = moment(ask(tenant, "GET", f"/{old['id']}").json["expires_at"])
    assert ends == moment(new["created_at"]) + timedelta(hours=1)
    superuser.execute("UPDATE app.api_keys SET expires_at = expires_at - interval '1 hour' WHERE id = %s", (old["id"],))
    assert [use(old).status, use(new).status] == [401, 200]


def test_without_grace_the_old_key_ends_at_once_and_a_day_is_the_default(make: Factory) -> None:
    tenant = make.tenant()
    old, other = issue(tenant), issue(tenant)
    assert ask(tenant, "POST", f"/{old['id']}/rotate", body={"grace_seconds": 0}).status == 201
    assert use(old).status == 401
    new = ask(tenant, "POST", f"/{other['id']}/rotate", body={}).json
    ends = moment(ask(tenant, "GET", f"/{other['id']}").json["expires_at"])
    assert ends - moment(new["created_at"]) == timedelta(days=1)


def test_a_key_is_rotated_once_and_then_its_successor(make: Factory) -> None:
    tenant = make.tenant()
    first = issue(tenant)
    second = ask(tenant, "POST", f"/{first['id']}/rotate", body={}).json
    assert ask(tenant, "GET", f"/{first['id']}").json["replaced_by"] == second["id"]
    assert second["expires_at"] is None
    again = ask(tenant, "POST", f"/{first['id']}/rotate", body={})
    assert (again.status, again.json["code"]) == (409, "key_is_rotated")
    assert second["id"] in again.json["detail"]
    assert ask(tenant, "POST", f"/{second['id']}/rotate", body={}).status == 201


def test_grace_never_prolongs_a_key(make: Factory) -> None:
    tenant = make.tenant()
    old = issue(tenant, expires_at=in_days(0.5))
    new = ask(tenant, "POST", f"/{old['id']}/rotate", body={"grace_seconds": 86_400}).json
    assert new["expires_at"] == old["expires_at"] == ask(tenant, "GET", f"/{old['id']}").json["expires_at"]


@pytest.mark.parametrize("seconds", [-1, 30 * 86_400 + 1, 1.5, "60", None, True])
def test_a_grace_has_its_bounds(make: Factory, seconds: Any) -> None:
    tenant = make.tenant()
    path = f"/{issue(tenant)['id']}/rotate"
    refused(ask(tenant, "POST", path, body={"grace_seconds": seconds}), 422, "body.grace_seconds")
    assert ask(tenant, "POST", path, body={"grace_seconds": 30 * 86_400}).status == 201
