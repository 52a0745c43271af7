"""What API Gateway delivers is read as it is meant: docs/reference/local-gateway.md lists what that is."""

import json
from typing import Any
from urllib.parse import urlencode, urljoin

import pytest

from flomastr.http.delivery import body_size
from functions.health.handler import lambda_handler as health
from functions.history.handler import lambda_handler as history
from functions.openapi.handler import SERVED
from functions.openapi.handler import lambda_handler as openapi
from functions.preferences.handler import lambda_handler as preferences
from functions.workflows.handler import lambda_handler as workflows
from tests.support.events import Context, call, http_event
from tests.support.factories import Tenant
from tests.support.problems import WORKFLOWS, ask, refused

OPEN = [(health, "/routes/health"), (health, "/routes/health/ready"), *((openapi, path) for path in SERVED)]


@pytest.mark.parametrize("key", ["%41", "%", "100% wool", "a+b", "%zz", "\u4e16"])
def test_a_path_that_is_decoded_already_is_read_as_it_is(tenant: Tenant, key: str) -> None:
    """Whoever encodes twice reaches such a path through API Gateway."""
    path = f"/routes/user-preferences/{tenant.owner.user_id}/setting/{key}"
    event = http_event("PUT", "/", body={"value": 1}, caller=tenant.owner)
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    assert json.loads(preferences(event, Context())["body"])["key"] == key


@pytest.mark.parametrize(("handler", "path"), OPEN)
def test_the_name_of_a_stage_before_the_path_is_no_part_of_it(handler: Any, path: str) -> None:
    event = http_event("GET", f"/prod{path}")
    event["requestContext"]["stage"] = "prod"
    assert handler(event, Context())["statusCode"] == 200
    event["requestContext"]["stage"] = "$default"
    assert handler(http_event("GET", path), Context())["statusCode"] == 200


@pytest.mark.parametrize(("handler", "path"), OPEN)
def test_head_is_answered_like_get_on_the_open_routes(handler: Any, path: str) -> None:
    got, head = call(handler, "GET", path), call(handler, "HEAD", path)
    assert (head.status, head.headers, head.body) == (got.status, got.headers, "")


def test_head_is_answered_like_get_where_one_must_sign_in(tenant: Tenant) -> None:
    made = ask(tenant, "POST", WORKFLOWS, body={"name": "a"}).headers["location"]
    head = ask(tenant, "HEAD", made)
    assert (head.status, head.headers["etag"], head.body) == (200, ask(tenant, "GET", made).headers["etag"], "")
    assert ask(tenant, "HEAD", made, headers={"if-none-match": head.headers["etag"]}).status == 304
    assert call(workflows, "HEAD", made).status == 401


@pytest.mark.parametrize(
    "query", ["limit=5&limit=6", "limit=5&limit=5", "category=a&limit=5&category=b", "cursor=a&cursor="]
)
def test_a_parameter_that_is_given_more_than_once_is_refused(tenant: Tenant, query: str) -> None:
    name = query.partition("=")[0]
    answer = ask(tenant, "GET", f"{WORKFLOWS}?{query}")
    refused(answer, 422, f"query.{name}")
    assert answer.json["errors"] == [{"field": f"query.{name}", "message": "is given more than once"}]


def test_a_tenant_that_is_named_twice_is_refused(tenant: Tenant) -> None:
    twice = f"tenant_id={tenant.slug}&tenant_id={tenant.id}"
    refused(ask(tenant, "DELETE", f"{WORKFLOWS}/{tenant.id}?{twice}"), 422, "query.tenant_id")
    refused(ask(tenant, "GET", WORKFLOWS, headers={"x-tenant": f"{tenant.slug},{tenant.id}"}), 422, "header.x-tenant")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/cloudevents+json", "application/x+json"]
)
def test_json_under_another_name_arrives_in_base64_and_is_read(tenant: Tenant, kind: str) -> None:
    made = ask(tenant, "POST", WORKFLOWS, body={"name": "Gr\u00fc\u00dfe"}, headers={"content-type": kind})
    assert (made.status, made.json["name"]) == (201, "Gr\u00fc\u00dfe")


@pytest.mark.parametrize("kind", ["application/json", "application/cloudevents+json"])
@pytest.mark.parametrize("character", ["x", "\u00fc", "\u4e16"])
def test_a_body_is_measured_in_the_bytes_that_were_sent(tenant: Tenant, kind: str, character: str) -> None:
    body = f'{{"name": "{character * (4_999_988 // len(character.encode()))}"}}'
    body += " " * (5_000_000 - len(body.encode()))
    headers = {"content-type": kind}
    refused(ask(tenant, "POST", WORKFLOWS, body=body, headers=headers), 422, "body.name")
    refused(ask(tenant, "POST", WORKFLOWS, body=f"{body} ", headers=headers), 413)


@pytest.mark.parametrize("size", range(7))
@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream"])
def test_the_size_of_a_body_is_exact(kind: str, size: int) -> None:
    assert body_size(http_event("POST", "/", body="x" * size, headers={"content-type": kind})) == size


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "zstd", "gzip, identity", "x"])
def test_a_compressed_body_is_refused_and_told_so(tenant: Tenant, encoding: str) -> None:
    headers = {"content-encoding": encoding}
    answer = ask(tenant, "POST", WORKFLOWS, body=b"\x1f\x8b\x08", headers=headers)
    refused(answer, 415)
    assert (answer.json["code"], answer.headers["accept-encoding"]) == ("unsupported_encoding", "identity")
    large = ask(tenant, "POST", WORKFLOWS, body=b"\x1f\x8b\x08" + b"\xff" * 9, headers=headers)
    assert large.status == 415
    assert ask(tenant, "POST", WORKFLOWS, body={"name": "a"}, headers={"content-encoding": "Identity"}).status == 201
    assert ask(tenant, "GET", WORKFLOWS, headers=headers).status == 200


@pytest.mark.parametrize("moment", ["2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00.5+0200"])
def test_a_plus_that_came_as_a_space_is_told(tenant: Tenant, moment: str) -> None:
    preview = "/routes/history/preview"
    answer = call(history, "GET", f"{preview}?at={moment}", caller=tenant.owner)
    refused(answer, 422, "query.at")
    assert answer.json["errors"][0]["message"] == 'must have no space before its offset: in a URL write "+" as "%2B"'
    assert call(history, "GET", f"{preview}?{urlencode({'at': moment})}", caller=tenant.owner).status == 200


def test_a_link_is_resolved_against_the_address_that_was_asked(tenant: Tenant) -> None:
    for name in ("a", "b"):
        ask(tenant, "POST", WORKFLOWS, body={"name": name})
    link = ask(tenant, "GET", f"{WORKFLOWS}?limit=1").headers["link"]
    address = urljoin(f"https://api.example.com{WORKFLOWS}?limit=1", link.partition(">")[0].removeprefix("<"))
    second = ask(tenant, "GET", address.removeprefix("https://api.example.com"))
    assert [workflow["name"] for workflow in second.json] == ["a"]


def test_a_weak_tag_matches_no_write_but_a_reading(tenant: Tenant) -> None:
    made = ask(tenant, "POST", WORKFLOWS, body={"name": "a"})
    path, tag = made.headers["location"], made.headers["etag"]
    for weak in (f"W/{tag}", f'W/{tag}, "x"'):
        refused(ask(tenant, "PUT", path, body={"name": "b"}, headers={"if-match": weak}), 412)
        refused(ask(tenant, "DELETE", path, headers={"if-match": weak}), 412)
        assert ask(tenant, "GET", path, headers={"if-none-match": weak}).status == 304
    assert ask(tenant, "PUT", path, body={"name": "b"}, headers={"if-match": f"W/{tag}, {tag}"}).status == 200
