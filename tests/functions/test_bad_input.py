"""A bad body is a 4xx that names the field, in one documented form, and says nothing of the database."""

import json
from base64 import b64encode
from http import HTTPStatus
from time import process_time
from unicodedata import normalize

import pytest

from flomastr.workflows.workflows import NewWorkflow
from functions.knowledge_bases.handler import lambda_handler as knowledge_bases
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Answer, Context, call, http_event
from tests.support.factories import Tenant
from tests.support.problems import EXECUTIONS, WORKFLOWS, ask, nested, refused

KNOWN = len(NewWorkflow.model_fields)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "body.name"),
        ('{"name": null}', "body.name"),
        ('{"name": ""}', "body.name"),
        ('{"name": 7}', "body.name"),
        (json.dumps({"name": "x" * 256}), "body.name"),
        (r'{"name": "a\u0000b"}', "body.name"),
        (r'{"name": "\ud800"}', "body.name"),
        (r'{"name": "a", "description": "\u0000"}', "body.description"),
        (json.dumps({"name": "a", "description": "x" * 100_001}), "body.description"),
        ('{"name": "a", "n8n_workflow_id": ""}', "body.n8n_workflow_id"),
        (json.dumps({"name": "a", "category": "x" * 101}), "body.category"),
        ('{"name": "a", "tags": null}', "body.tags"),
        ('{"name": "a", "tags": "b"}', "body.tags"),
        ('{"name": "a", "tags": ["b", 1]}', "body.tags.1"),
        (json.dumps({"name": "a", "tags": ["b"] * 101}), "body.tags"),
        ('{"name": "a", "is_active": null}', "body.is_active"),
        ('{"name": "a", "is_active": 1}', "body.is_active"),
        ('{"name": "a", "is_public": "yes"}', "body.is_public"),
        ('{"name": "a", "tenant_id": "no_slug"}', "body.tenant_id"),
        ('{"name": "a", "metadata": null}', "body.metadata"),
        ('{"name": "a", "metadata": []}', "body.metadata"),
        (r'{"name": "a", "metadata": {"x": ["\u0000"]}}', "body.metadata"),
        (r'{"name": "a", "metadata": {"\u0000": 1}}', "body.metadata"),
        (r'{"name": "a", "metadata": {"x": "\ud800"}}', "body.metadata"),
        ('{"name": "a", "metadata": {"x": NaN}}', "body.metadata"),
        ('{"name": "a", "metadata": {"x": -Infinity}}', "body.metadata"),
        ('{"name": "a", "metadata": {"x": 1e400}}', "body.metadata"),
        ('{"name": "a", "metadata": ' + nested(300) + "}", "body.metadata"),
        ('{"name": "a", "metadata": ' + nested(2_000) + "}", "body.metadata"),
        (json.dumps({"name": "a", "metadata": {"x": "y" * 250_000}}), "body.metadata"),
        ('{"name": "a", "nmae": "b"}', "body.nmae"),
        ('{"name": "a", "id": "b"}', "body.id"),
        ("[]", "body"),
        ("null", "body"),
        ('"name"', "body"),
        ("", "body"),
    ],
)
def test_a_workflow_that_cannot_be_is_refused_by_the_name_of_the_field(tenant: Tenant, body: str, field: str) -> None:
    refused(ask(tenant, "POST", WORKFLOWS, body=body), 422, field)


@pytest.mark.parametrize(("name", "digits"), [("name", "9"), ("metadata", '{"x": [9]}'), ("is_active", "-9")])
def test_an_integer_of_too_many_digits_is_refused_by_the_name_of_its_field(
    tenant: Tenant, name: str, digits: str
) -> None:
    body = {"name": '"Orders"'} | {name: digits.replace("9", "9" * 4_301)}
    written = ", ".join(f'"{field}": {value}' for field, value in body.items())
    refused(ask(tenant, "POST", WORKFLOWS, body=f"{{{written}}}"), 422, f"body.{name}")


@pytest.mark.parametrize("body", ["{", "{'name': 1}", "name=a", '{"name": "a"} x', "[" * 100_000])
def test_what_is_no_json_is_reported(tenant: Tenant, body: str) -> None:
    answer = ask(tenant, "POST", WORKFLOWS, body=body)
    refused(answer, 400, "body")
    assert answer.json["code"] == "invalid_json"


@pytest.mark.parametrize("raw", [b'{"name": "\xff"}', b"\xff\xfe", b"\x00", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_no_json(tenant: Tenant, raw: bytes) -> None:
    event = http_event("POST", WORKFLOWS, body=b64encode(raw).decode(), caller=tenant.owner) | {"isBase64Encoded": True}
    response = workflows(event, Context())
    refused(Answer(response["statusCode"], response["headers"], response["body"]), 400, "body")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_of_another_type_is_refused(tenant: Tenant, content_type: str) -> None:
    answer = ask(tenant, "POST", WORKFLOWS, body='{"name": "a"}', headers={"content-type": content_type})
    refused(answer, 400, "body")
    assert answer.json["code"] == "invalid_json"
    assert answer.json["detail"].endswith("with Content-Type: application/json.")


@pytest.mark.parametrize("path", [WORKFLOWS, EXECUTIONS, f"{EXECUTIONS}/batch"])
def test_seven_megabytes_are_too_much_and_the_limit_is_stated(tenant: Tenant, path: str) -> None:
    answer = ask(tenant, "POST", path, body=json.dumps({"name": "x" * 7_000_000}))
    assert answer.json == {
        "type": "about:blank",
        "title": HTTPStatus(413).phrase,
        "status": 413,
        "detail": "The body is larger than 5,000,000 bytes. Send it in smaller parts.",
        "code": "body_too_large",
        "request_id": "request-1",
        "errors": [],
    }
    assert answer.status == 413


def test_what_is_just_within_the_limits_is_taken_and_can_be_read(tenant: Tenant) -> None:
    body = {
        "name": "\U0001f680" * 255,
        "description": "x" * 100_000,
        "category": "c" * 100,
        "tags": ["t" * 255] * 100,
        "metadata": {
            "number": int("9" * 4_000),
            "text": "y" * 200_000,
            "deep": json.loads(nested(200)),
            "odd": "\\u0000",
        },
    }
    created = ask(tenant, "POST", WORKFLOWS, body=body)
    assert created.status == 201, created.body
    assert ask(tenant, "GET", created.headers["location"]).json == created.json
    assert {name: created.json[name] for name in body} == body
    assert created.json in ask(tenant, "GET", WORKFLOWS).json


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "body"),
        ("[]", "body"),
        ("", "body"),
        ('{"name": null}', "body.name"),
        ('{"tags": null}', "body.tags"),
        ('{"is_active": null}', "body.is_active"),
        ('{"metadata": null}', "body.metadata"),
        ('{"tenant_id": "other"}', "body.tenant_id"),
        ('{"n8n_workflow_id": "other"}', "body.n8n_workflow_id"),
    ],
)
def test_a_change_that_changes_nothing_or_too_much_is_refused(
    tenant: Tenant, workflow: str, body: str, field: str
) -> None:
    refused(ask(tenant, "PUT", f"{WORKFLOWS}/{workflow}", body=body), 422, field)


def test_every_invalid_field_is_named_at_once(tenant: Tenant) -> None:
    answer = ask(tenant, "POST", f"{WORKFLOWS}?tenant_id=no_slug", body={"tags": [1], "nmae": "x"})
    refused(answer, 422, "query.tenant_id", "body.name", "body.tags.0", "body.nmae")
    assert answer.json["code"] == "invalid_request"


def test_a_field_whose_name_is_no_text_is_refused_and_printed(tenant: Tenant) -> None:
    answer = ask(tenant, "POST", WORKFLOWS, body=r'{"name": "a", "\ud800": 1}')
    refused(answer, 422, "body")


def test_an_answer_names_twenty_fields_at_the_most_and_cuts_their_names(tenant: Tenant) -> None:
    names = [f"{number:03}{'x' * 5_000}" for number in range(KNOWN + 19)]
    answer = ask(tenant, "POST", WORKFLOWS, body={"name": "A workflow"} | dict.fromkeys(names, 1))
    refused(answer, 422, *(f"body.{name[:100]}" for name in names[:20]))


@pytest.mark.parametrize("more", [20, 500])
def test_a_body_of_many_more_fields_than_there_are_is_refused_as_a_whole(tenant: Tenant, more: int) -> None:
    names = [f"{number:03}" for number in range(KNOWN + more - 1)]
    answer = ask(tenant, "POST", WORKFLOWS, body={"name": "A workflow", "tags": []} | dict.fromkeys(names, 1))
    refused(answer, 422, "body")
    assert answer.json["errors"][0]["message"] == f"has {KNOWN + more + 1} fields, and may have {KNOWN}"


def test_a_name_is_measured_before_it_is_composed(tenant: Tenant) -> None:
    """Composing takes the square of a run of marks, and these would take a minute."""
    marks, composed = "a" + "\u0315\u0316" * 80_000, "\u1faf"
    before = process_time()
    named = [
        call(knowledge_bases, "POST", "/routes/knowledge-bases", caller=tenant.owner, body={"name": name})
        for name in (marks, normalize("NFD", composed * 255))
    ]
    assert process_time() - before < 5
    refused(named[0], 422, "body.name")
    assert named[1].json["name"] == composed * 255
