"""GET /routes/analytics/errors: failures by message."""

import pytest

from flomastr.analytics import failures
from tests.support.analytics import ask, at, failed
from tests.support.factories import Factory, Tenant


def test_failures_of_one_pattern_are_one_with_their_newest_as_example(make: Factory) -> None:
    tenant, other = make.tenant(), make.tenant()
    first, second = make.workflow(tenant), make.workflow(tenant)
    failed(make, tenant, first, 1, "Order 17 of a@example.com is gone")
    example = failed(
        make,
        tenant,
        second,
        3,
        "Order 4,711 of b@example.com is gone",
        status="crashed",
        execution_data={"resultData": {"lastNodeExecuted": "Fetch order"}},
    )
    failed(make, tenant, first, 2, "Order 18 of c@example.com is gone", execution_data={"resultData": 7})
    silent = failed(make, tenant, first, 4, None)
    failed(make, tenant, first, 5, "Order 1 is fine", status="success")
    failed(make, tenant, first, 5, "Order 1 is late", status="canceled")
    failed(make, other, make.workflow(other), 1, "Of another tenant")
    answer = ask(tenant, "errors")
    assert answer.status == 200, answer.body
    gone, without = answer.json["errors"]
    assert gone == {
        "fingerprint": "085bb3ee1cb5db5b",
        "message": "Order <n> of <email> is gone",
        "count": 3,
        "workflows": sorted([str(first), str(second)]),
        "last_node": "Fetch order",
        "first_seen": at(1),
        "last_seen": at(3),
        "example_execution_id": str(example),
    }
    assert (without["message"], without["count"], without["example_execution_id"]) == (None, 1, str(silent))
    assert (answer.json["failures_read"], answer.json["read_at_most"]) == (4, 2000)

    only = ask(tenant, "errors", workflow_id=second).json
    assert [(error["fingerprint"], error["count"]) for error in only["errors"]] == [(gone["fingerprint"], 1)]
    half_open = ask(tenant, "errors", **{"from": at(1), "to": at(3)}).json
    assert [error["count"] for error in half_open["errors"]] == [2]
    assert (half_open["from"], half_open["to"]) == (at(1), at(3))
    assert len(ask(tenant, "errors", limit=1).json["errors"]) == 1


def test_the_newest_failures_are_read(make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    for minute, (message, status) in enumerate([("old", "error"), ("new", "crashed"), ("newer", "error")]):
        failed(make, tenant, workflow, minute, message, status=status)
    monkeypatch.setattr(failures, "MOST_READ", 2)
    answer = ask(tenant, "errors").json
    assert answer["failures_read"] == 2
    assert [error["message"] for error in answer["errors"]] == ["newer", "new"]


def test_real_failures(loaded: Tenant) -> None:
    errors = ask(loaded, "errors").json["errors"]
    assert [(error["message"], error["count"], error["last_node"]) for error in errors] == [
        ("Invoice amount must be positive", 21, "Reject"),
        ("do_not_honor [line <n>]", 15, "Charge"),
        ("<n> for ACME-BROKEN [line <n>]", 10, "Score"),
    ]


def test_a_bad_period_is_refused(make: Factory) -> None:
    tenant = make.tenant()
    assert ask(tenant, "errors", **{"from": at(2), "to": at(2)}).status == 422
    assert ask(tenant, "errors", time_zone="Mars/Phobos").status == 422


def test_the_last_node_is_read_of_the_first_eight_megabytes(make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    for message, count in (("Often", 2), ("Seldom", 1)):
        for minute in range(count):
            data = {"resultData": {"lastNodeExecuted": message * 100}}
            failed(make, tenant, workflow, minute, message, execution_data=data)
    assert [row["last_node"] for row in ask(tenant, "errors").json["errors"]] == ["Often" * 51, ("Seldom" * 43)[:255]]
    monkeypatch.setattr(failures, "MOST_BYTES", 1)
    assert [row["last_node"] for row in ask(tenant, "errors").json["errors"]] == [None, None]


def test_failures_of_an_instance(make: Factory) -> None:
    tenant = make.tenant()
    staging = make.workflow(tenant, n8n_instance=make.n8n_instance(tenant, "staging"))
    failed(make, tenant, staging, 1, "It broke")
    failed(make, tenant, make.workflow(tenant), 2, "It broke")

    def counts(instance: str) -> list[tuple[int, list[str]]]:
        found = ask(tenant, "errors", instance=instance).json["errors"]
        return [(group["count"], group["workflows"]) for group in found]

    assert counts("staging") == [(1, [str(staging)])]
    assert [count for count, _ in counts("default")] == [1]
    assert counts("nowhere") == []
