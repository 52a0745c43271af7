from base64 import b64decode

import pytest

from dev.aws.events import HttpRequest, authorizer_event, http_event
from dev.aws.template import ANY, Route

ROUTE = Route("/echo/{proxy+}", frozenset(ANY), "EchoFunction", None)


def test_the_event_has_the_form_of_payload_2() -> None:
    request = HttpRequest(
        "POST",
        "/echo/a b",
        "tag=x&tag=y&empty=",
        (("Accept", "a"), ("accept", "b"), ("Cookie", "k=1; l=2"), ("Host", "api.example")),
    )
    event = http_event(request, ROUTE, {"proxy": "a b"})
    context = event.pop("requestContext")
    assert event == {
        "version": "2.0",
        "routeKey": "ANY /echo/{proxy+}",
        "rawPath": "/echo/a b",
        "rawQueryString": "tag=x&tag=y&empty=",
        "headers": {"accept": "a,b", "host": "api.example"},
        "cookies": ["k=1", "l=2"],
        "queryStringParameters": {"tag": "x,y", "empty": ""},
        "pathParameters": {"proxy": "a b"},
        "isBase64Encoded": False,
    }
    assert context["http"]["method"] == "POST"
    assert context["http"]["path"] == "/echo/a b"
    assert context["stage"] == "$default"
    assert context["http"]["sourceIp"] == "127.0.0.1"
    assert context["domainName"] == "api.example"
    assert context["requestId"]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=utf-8", "text/csv; charset=utf-8", "application/xml"]
)
def test_text_travels_as_text(kind: str) -> None:
    request = HttpRequest("POST", "/echo/a", "", (("content-type", kind),), "Grüße".encode())
    event = http_event(request, ROUTE, {})
    assert (event["body"], event["isBase64Encoded"]) == ("Grüße", False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/octet-stream", b"abc"),
        ("", b"abc"),
        ("application/cloudevents+json", b"{}"),
        ("application/vnd.api+json; charset=utf-8", b"{}"),
        ("application/jsonl", b"{}"),
        ("application/x-www-form-urlencoded", b"a=b"),
        ("application/json", b"\xff\xfe"),
    ],
)
def test_what_is_no_text_travels_in_base64(kind: str, body: bytes) -> None:
    event = http_event(HttpRequest("POST", "/echo/a", "", (("content-type", kind),), body), ROUTE, {})
    assert (b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)


def test_the_authorizer_sees_the_request_without_its_body() -> None:
    request = HttpRequest("POST", "/echo/a", "", (("content-type", "text/plain"),), b"secret")
    event = authorizer_event(http_event(request, ROUTE, {}), ("Bearer me",))
    assert event["type"] == "REQUEST"
    assert event["identitySource"] == ["Bearer me"]
    assert event["routeArn"].endswith("/$default/POST/echo/a")
    assert "body" not in event
