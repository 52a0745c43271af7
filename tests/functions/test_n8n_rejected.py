"""What was rejected of n8n's events is listed for a week, and can be tried again."""

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from functions.n8n.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.listing import NEXT
from tests.support.n8n_capture import executed, instance, stored

type Superuser = psycopg.Connection[Any]

PATH = "/routes/n8n/rejected"


def ask(tenant: Tenant, method: str = "GET", path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"{PATH}{path}", caller=tenant.owner, **request)


def test_rejected_items_are_listed_with_their_reason(make: Factory) -> None:
    n8n = instance(make)
    no_workflow = {"id": "7", "status": "success", "workflowData": {"name": "a\x00"}}
    n8n.post([1, executed("1"), no_workflow, executed("1", workflowId="wf-2")], path="/routes/n8n/events?instance=prod")
    assert [(row["error"], row["item"], row["instance"]) for row in ask(n8n.tenant).json] == [
        ("The item is not an object.", 1, "prod"),
        (
            "workflowId: is required, there or in workflowData.",
            {"id": "7", "status": "success", "workflowData": {"name": "a\ufffd"}},
            "prod",
        ),
        ("n8n_execution_id: this n8n execution belongs to another workflow.", ask(n8n.tenant).json[2]["item"], "prod"),
    ]
    assert ask(n8n.tenant).json[2]["item"]["n8n_workflow_id"] == "wf-2"


def test_a_request_that_is_refused_as_a_whole_leaves_nothing(make: Factory) -> None:
    n8n = instance(make)
    assert n8n.post([1], path="/routes/n8n/events?strict=true").status == 422
    assert ask(n8n.tenant).json == []


def test_what_can_be_read_by_now_is_recorded_and_goes(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    rejection = make.rejection(n8n.tenant, item=Jsonb(executed("5")))
    replayed = ask(n8n.tenant, "POST", f"/{rejection}/replay", headers={"idempotency-key": "k"})
    assert (replayed.status, replayed.json["outcome"]) == (200, "created")
    assert ask(n8n.tenant, "POST", f"/{rejection}/replay", headers={"idempotency-key": "k"}).json == replayed.json
    assert ask(n8n.tenant, "POST", f"/{rejection}/replay").status == 404
    assert [row["n8n_execution_id"] for row in stored(superuser, n8n.tenant)] == ["5"]
    assert ask(n8n.tenant).json == []


def test_what_was_another_workflows_is_recorded_when_that_is_gone(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    n8n.send(executed("1"), executed("1", workflowId="wf-2"))
    (rejected,) = ask(n8n.tenant).json
    again = ask(n8n.tenant, "POST", f"/{rejected['id']}/replay")
    assert (again.status, again.json["outcome"]) == (200, "rejected")
    (anew,) = ask(n8n.tenant).json
    assert (anew["item"], anew["error"]) == (rejected["item"], rejected["error"])
    superuser.execute("DELETE FROM app.workflows WHERE n8n_workflow_id = 'wf-1' AND tenant_id = %s", (n8n.tenant.id,))
    assert ask(n8n.tenant, "POST", f"/{anew['id']}/replay").json["outcome"] == "created"
    assert [row["n8n_workflow_id"] for row in stored(superuser, n8n.tenant)] == ["wf-2"]


def test_the_newest_five_hundred_are_kept_and_none_that_is_too_long(make: Factory) -> None:
    n8n = instance(make)
    n8n.send("a", "b", "c")
    n8n.send({"id": "x", "workflowData": {}, "data": {"text": "x" * 100_000}}, *range(3, 502))
    newest = ask(n8n.tenant, path="?limit=250", headers={"prefer": "count=exact"})
    assert (newest.headers["x-total-count"], [row["item"] for row in newest.json]) == ("500", [None, *range(3, 252)])
    older = call(lambda_handler, "GET", NEXT.findall(newest.headers["link"])[0], caller=n8n.tenant.owner)
    assert [row["item"] for row in older.json] == [*range(252, 502)]


@pytest.mark.parametrize("scope", ["tenant", "workflow"])
def test_under_a_hold_what_was_rejected_stays(make: Factory, superuser: Superuser, scope: str) -> None:
    n8n = instance(make)
    rejection = make.rejection(n8n.tenant, item=Jsonb(executed("5")))
    hold = make.hold(n8n.tenant, **({} if scope == "tenant" else {"workflow_id": make.workflow(n8n.tenant)}))
    assert ask(n8n.tenant, "POST", f"/{rejection}/replay").json["outcome"] == "created"
    assert ask(n8n.tenant, "POST", f"/{rejection}/replay").json["outcome"] == "unchanged"
    n8n.send(*range(600))
    count = "SELECT count(*) FROM app.n8n_rejections WHERE tenant_id = %s"
    assert superuser.execute(count, (n8n.tenant.id,)).fetchall() == [(501,)]  # 500 of a request are kept
    with pytest.raises(psycopg.DatabaseError, match="legal hold"):
        superuser.execute("DELETE FROM app.n8n_rejections WHERE id = %s", (rejection,))
    superuser.execute("UPDATE app.legal_holds SET released_at = now(), released_by = 'test' WHERE id = %s", (hold,))
    n8n.send("one more")
    assert superuser.execute(count, (n8n.tenant.id,)).fetchall() == [(500,)]


def test_under_a_hold_ten_thousand_are_kept(make: Factory, superuser: Superuser) -> None:
    n8n = instance(make)
    make.hold(n8n.tenant)
    superuser.execute(
        "INSERT INTO app.n8n_rejections (tenant_id, instance, error) SELECT %s, 'a', 'b' FROM generate_series(1, 9999)",
        (n8n.tenant.id,),
    )
    n8n.send("the last")
    n8n.send("too many")
    assert ask(n8n.tenant, headers={"prefer": "count=exact"}).headers["x-total-count"] == "10000"


def test_what_no_release_reads_any_more_is_rejected_again(make: Factory) -> None:
    n8n = instance(make)
    rejection = make.rejection(
        n8n.tenant, item=None, delivery=Jsonb({"status": "a state of old", "n8n_execution_id": 7})
    )
    again = ask(n8n.tenant, "POST", f"/{rejection}/replay")
    assert (again.status, again.json["outcome"]) == (200, "rejected")
    assert again.json["error"].startswith("n8n_execution_id:")
