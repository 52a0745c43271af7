"""Alerts over HTTP: administrators set them, members read them and what they reported."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from functions.alerts.handler import lambda_handler
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant
from tests.support.listing import NEXT
from tests.support.problems import refused

type Superuser = psycopg.Connection[Any]

URL = "https://hooks.example.com/flomastr"
NEW: dict[str, Any] = {"name": "Failures", "kind": "failure_rate", "minutes": 60, "threshold": 10.5, "url": URL}
SILENCE: dict[str, Any] = {"name": "Nightly", "kind": "silence", "minutes": 1500, "url": URL}


def ask(tenant: Tenant, method: str, path: str = "", **request: Any) -> Answer:
    return call(lambda_handler, method, f"/routes/alerts{path}", caller=tenant.owner, **request)


def create(tenant: Tenant, **changed: Any) -> dict[str, Any]:
    answer = ask(tenant, "POST", body=NEW | changed)
    assert answer.status == 201, answer.body
    return answer.json


def report(superuser: Superuser, tenant: Tenant, alert: str, days: float = 0, **more: Any) -> str:
    """An event of the alert, so many days ago. Its id."""
    data = dict.fromkeys(("workflow_id", "workflow_name", "fired_at", "reason"))
    data |= {"alert_id": alert, "tenant_id": str(tenant.id), "name": "Failures", "kind": "failure_rate", "minutes": 60}
    data |= {"threshold": 10, "min_runs": 1, "value": 20, "runs": 5, "as_of": "2026-01-02T03:04:05Z"}
    row = {"tenant": tenant.id, "alert": alert, "days": days, "data": Jsonb(data), "workflow": None} | more
    return superuser.execute(
        "INSERT INTO app.alert_events (id, tenant_id, alert_id, workflow_id, type, data, delivery)"
        " VALUES (app.uuid7(now() - make_interval(secs => 86400 * %(days)s)), %(tenant)s, %(alert)s, %(workflow)s,"
        "  'fired', %(data)s, 'delivered') RETURNING id::text",
        row,
    ).fetchall()[0][0]


def test_an_alert_is_set_and_shows_its_secret_once(make: Factory) -> None:
    tenant = make.tenant()
    workflow = str(make.workflow(tenant))
    answer = ask(tenant, "POST", body=NEW | {"workflow_id": workflow, "min_runs": 5})
    alert = answer.json
    secret = alert.pop("signing_secret")
    assert secret.startswith("whsec_") and len(secret) == 50
    assert alert == NEW | {
        "id": alert["id"],
        "tenant_id": str(tenant.id),
        "workflow_id": workflow,
        "instance": None,
        "min_runs": 5,
        "enabled": True,
        "firing_since": None,
        "created_by": f"user:{tenant.owner.user_id}",
        "created_at": alert["created_at"],
        "updated_at": None,
    }
    assert answer.headers["location"] == f"/routes/alerts/{alert['id']}"
    found = ask(tenant, "GET", f"/{alert['id']}")
    assert (found.json, found.headers["etag"]) == (alert, answer.headers["etag"])
    assert ask(tenant, "GET").json == [alert]
    assert create(tenant)["signing_secret"] != secret


def test_an_alert_is_on_an_instance_that_is_known(make: Factory) -> None:
    tenant = make.tenant()
    assert create(tenant, instance="default")["instance"] == "default"
    unknown = ask(tenant, "POST", body=NEW | {"instance": "staging"})
    assert (unknown.status, unknown.json["detail"]) == (404, "body.instance: the tenant has no such n8n instance.")
    make.n8n_instance(tenant, "staging")
    assert create(tenant, instance="staging")["instance"] == "staging"
    both = ask(tenant, "POST", body=NEW | {"instance": "staging", "workflow_id": str(make.workflow(tenant))})
    assert both.status == 422
    assert "an alert is on a workflow or on an instance" in both.body


def test_a_repeat_under_its_key_shows_the_same_alert_and_secret(make: Factory) -> None:
    tenant = make.tenant()
    first, second = (ask(tenant, "POST", body=NEW, headers={"idempotency-key": "1"}) for _ in range(2))
    assert first.json == second.json and first.status == second.status == 201
    assert len(ask(tenant, "GET").json) == 1


@pytest.mark.parametrize(
    "fields",
    [
        *({"minutes": minutes} for minutes in (15, 1440)),
        *({"threshold": threshold} for threshold in (0, 99.9)),
        *({"kind": "slow", "threshold": seconds} for seconds in (0, 100, 1_000_000)),
        *(SILENCE | {"threshold": None, "minutes": minutes} for minutes in (60, 129_600)),
        *({"min_runs": runs} for runs in (1, 1_000_000)),
        {"url": f"https://hooks.example.com/{'x' * 1974}"},
    ],
)
def test_numbers_that_its_kind_has_are_taken(make: Factory, fields: dict[str, Any]) -> None:
    assert create(make.tenant(), **fields).items() >= fields.items()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        *(({"minutes": minutes}, "body.minutes") for minutes in (14, 129_601)),
        *(({"minutes": minutes}, "body") for minutes in (1441, 129_600)),
        *((SILENCE | {"threshold": None, "minutes": minutes}, "body") for minutes in (15, 59)),
        (SILENCE | {"threshold": 1}, "body"),
        ({"threshold": None}, "body"),
        ({"threshold": 100}, "body"),
        *(({"threshold": value}, "body.threshold") for value in (-1, 1_000_001)),
        *(({"min_runs": runs}, "body.min_runs") for runs in (0, 1_000_001)),
        *(({"kind": "slow", "url": url}, "body.url") for url in ("http://hooks.example.com", "https://127.0.0.1/")),
        ({"url": f"https://hooks.example.com/{'x' * 1975}"}, "body.url"),
        ({"kind": "loud"}, "body.kind"),
    ],
)
def test_other_numbers_and_addresses_are_refused(make: Factory, fields: dict[str, Any], named: str) -> None:
    refused(ask(make.tenant(), "POST", body=NEW | fields), 422, named)


def test_an_alert_is_on_a_workflow_of_its_tenant(make: Factory) -> None:
    tenant = make.tenant()
    for workflow in (uuid4(), make.workflow(make.tenant())):
        answer = ask(tenant, "POST", body=NEW | {"workflow_id": str(workflow)})
        assert (answer.status, answer.json["code"]) == (404, "workflow_not_found")


def test_a_change_keeps_what_it_does_not_name(make: Factory) -> None:
    tenant = make.tenant()
    alert = create(tenant)
    changed = ask(tenant, "PUT", f"/{alert['id']}", body={"threshold": 20, "enabled": False})
    assert changed.json == {
        **{name: value for name, value in alert.items() if name != "signing_secret"},
        "threshold": 20,
        "enabled": False,
        "updated_at": changed.json["updated_at"],
    }
    assert changed.json["updated_at"]
    old = ask(tenant, "PUT", f"/{alert['id']}", body={"name": "Other"}, headers={"if-match": '"old"'})
    assert (old.status, old.json["code"]) == (412, "changed_meanwhile")
    for fields in ({"kind": "slow"}, {"workflow_id": None}, {"threshold": None}, {"minutes": None}, {}):
        assert ask(tenant, "PUT", f"/{alert['id']}", body=fields).status == 422
    for fields in ({"minutes": 1441}, {"threshold": 100}):
        answer = ask(tenant, "PUT", f"/{alert['id']}", body=fields)
        assert (answer.status, answer.json["code"]) == (409, "conflict")
    silence = ask(tenant, "POST", body=SILENCE).json
    assert ask(tenant, "PUT", f"/{silence['id']}", body={"minutes": 59}).status == 409
    assert ask(tenant, "PUT", f"/{silence['id']}", body={"threshold": 5}).status == 409


@pytest.mark.parametrize(
    ("changes", "is_counted_anew"), [({"minutes": 2000}, True), ({"enabled": False}, True), ({"name": "Other"}, False)]
)
def test_silence_counts_anew_when_it_is_watched_in_another_way(
    make: Factory, superuser: Superuser, changes: dict[str, Any], is_counted_anew: bool
) -> None:
    tenant = make.tenant()
    alert = ask(tenant, "POST", body=SILENCE).json
    since = "SELECT watched_since < now() - interval '1 hour' FROM app.alerts WHERE id = %s"
    superuser.execute("UPDATE app.alerts SET watched_since = now() - interval '1 day' WHERE id = %s", (alert["id"],))
    ask(tenant, "PUT", f"/{alert['id']}", body=changes)
    assert superuser.execute(since, (alert["id"],)).fetchall() == [(not is_counted_anew,)]


def test_a_tenant_has_a_hundred_alerts(make: Factory) -> None:
    tenant = make.tenant()
    for _ in range(99):
        make.alert(tenant)
    alert = create(tenant)
    answer = ask(tenant, "POST", body=NEW)
    assert (answer.status, answer.json["code"]) == (409, "too_many_open")
    assert ask(tenant, "DELETE", f"/{alert['id']}").status == 200
    create(tenant)


def test_history_is_read_page_after_page_and_goes_with_its_alert(make: Factory, superuser: Superuser) -> None:
    tenant = make.tenant()
    alert, other = create(tenant)["id"], create(tenant)["id"]
    events = [report(superuser, tenant, alert, days=5 - number) for number in range(5)]
    report(superuser, tenant, other)
    path, found = f"/routes/alerts/{alert}/history?limit=2", list[str]()
    while path:
        answer = call(lambda_handler, "GET", path, caller=tenant.owner, headers={"prefer": "count=exact"})
        assert answer.headers["x-total-count"] == "5"
        found += [event["id"] for event in answer.json]
        link = NEXT.fullmatch(answer.headers.get("link", ""))
        path = link[1] if link else ""
    assert found == events[::-1]
    assert ask(tenant, "DELETE", f"/{alert}").status == 200
    assert ask(tenant, "GET", f"/{alert}/history").status == 404
    left = superuser.execute("SELECT alert_id::text FROM app.alert_events WHERE tenant_id = %s", (tenant.id,))
    assert left.fetchall() == [(other,)]


@pytest.mark.parametrize("is_of_workflow", [True, False])
def test_what_is_held_keeps_its_history(make: Factory, superuser: Superuser, is_of_workflow: bool) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    held, free = create(tenant, workflow_id=str(workflow))["id"], create(tenant)["id"]
    report(superuser, tenant, held, workflow=workflow)
    make.hold(tenant, workflow_id=workflow) if is_of_workflow else make.hold(tenant)
    answer = ask(tenant, "DELETE", f"/{held}")
    assert (answer.status, answer.json["code"]) == (409, "legal_hold")
    assert ask(tenant, "DELETE", f"/{free}").status == 200  # it has reported nothing
