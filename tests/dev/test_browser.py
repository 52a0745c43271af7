"""A front end of another origin in a real browser: it lists, edits, and reads why it is refused."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Site, needs_chromium, site
from tests.support.dev_process import LocalPlatform, start, token

pytestmark = needs_chromium

ASK = """
const api = %(api)s, owner = %(token)s;
const ask = async (path, options = {}, bearer = owner) => {
  const headers = {...(bearer && {authorization: `Bearer ${bearer}`}), "content-type": "application/json"};
  const answer = await fetch(api + path, {...options, headers: {...headers, ...options.headers}});
  const type = answer.headers.get("content-type");
  return {status: answer.status, headers: Object.fromEntries(answer.headers), type, body: await answer.json()};
};
"""


@pytest.fixture
def front_end() -> Generator[Site]:
    with site() as front_end:
        yield front_end


@pytest.fixture
def local_platform(data: Path, front_end: Site, monkeypatch: pytest.MonkeyPatch) -> Generator[LocalPlatform]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    platform, _ = start(data, "--origins", front_end.origin)
    with platform.process:
        yield platform
        platform.process.kill()


def asked(page: Site, platform: LocalPlatform, script: str, profile: Path) -> Any:
    names = {"api": json.dumps(f"http://127.0.0.1:{platform.port}"), "token": json.dumps(token(platform.data))}
    return page.returned_by(ASK % names + script, profile)


def test_a_page_lists_edits_and_reads_why_it_is_refused(
    local_platform: LocalPlatform, front_end: Site, tmp_path: Path
) -> None:
    script = """
      const first = await ask("/routes/workflow-executions?limit=200");
      const second = await ask(first.headers.link.match(/<(.*)>/)[1]);
      const [{id}] = (await ask("/routes/workflows?limit=1")).body;
      const path = `/routes/workflows/${id}`;
      const {etag} = (await ask(path)).headers;
      const edit = () => ask(path, {method: "PUT", body: '{"name": "Renamed"}', headers: {"if-match": etag}});
      const edited = await edit(), again = await edit();
      const forbidden = await ask("/routes/users");
      const unknown = await ask("/routes/workflows", {}, "");
      const made = {method: "POST", body: '{"name": "k", "scopes": ["workflows:read"], "rate_limit_per_minute": 1}'};
      const key = (await ask("/routes/api-keys", made)).body.token;
      const few = [await ask("/routes/workflows", {}, key), await ask("/routes/workflows", {}, key)];
      return {first, second, edited, again, forbidden, unknown, few};
    """
    seen: Any = asked(front_end, local_platform, script, tmp_path)
    assert (len(seen["first"]["body"]), len(seen["second"]["body"])) == (200, 106)
    assert (seen["edited"]["status"], seen["edited"]["body"]["name"]) == (200, "Renamed")
    assert seen["edited"]["headers"]["etag"]
    assert (seen["again"]["status"], seen["again"]["body"]["code"]) == (412, "changed_meanwhile")
    assert (seen["forbidden"]["status"], seen["forbidden"]["type"]) == (403, "application/problem+json")
    assert seen["unknown"]["body"] == {"message": "Unauthorized"}
    allowed, limited = seen["few"]
    assert (allowed["status"], limited["status"], limited["body"]["status"]) == (200, 429, 429)
    assert {"retry-after", "ratelimit", "ratelimit-policy", "apigw-requestid"} <= limited["headers"].keys()


def test_a_page_of_an_origin_that_is_not_named_reads_nothing(local_platform: LocalPlatform, tmp_path: Path) -> None:
    with site() as stranger:
        seen = asked(stranger, local_platform, 'return await ask("/routes/workflows");', tmp_path)
    assert seen == "TypeError: Failed to fetch"
