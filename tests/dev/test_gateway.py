import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dev.aws import gateway
from dev.aws.gateway import Gateway
from dev.aws.sandbox import FunctionFailedError
from dev.aws.template import ANY, Route
from tests.support.local_platform import Running

ME = {"Authorization": "me"}
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
CAPTURES = json.loads((Path(__file__).parent / "data/aws_http_api_paths.json").read_text())["captures"]


def test_a_request_reaches_its_function_and_its_answer_comes_back(running: Running) -> None:
    answer = running.ask("POST", "/echo/a/b?x=1", b'{"k": 1}', ME | JSON)
    assert answer.status == 200
    headers, event = dict(answer.headers), answer.json["event"]
    assert headers["x-kind"] == "echo"
    assert headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert [value for name, value in answer.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert event["routeKey"] == "ANY /echo/{proxy+}"
    assert event["pathParameters"] == {"proxy": "a/b"}
    assert event["body"] == '{"k": 1}'


def test_the_narrowest_route_serves(running: Running) -> None:
    def route(method: str, path: str) -> str:
        return running.ask(method, path, headers=ME).json["event"]["routeKey"]

    assert route("GET", "/echo") == "ANY /echo"
    assert route("GET", "/echo/7/part") == "GET /echo/{id}/part"
    assert route("PUT", "/echo/7/part") == "ANY /echo/{proxy+}"


@pytest.mark.parametrize("path", ["/", "/echoes", "/echo/", "/nowhere"])
def test_what_the_template_does_not_know_is_not_found(running: Running, path: str) -> None:
    answer = running.ask("GET", path, headers=ME)
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')


def test_the_authorizer_is_asked_once_for_a_caller_and_its_context_is_passed_on(running: Running) -> None:
    for _ in range(2):
        context = running.ask("GET", "/echo", headers=ME).json["event"]["requestContext"]
        assert context["authorizer"] == {"lambda": {"caller": "me", "asked": 1}}


def test_strangers_are_turned_away_before_the_function(running: Running) -> None:
    nobody = running.ask("GET", "/echo")
    stranger = running.ask("GET", "/echo", headers={"Authorization": "stranger"})
    assert (nobody.status, nobody.body) == (401, b'{"message":"Unauthorized"}')
    assert (stranger.status, stranger.body) == (403, b'{"message":"Forbidden"}')


@pytest.mark.parametrize("size", [6_300_000, 10_500_000])
def test_a_body_that_is_too_large_is_refused(running: Running, size: int) -> None:
    answer = running.ask("POST", "/open", b"x" * size, TEXT)
    assert (answer.status, answer.body) == (413, b'{"message":"Request Entity Too Large"}')


@pytest.mark.parametrize("body", [b"raise", b"exit", b"large"])
def test_a_function_that_fails_is_an_internal_error(running: Running, body: bytes) -> None:
    answer = running.ask("POST", "/open", body, TEXT)
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


def test_the_keys_of_the_local_issuer_are_published(running: Running) -> None:
    (key,) = running.ask("GET", "/.well-known/jwks.json").json["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    assert "d" not in key


def test_the_console_names_the_function_that_failed_and_no_person(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(function: str, _event: bytes) -> bytes:
        raise FunctionFailedError(f"{function} ended")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    said: list[str] = []
    statuses: list[int] = []

    def note(text: str, **_: object) -> None:
        said.append(text)

    monkeypatch.setattr(gateway.console, "print", note)
    route = Route("/people/{user_id}", frozenset(ANY), "PeopleFunction", None)
    path = "/people/one@example.com"
    asked: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    asyncio.run(Gateway([route], fails)(asked | {"query_string": b"", "headers": []}, receive, send))
    assert statuses[0] == 500
    assert said == ["ANY /people/{user_id}: PeopleFunction ended"]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture["sent"])
def test_a_path_arrives_as_aws_delivers_it(running: Running, capture: dict[str, Any]) -> None:
    answer = running.ask("GET", f"/echo{capture['sent']}?q=%2B%3F", headers=ME)
    if "status" in capture:
        assert (answer.status, answer.body) == (capture["status"], b'{"message":"Bad Request"}')
        return
    event = answer.json["event"]
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == f"/echo{capture['path']}"
    assert event["pathParameters"] == {"proxy": capture["path"].removeprefix("/")}
    assert event["rawQueryString"] == "q=%2B%3F"


def test_a_path_is_matched_as_it_arrives(running: Running) -> None:
    assert running.ask("GET", "/echo/a%2Fpart", headers=ME).json["event"]["pathParameters"] == {"id": "a"}
    assert running.ask("GET", "/%65cho", headers=ME).json["event"]["routeKey"] == "ANY /echo"
    assert running.ask("GET", "/echo%3F/part", headers=ME).json["event"]["routeKey"] == "ANY /echo"


def test_all_values_of_a_parameter_arrive_joined_and_as_they_were_sent(running: Running) -> None:
    event = running.ask("GET", "/echo?tag=x&tag=y", headers=ME).json["event"]
    assert (event["queryStringParameters"], event["rawQueryString"]) == ({"tag": "x,y"}, "tag=x&tag=y")


def test_cookies_arrive_beside_the_headers(running: Running) -> None:
    event = running.ask("GET", "/echo", headers=ME | {"Cookie": "k=1; l=2"}).json["event"]
    assert event["cookies"] == ["k=1", "l=2"]
    assert "cookie" not in event["headers"]


def test_the_local_gateway_throttles_nobody(running: Running) -> None:
    assert {running.ask("GET", "/nowhere").status for _ in range(600)} == {404}


def test_head_is_answered_without_the_body(running: Running) -> None:
    answer = running.ask("HEAD", "/echo", headers=ME)
    assert (answer.status, answer.body, dict(answer.headers)["x-kind"]) == (200, b"", "echo")
