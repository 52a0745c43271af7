"""ETags: news only, and writes that happen to the state that was read and to no other."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from flomastr.caller import Caller
from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

CHANGE: dict[str, dict[str, Any]] = {
    "workflows": {"description": "changed"},
    "workflow-executions": {"error_message": "changed"},
}
HANDLERS = {"workflows": workflows, "workflow-executions": executions}


@pytest.fixture(params=["workflows", "workflow-executions"])
def resource(request: pytest.FixtureRequest, make: Factory) -> "Resource":
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    id = workflow if request.param == "workflows" else make.execution(tenant, workflow)
    return Resource(tenant, request.param, str(id))


class Resource:
    def __init__(self, tenant: Tenant, kind: str, id: str) -> None:
        self.tenant, self.kind, self.path = tenant, kind, f"/routes/{kind}/{id}"

    def ask(self, method: str, **headers: str) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        body = CHANGE[self.kind] if method == "PUT" else None
        return call(HANDLERS[self.kind], method, self.path, headers=names, body=body, caller=self.tenant.owner)

    @property
    def etag(self) -> str:
        return self.ask("GET").headers["etag"]


def test_the_etag_is_quoted_stays_and_changes_with_the_resource(resource: Resource) -> None:
    before = resource.etag
    assert before.startswith('"') and before.endswith('"') and len(before) > 2
    assert resource.etag == before
    changed = resource.ask("PUT")
    assert changed.headers["etag"] == resource.etag != before


def test_a_created_resource_has_the_etag_that_reading_it_gives(make: Factory) -> None:
    tenant = make.tenant()
    created = call(workflows, "POST", "/routes/workflows", body={"name": "A"}, caller=tenant.owner)
    assert (
        call(workflows, "GET", created.headers["location"], caller=tenant.owner).headers["etag"]
        == (created.headers["etag"])
    )


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other",W/{}', "*"])
def test_what_is_known_is_not_sent_again(resource: Resource, form: str) -> None:
    answer = resource.ask("GET", if_none_match=form.format(resource.etag))
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, "", resource.etag)


def test_what_is_not_known_is_sent(resource: Resource) -> None:
    stale = resource.etag
    resource.ask("PUT")
    assert resource.ask("GET", if_none_match=stale).status == 200
    assert resource.ask("GET", if_none_match='"other"').status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_to_a_state_that_is_gone_is_refused_and_changes_nothing(resource: Resource, method: str) -> None:
    stale = resource.etag
    resource.ask("PUT")
    before = resource.ask("GET")
    refused = resource.ask(method, if_match=stale)
    assert (refused.status, refused.json["code"]) == (412, "changed_meanwhile")
    assert resource.ask("GET") == before


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_write_to_the_state_that_was_read_happens(resource: Resource, method: str, form: str) -> None:
    assert resource.ask(method, if_match=form.format(resource.etag)).status == 200
    assert resource.ask("GET").status == (200 if method == "PUT" else 404)


def test_a_weak_tag_does_not_match_for_a_write(resource: Resource) -> None:
    assert resource.ask("PUT", if_match=f"W/{resource.etag}").status == 412


def test_a_star_in_quotes_is_a_tag_that_no_state_has(resource: Resource) -> None:
    assert resource.ask("PUT", if_match='"*"').status == 412


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("tag", ["*", '"other"'])
def test_what_is_not_there_is_not_found_whatever_the_tag(resource: Resource, method: str, tag: str) -> None:
    resource.ask("DELETE")
    assert resource.ask(method, if_match=tag).status == 404


def put(path: str, etag: str, user_id: str, name: str) -> int:
    answer = call(
        workflows, "PUT", path, headers={"if-match": etag}, body={"name": name}, caller=Caller(user_id=user_id)
    )
    return answer.status


def test_of_writers_at_once_with_one_etag_exactly_one_wins(make: Factory) -> None:
    tenant = make.tenant()
    resource = Resource(tenant, "workflows", str(make.workflow(tenant)))
    user = str(tenant.owner.user_id)
    with ProcessPoolExecutor(3, get_context("spawn")) as sandboxes:
        for round in range(5):
            etag = resource.etag
            writers = [sandboxes.submit(put, resource.path, etag, user, f"{round} {n}") for n in range(6)]
            assert sorted(writer.result() for writer in writers) == [200, 412, 412, 412, 412, 412]
            assert json.loads(resource.ask("GET").body)["name"].startswith(f"{round} ")
