"""A tenant's policies over HTTP: what it decides, what the platform decides, and that they hold."""

from typing import Any

import pytest

from flomastr.caller import Caller
from functions.tenants.handler import lambda_handler
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import RATE_LIMIT_PER_MINUTE, Factory, Tenant, machine
from tests.support.problems import refused


def ask(caller: Caller, method: str, tenant: Tenant, **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/tenants/{tenant.slug}/policies", caller=caller, **request)


def test_a_tenant_has_policies_before_anybody_has_set_any(make: Factory) -> None:
    slug = str(make.person().user_id).replace("_", "-")
    admin = make.super_admin()
    made = call(lambda_handler, "POST", "/routes/tenants", body={"slug": slug, "name": "New"}, caller=admin).json
    assert call(lambda_handler, "GET", f"/routes/tenants/{slug}/policies", caller=admin).json == {
        "tenant_id": made["id"],
        "hot_ttl_days": 30,
        "cold_ttl_days": None,
        "confidence_threshold": 0.8,
        "rate_limit_per_minute": 6000,
        "time_zone": "UTC",
        "keep": None,
    }


def test_a_change_touches_what_it_names_and_the_tenant_shows_it(make: Factory) -> None:
    tenant = make.tenant()
    before = ask(tenant.owner, "GET", tenant).json
    assert ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": 7}).json == before | {"hot_ttl_days": 7}
    changed = ask(tenant.owner, "PUT", tenant, body={"confidence_threshold": 0.25}).json
    assert changed == before | {"hot_ttl_days": 7, "confidence_threshold": 0.25}
    shown = call(lambda_handler, "GET", f"/routes/tenants/{tenant.slug}", caller=tenant.owner).json
    assert (shown["hot_ttl_days"], shown["confidence_threshold"]) == (7, 0.25)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("hot_ttl_days", [1, 365], [0, 366, -1, 7.5, "7", None, True]),
        ("cold_ttl_days", [None, 30, 36_500], [29, 36_501, 0, -30, 30.5, "30", True]),
        ("confidence_threshold", [0, 1, 0.999], [-0.001, 1.001, "0.5", None, True]),
        ("rate_limit_per_minute", [1_000_000], [0, 1_000_001, -5, 1.5, "9", None, True]),
    ],
)
def test_each_policy_has_its_bounds(make: Factory, field: str, good: list[float], bad: list[Any]) -> None:
    tenant, admin = make.tenant(), make.super_admin()
    for value in good:
        assert ask(admin, "PUT", tenant, body={field: value}).json[field] == value
    for value in bad:
        refused(ask(admin, "PUT", tenant, body={field: value}), 422, f"body.{field}")
    assert ask(admin, "GET", tenant).json[field] == good[-1]


def test_archived_files_are_kept_for_as_long_as_it_is_said_and_for_ever_where_nothing_is(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    before = ask(tenant.owner, "GET", tenant).json
    for days in (30, 400):
        changed = ask(tenant.owner, "PUT", tenant, body={"cold_ttl_days": days})
        assert changed.json == before | {"cold_ttl_days": days}
        read = ask(tenant.owner, "GET", tenant)
        assert (read.json, read.headers["etag"]) == (changed.json, changed.headers["etag"])
    ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": 30})
    assert ask(tenant.owner, "GET", tenant).json["cold_ttl_days"] == 400  # what is not named stays
    late = ask(tenant.owner, "PUT", tenant, body={"cold_ttl_days": None}, headers={"if-match": '"0"'})
    assert late.status == 412
    assert ask(tenant.owner, "PUT", tenant, body={"cold_ttl_days": None}).json == before
    assert ask(other.owner, "GET", other).json["cold_ttl_days"] is None


def test_what_is_kept_longer_is_set_changed_and_ended(make: Factory) -> None:
    tenant = make.tenant()
    before = ask(tenant.owner, "GET", tenant)
    whole = {"success_days": 7, "error_days": 90, "last_per_workflow": 20}
    changed = ask(tenant.owner, "PUT", tenant, body={"keep": whole, "hot_ttl_days": 90})
    assert changed.json == before.json | {"keep": whole, "hot_ttl_days": 90}
    assert changed.headers["etag"] != before.headers["etag"]
    assert ask(tenant.owner, "GET", tenant).json == changed.json
    shorter = ask(tenant.owner, "PUT", tenant, body={"keep": {"success_days": 14, "error_days": 14}}).json
    assert shorter["keep"] == {"success_days": 14, "error_days": 14, "last_per_workflow": 0}
    assert ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": 30}).json["keep"] == shorter["keep"]
    late = ask(tenant.owner, "PUT", tenant, body={"keep": None}, headers={"if-match": before.headers["etag"]})
    assert late.status == 412
    assert ask(tenant.owner, "PUT", tenant, body={"keep": None}).json == before.json


@pytest.mark.parametrize(
    ("keep", "field"),
    [
        ({"success_days": 8, "error_days": 7}, "body.keep"),
        ({"success_days": 0, "error_days": 7}, "body.keep.success_days"),
        ({"success_days": 7, "error_days": 366}, "body.keep.error_days"),
        ({"success_days": 7, "error_days": 7, "last_per_workflow": 1001}, "body.keep.last_per_workflow"),
        ({"success_days": 7}, "body.keep.error_days"),
        ({"success_days": 7, "error_days": 7, "canceled_days": 7}, "body.keep.canceled_days"),
        ([], "body.keep"),
    ],
)
def test_failures_are_kept_at_least_as_long_as_successes(make: Factory, keep: Any, field: str) -> None:
    tenant = make.tenant()
    refused(ask(tenant.owner, "PUT", tenant, body={"keep": keep}), 422, field)
    assert ask(tenant.owner, "GET", tenant).json["keep"] is None


def test_a_change_names_at_least_one_policy_and_no_unknown_one(make: Factory) -> None:
    tenant = make.tenant()
    refused(ask(tenant.owner, "PUT", tenant, body={}), 422, "body")
    refused(ask(tenant.owner, "PUT", tenant, body={"max_file_size_mb": 1}), 422, "body.max_file_size_mb")


def test_the_rate_limit_is_not_the_tenants_own_to_raise(make: Factory) -> None:
    tenant = make.tenant()
    changes = {"hot_ttl_days": 7, "rate_limit_per_minute": 5}
    answer = ask(tenant.owner, "PUT", tenant, body=changes)
    assert (answer.status, answer.json["code"]) == (403, "super_admin_only")
    after = ask(tenant.owner, "GET", tenant).json
    assert (after["hot_ttl_days"], after["rate_limit_per_minute"]) == (30, RATE_LIMIT_PER_MINUTE)


def test_a_super_admin_who_also_owns_the_tenant_sets_its_rate_limit(make: Factory) -> None:
    tenant, admin = make.tenant(), make.super_admin()
    make.member(tenant.id, admin, "owner")
    assert ask(admin, "PUT", tenant, body={"rate_limit_per_minute": 5}).json["rate_limit_per_minute"] == 5


def test_the_rate_limit_that_is_set_holds_for_the_whole_tenant_and_for_no_other(make: Factory) -> None:
    tenant, other, admin = make.tenant(), make.tenant(), make.super_admin()
    ask(admin, "PUT", tenant, body={"rate_limit_per_minute": 3})
    callers = [tenant.owner, machine(make.api_key(tenant))] * 3
    answers = [call(workflows, "GET", "/routes/workflows", caller=caller) for caller in callers]
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 3
    assert answers[-1].json["code"] == "too_many_requests"
    assert answers[-1].headers["ratelimit-policy"] == '"tenant";q=3;w=60'
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
    assert call(workflows, "GET", "/routes/workflows", caller=other.owner).status == 200


def test_policies_are_written_to_the_state_that_was_read_and_to_no_other(make: Factory) -> None:
    tenant, admin = make.tenant(), make.super_admin()
    read = ask(tenant.owner, "GET", tenant).headers["etag"]
    assert ask(tenant.owner, "GET", tenant, headers={"if-none-match": read}).status == 304
    assert ask(admin, "PUT", tenant, body={"rate_limit_per_minute": 900}).headers["etag"] != read
    late = ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": 7}, headers={"if-match": read})
    assert (late.status, late.json["code"]) == (412, "changed_meanwhile")
    fresh = ask(tenant.owner, "GET", tenant).headers["etag"]
    assert ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": 7}, headers={"if-match": fresh}).status == 200


def test_executions_are_kept_in_the_class_that_the_policy_rounds_up_to(make: Factory) -> None:
    tenant = make.tenant()
    for days, kept in ((7, 7), (8, 14), (91, 365)):
        ask(tenant.owner, "PUT", tenant, body={"hot_ttl_days": days})
        id = make.execution(tenant, make.workflow(tenant))
        found = make.within(
            tenant.id, "SELECT retention_class FROM app.workflow_executions WHERE id = %(id)s", {"id": id}
        )
        assert found == (kept,)
