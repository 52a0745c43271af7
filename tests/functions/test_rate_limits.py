"""Rate limits: what a tenant and a key may ask in a minute, which headers say so, and who does not pay for whom."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from flomastr.caller import Caller
from flomastr.database.rate_limits import SPEND
from functions.api_keys.handler import lambda_handler as api_keys
from functions.chunks.handler import lambda_handler as chunks
from functions.documents.handler import lambda_handler as documents
from functions.history.handler import lambda_handler as history
from functions.knowledge_search.handler import lambda_handler as search
from functions.members.handler import lambda_handler as members
from functions.tenants.handler import lambda_handler as tenants
from functions.users.handler import lambda_handler as users
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant, machine

type Superuser = psycopg.Connection[Any]


def ask(caller: Caller, tenant: Tenant, path: str = "", **request: Any) -> Answer:
    request = {"headers": {"x-tenant": tenant.slug}, "method": "GET"} | request
    return call(workflows, path=f"/routes/workflows{path}", caller=caller, **request)


@pytest.fixture
def limited(make: Factory, superuser: Superuser) -> Tenant:
    """It may ask three times a minute."""
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 3 WHERE tenant_id = %s", [tenant.id])
    return tenant


def left(answer: Answer, bucket: str = "tenant") -> tuple[int, int]:
    """How many requests, and the seconds until all are there again."""
    (found,) = re.findall(rf'"{bucket}";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    return int(found[0]), int(found[1])


def test_a_tenant_that_has_used_up_its_requests_is_asked_to_wait_and_how_long(limited: Tenant) -> None:
    answers = [ask(limited.owner, limited) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"tenant";q=3;w=60'}
    assert [left(answer) for answer in answers[:3]] == [(2, 20), (1, 40), (0, 60)]
    for refused in answers[3:]:
        assert left(refused) == (0, int(refused.headers["retry-after"]))
        assert 15 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json["code"] == "too_many_requests"
        assert "3 requests a minute" in refused.json["detail"]


@pytest.mark.parametrize(("seconds", "expected"), [(19, [429]), (21, [200, 429]), (3600, [200, 200, 200, 429])])
def test_a_bucket_fills_steadily_and_holds_one_minutes_requests(
    superuser: Superuser, limited: Tenant, seconds: int, expected: list[int]
) -> None:
    for _ in range(3):
        ask(limited.owner, limited)
    superuser.execute(
        "UPDATE app.rate_buckets SET full_at = full_at - make_interval(secs => %s) WHERE name = %s",
        [seconds, str(limited.id)],
    )
    assert [ask(limited.owner, limited).status for _ in expected] == expected


def test_what_is_refused_for_its_rate_has_not_happened(make: Factory, superuser: Superuser, limited: Tenant) -> None:
    for name in "12345":
        ask(limited.owner, limited, method="POST", body={"name": name})
    superuser.execute("DELETE FROM app.rate_buckets WHERE name = %s", [str(limited.id)])
    assert [workflow["name"] for workflow in ask(limited.owner, limited).json] == ["3", "2", "1"]


def test_everybody_in_the_tenant_draws_on_one_bucket_and_requests_that_find_nothing_count(
    make: Factory, limited: Tenant
) -> None:
    nothing = "/00000000-0000-7000-8000-000000000000"
    member = make.person()
    make.member(limited.id, member)
    callers = [limited.owner, member, machine(make.api_key(limited))]
    assert [ask(caller, limited, nothing).status for caller in callers] == [404, 404, 404]
    assert {ask(caller, limited).status for caller in callers} == {429}


def test_a_super_admin_neither_pays_nor_is_refused(make: Factory, limited: Tenant) -> None:
    helper = make.super_admin()
    asked = [ask(helper, limited) for _ in range(5)]
    assert [ask(limited.owner, limited).status for _ in range(4)] == [200, 200, 200, 429]
    asked.append(ask(helper, limited, method="POST", body={"name": "help"}))
    assert [answer.status for answer in asked] == [200] * 5 + [201]
    assert not any({"ratelimit", "ratelimit-policy"} & answer.headers.keys() for answer in asked)


def test_at_the_limit_owners_still_administer_and_that_is_counted_by_person(make: Factory, limited: Tenant) -> None:
    path, invited = f"/routes/tenants/{limited.slug}", make.person()
    while ask(limited.owner, limited).status == 200:
        pass
    key, body = make.api_key(limited), {"email": invited.email}
    done = [
        call(api_keys, "GET", "/routes/api-keys", caller=limited.owner),
        call(api_keys, "DELETE", f"/routes/api-keys/{key.id}", caller=limited.owner),
        call(tenants, "PUT", path, caller=limited.owner, body={"name": "Renamed"}),
        call(members, "POST", f"{path}/members", caller=limited.owner, body=body),
        call(members, "POST", f"{path}/invitation/decline", caller=invited),
        call(tenants, "DELETE", path, caller=limited.owner),
    ]
    assert [answer.status for answer in done] == [200, 200, 200, 201, 200, 200]
    assert {answer.headers["ratelimit-policy"] for answer in done} == {'"person";q=600;w=60'}


def test_whoever_administers_too_much_waits(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    use_up(superuser, tenant.owner)
    assert call(api_keys, "GET", "/routes/api-keys", caller=tenant.owner).status == 429
    assert ask(tenant.owner, tenant).status == 200


def test_reading_who_belongs_to_the_tenant_and_what_it_is_counts(make: Factory, limited: Tenant) -> None:
    while ask(limited.owner, limited).status == 200:
        pass
    path = f"/routes/tenants/{limited.slug}"
    assert call(tenants, "GET", path, caller=limited.owner).status == 429
    assert call(members, "GET", f"{path}/members", caller=limited.owner).status == 429


def test_nobody_pays_for_others(make: Factory, limited: Tenant) -> None:
    stranger = make.tenant()
    key = machine(make.api_key(limited, scopes=["executions:read"]))
    for _ in range(5):
        assert ask(stranger.owner, limited).status == 404
        assert ask(key, limited).status == 403
    assert [ask(limited.owner, limited).status for _ in range(4)] == [200, 200, 200, 429]
    assert ask(stranger.owner, stranger).status == 200


def test_a_key_with_a_limit_of_its_own_stays_within_it_and_others_go_on(make: Factory) -> None:
    tenant = make.tenant()
    slow = machine(make.api_key(tenant, rate_limit_per_minute=2))
    answers = [ask(slow, tenant) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [left(answer, "key")[0] for answer in answers] == [1, 0, 0]
    assert answers[0].headers["ratelimit-policy"] == '"tenant";q=1000000;w=60, "key";q=2;w=60'
    assert answers[2].headers["ratelimit-policy"] == '"key";q=2;w=60'
    assert ask(machine(make.api_key(tenant)), tenant).status == 200
    assert ask(tenant.owner, tenant).status == 200


def use_up(superuser: Superuser, person: Caller) -> None:
    """All requests of a person, outside tenants or where it administers."""
    superuser.execute(
        "INSERT INTO app.rate_buckets VALUES ('user:' || %s, now() + interval '1 minute')", [person.user_id]
    )


def test_outside_tenants_a_person_has_600_requests_a_minute(make: Factory, superuser: Superuser) -> None:
    person, path = make.person(), "/routes/me/role"
    first = call(users, "GET", path, caller=person)
    assert (first.status, first.headers["ratelimit-policy"]) == (200, '"person";q=600;w=60')
    assert left(first, "person") == (599, 1)
    superuser.execute("DELETE FROM app.rate_buckets WHERE name = 'user:' || %s", [person.user_id])
    use_up(superuser, person)
    refused = call(users, "GET", path, caller=person)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert call(users, "GET", path, caller=make.person()).status == 200


@pytest.mark.parametrize(
    ("method", "body", "headers", "weight"),
    [
        ("GET", None, {}, 1),
        ("GET", None, {"prefer": "count=exact"}, 11),
        ("POST", {"name": "x"}, {}, 1),
        ("POST", {"name": "x", "metadata": {"x": "y" * 4_950}}, {}, 1),
        ("POST", {"name": "x", "metadata": {"x": "y" * 4_980}}, {}, 2),
        ("POST", {"name": "x", "metadata": {"x": "y" * 200_000}}, {}, 41),
    ],
)
def test_a_request_weighs_what_it_costs(
    make: Factory, superuser: Superuser, method: str, body: Any, headers: dict[str, str], weight: int
) -> None:
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 100 WHERE tenant_id = %s", [tenant.id])
    answer = ask(tenant.owner, tenant, method=method, body=body, headers=headers | {"x-tenant": tenant.slug})
    assert answer.status in (200, 201), answer.body
    assert left(answer)[0] == 100 - weight


def test_a_search_weighs_ten_and_waits_for_all_ten(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 19 WHERE tenant_id = %s", [tenant.id])
    path, body = f"/routes/knowledge/{tenant.slug}/search", {"query": "x", "mode": "text"}
    answers = [call(search, "POST", path, caller=tenant.owner, body=body) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    assert left(answers[0])[0] == 9
    assert answers[1].json["detail"].startswith("The tenant may make 19 requests a minute, and this one weighs 10.")
    assert ask(tenant.owner, tenant).status == 200


@pytest.mark.parametrize(
    ("handler", "route", "query", "weight"),
    [
        (documents, "documents", {}, 1),
        (documents, "documents", {"metadata": "{}"}, 51),
        (chunks, "chunks", {}, 1),
        (chunks, "chunks", {"include_vectors": "true"}, 11),
    ],
)
def test_filters_and_vectors_weigh_what_they_cost(
    make: Factory, superuser: Superuser, handler: Any, route: str, query: dict[str, str], weight: int
) -> None:
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 100 WHERE tenant_id = %s", [tenant.id])
    path = f"/routes/knowledge-bases/{make.knowledge_base(tenant)}/{route}"
    answer = call(handler, "GET", path, caller=tenant.owner, query=query)
    assert (answer.status, left(answer)[0]) == (200, 100 - weight)


@pytest.mark.parametrize(("query", "weight"), [({}, 1), ({"instance": "default"}, 6)])
def test_a_filter_by_an_instance_weighs_what_its_workflows_cost(
    make: Factory, superuser: Superuser, query: dict[str, str], weight: int
) -> None:
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 100 WHERE tenant_id = %s", [tenant.id])
    answer = ask(tenant.owner, tenant, query=query)
    assert (answer.status, left(answer)[0]) == (200, 100 - weight)


@pytest.mark.parametrize(("query", "weight"), [({}, 20), ({"at": "2026-01-01T00:00:00Z"}, 220)])
def test_a_preview_of_another_moment_weighs_what_all_hot_executions_cost(
    make: Factory, superuser: Superuser, query: dict[str, str], weight: int
) -> None:
    tenant = make.tenant()
    superuser.execute("UPDATE app.rate_limits SET rate_limit_per_minute = 1000 WHERE tenant_id = %s", [tenant.id])
    answer = call(history, "GET", "/routes/history/preview", caller=tenant.owner, query=query)
    assert (answer.status, left(answer)[0]) == (200, 1000 - weight)


def test_what_weighs_more_than_a_small_limit_takes_all_of_it(limited: Tenant) -> None:
    body = {"name": "Large", "metadata": {"x": "y" * 100_000}}
    answer = ask(limited.owner, limited, method="POST", body=body)
    assert (answer.status, left(answer)) == (201, (0, 60))
    assert ask(limited.owner, limited).status == 429


def test_six_thousand_a_minute_unless_a_super_admin_says_otherwise(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    superuser.execute("DELETE FROM app.rate_limits WHERE tenant_id = %s", [tenant.id])
    assert ask(tenant.owner, tenant).headers["ratelimit-policy"] == '"tenant";q=6000;w=60'
    policies: dict[str, Any] = {"path": f"/routes/tenants/{tenant.slug}/policies", "body": {"rate_limit_per_minute": 7}}
    assert call(tenants, "PUT", caller=tenant.owner, **policies).status == 403
    changed = call(tenants, "PUT", caller=make.super_admin(), **policies)
    assert (changed.status, changed.json["rate_limit_per_minute"]) == (200, 7)
    assert ask(tenant.owner, tenant).headers["ratelimit-policy"] == '"tenant";q=7;w=60'


def test_of_requests_at_once_exactly_as_many_pass_as_may(limited: Tenant, direct_url: str) -> None:
    def spend(_: int) -> int:
        entry = limited.owner.model_dump() | {"tenant": limited.slug, "scope": "workflows:read", "weight": 1}
        with psycopg.connect(direct_url, autocommit=True) as conn:
            try:
                return len(conn.execute(SPEND, entry).fetchall())
            except psycopg.DatabaseError as error:
                assert error.sqlstate == "FL429"
                return 0

    with ThreadPoolExecutor(12) as clients:
        assert sum(clients.map(spend, range(24))) == 3
