"""Pages: in order, nothing twice, nothing missing, whatever is written meanwhile."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched, islice
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from functions.executions.handler import lambda_handler as executions
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, call
from tests.support.factories import Factory, Tenant

LIST = "/routes/workflow-executions"
NOW = datetime.now(UTC)


def ask(tenant: Tenant, path: str = LIST, **request: Any) -> Answer:
    handler = workflows if path.startswith("/routes/workflows") else executions
    answer = call(handler, "GET", path, caller=tenant.owner, **request)
    assert answer.status == 200, answer.body
    return answer


def next_page(answer: Answer) -> str | None:
    link = answer.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<(.+)>; rel="next"', link)
    assert found
    return found[1]


def pages(tenant: Tenant, path: str, **request: Any) -> Iterator[Answer]:
    following: str | None = path
    while following:
        yield (answer := ask(tenant, following, **request))
        following = next_page(answer)


def ids(answers: Iterator[Answer]) -> list[str]:
    return [row["id"] for answer in answers for row in answer.json]


def run(workflow: Any, number: int, **overrides: Any) -> dict[str, Any]:
    return {
        "workflow_id": str(workflow),
        "n8n_execution_id": str(number),
        "status": "error" if number % 2 else "success",
        "started_at": (NOW - timedelta(minutes=number)).isoformat(),
    } | overrides


def record(tenant: Tenant, runs: list[dict[str, Any]]) -> None:
    for batch in batched(runs, 500, strict=False):
        answer = call(executions, "POST", f"{LIST}/batch", body={"executions": batch}, caller=tenant.owner)
        assert answer.status == 200, answer.body


@pytest.fixture(scope="module")
def tenant(make: Factory) -> Tenant:
    """With 150 executions, every second of them an error."""
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    record(tenant, [run(workflow, number) for number in range(150)])
    return tenant


def test_all_failures_come_in_order_and_once_while_new_executions_are_posted(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    record(tenant, [run(workflow, number) for number in range(150)])
    before = ids(pages(tenant, f"{LIST}?status=error&limit=250"))
    arriving = iter(range(1_000, 1_500))
    seen: list[str] = []
    for answer in pages(tenant, f"{LIST}?status=error&limit=7"):
        seen += [row["id"] for row in answer.json]
        for number in islice(arriving, 50):
            fresh = datetime.now(UTC).isoformat()
            record(tenant, [run(workflow, number, started_at=fresh, status="error")])
    assert next(arriving, None) is None
    assert len(before) == 75
    assert seen == before == sorted(before, reverse=True)
    assert len(ids(pages(tenant, f"{LIST}?status=error&limit=250"))) == 575


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 150), (149, [149, 1]), (150, [150]), (250, [150])])
def test_the_last_page_has_no_link(tenant: Tenant, limit: int, sizes: list[int]) -> None:
    assert [len(answer.json) for answer in pages(tenant, f"{LIST}?limit={limit}")] == sizes


def test_a_page_has_fifty_rows_unless_asked_otherwise(tenant: Tenant) -> None:
    assert [len(answer.json) for answer in pages(tenant, LIST)] == [50, 50, 50]


def test_an_offset_skips_rows_of_the_same_order(tenant: Tenant) -> None:
    everything = ids(pages(tenant, LIST))
    assert ids(iter([ask(tenant, query={"offset": 140, "limit": 7})])) == everything[140:147]
    assert ids(iter([ask(tenant, query={"offset": 150})])) == []
    assert ids(iter([ask(tenant, query={"offset": 10_000})])) == []


def test_the_page_after_an_offset_goes_on_where_that_one_ended(tenant: Tenant) -> None:
    assert ids(pages(tenant, f"{LIST}?offset=100&limit=20")) == ids(pages(tenant, LIST))[100:]


def test_the_link_keeps_the_filters_and_the_limit(tenant: Tenant) -> None:
    following = next_page(ask(tenant, f"{LIST}?status=error&tenant_id={tenant.slug}&limit=7&offset=3"))
    assert following
    parts = urlsplit(following)
    query = parse_qs(parts.query)
    assert parts.path == LIST
    assert query.keys() == {"status", "tenant_id", "limit", "cursor"}
    assert (query["status"], query["tenant_id"], query["limit"]) == (["error"], [tenant.slug], ["7"])


def test_a_count_comes_only_when_it_is_preferred_and_covers_all_pages(tenant: Tenant) -> None:
    assert "x-total-count" not in ask(tenant).headers
    preferring: dict[str, Any] = {"headers": {"prefer": "count=exact"}}
    assert ask(tenant, query={"limit": 7}, **preferring).headers["x-total-count"] == "150"
    assert ask(tenant, query={"status": "error"}, **preferring).headers["x-total-count"] == "75"
    workflow = ask(tenant, query={"limit": 1}).json[0]["workflow_id"]
    of_workflow = ask(tenant, f"/routes/workflows/{workflow}/executions", query={"limit": 1}, **preferring)
    assert of_workflow.headers["x-total-count"] == "150"
    assert ask(tenant, "/routes/workflows", **preferring).headers["x-total-count"] == "1"


def test_workflows_and_the_executions_of_one_are_paged_alike(make: Factory) -> None:
    tenant = make.tenant()
    made = [str(make.workflow(tenant)) for _ in range(15)]
    record(tenant, [run(made[0], number) for number in range(15)] + [run(made[1], 99)])
    assert ids(pages(tenant, "/routes/workflows?limit=7")) == sorted(made, reverse=True)
    assert len(ids(pages(tenant, f"/routes/workflows/{made[0]}/executions?limit=7"))) == 15
    assert ids(pages(tenant, f"/routes/workflows/{made[2]}/executions")) == []


def cursor_of(tenant: Tenant, path: str, **request: Any) -> str:
    following = next_page(ask(tenant, path, **request))
    assert following
    return parse_qs(urlsplit(following).query)["cursor"][0]


def refusal(tenant: Tenant, path: str, cursor: str, **request: Any) -> tuple[int, str]:
    separator = "&" if "?" in path else "?"
    handler = workflows if path.startswith("/routes/workflows") else executions
    answer = call(handler, "GET", f"{path}{separator}{urlencode({'cursor': cursor})}", caller=tenant.owner, **request)
    return answer.status, answer.json["code"] if answer.status >= 400 else ""


def test_a_cursor_fits_the_list_it_came_from_and_no_other(tenant: Tenant) -> None:
    errors = cursor_of(tenant, f"{LIST}?status=error&limit=7")
    assert refusal(tenant, f"{LIST}?limit=3&status=error", errors) == (200, "")
    for other in (
        LIST,
        f"{LIST}?status=success",
        f"{LIST}?status=error&include_data=true",
        f"{LIST}?status=error&tenant_id={tenant.slug}",
        "/routes/workflows",
    ):
        assert refusal(tenant, other, errors) == (400, "invalid_cursor"), other
    named = {"headers": {"x-tenant": tenant.slug}}
    assert refusal(tenant, f"{LIST}?status=error", errors, **named) == (400, "invalid_cursor")
    of_named = cursor_of(tenant, f"{LIST}?status=error", **named)
    assert refusal(tenant, f"{LIST}?status=error", of_named, **named) == (200, "")


def test_a_cursor_with_any_character_changed_is_refused(tenant: Tenant) -> None:
    cursor = cursor_of(tenant, LIST)
    for index, character in enumerate(cursor):
        changed = cursor[:index] + ("A" if character != "A" else "B") + cursor[index + 1 :]
        assert refusal(tenant, LIST, changed) == (400, "invalid_cursor"), changed


@pytest.mark.parametrize("cursor", ["x", "é", "\x00", "A" * 44, "A" * 200, "!!!!", "=="])
def test_what_is_no_cursor_is_refused(tenant: Tenant, cursor: str) -> None:
    assert refusal(tenant, LIST, cursor) == (400, "invalid_cursor")


def test_a_page_with_data_is_cut_before_four_megabytes_and_no_row_is_lost(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    sizes = [900_000] * 6 + [4_500_000] + [10] * 3
    for number, size in enumerate(sizes):
        record(tenant, [run(workflow, number, execution_data={"mode": "manual", "data": "x" * size})])
    answers = list(pages(tenant, f"{LIST}?include_data=true"))
    assert [len(answer.json) for answer in answers] == [4, 2, 1, 3]
    rows = [row for answer in answers for row in answer.json]
    assert [len(row["execution_data"]["data"]) for row in rows] == sizes
    assert [row["n8n_execution_id"] for row in rows] == [str(number) for number in range(10)]


def test_without_data_a_list_carries_none(make: Factory) -> None:
    tenant = make.tenant()
    record(tenant, [run(make.workflow(tenant), 1, execution_data={"mode": "manual"})])
    (row,) = ask(tenant).json
    assert (row["execution_data"], row["mode"]) == (None, "manual")
    (row,) = ask(tenant, query={"include_data": "true"}).json
    assert row["execution_data"] == {"mode": "manual"}


def test_texts_that_lambda_would_escape_count_as_what_they_become(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    for number in range(4):
        record(tenant, [run(workflow, number, execution_data={"data": '"\\' * 200_000})])
    answers = list(pages(tenant, f"{LIST}?include_data=true"))
    assert [len(answer.json) for answer in answers] == [2, 2]


def test_a_list_is_cut_for_its_long_messages_too(make: Factory) -> None:
    tenant = make.tenant()
    workflow = make.workflow(tenant)
    for number in range(50):
        record(tenant, [run(workflow, number, error_message="é" * 50_000)])
    assert [len(answer.json) for answer in pages(tenant, LIST)] == [39, 11]
