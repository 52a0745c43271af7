"""The console as it is served: one page for every place, assets that may be kept, and nothing from elsewhere."""

import gzip
import json
import re
from base64 import b64decode
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import pytest

from dev.paths import ROOT
from flomastr.readers.kinds import ENDS
from flomastr.settings import settings
from functions.console.handler import ASSETS, STATE, TYPES, lambda_handler
from tests.support.events import Answer, call

FOLDER = ROOT / "functions/console/assets"
VENDORED: dict[str, dict[str, Any]] = json.loads((FOLDER / "vendor/packages.json").read_text())
PACKAGES = ROOT / "dev/clients/node_modules"
OWN = [name for name in ASSETS if not name.startswith("vendor/")]
LONGEST = 250  # lines of a file
DEPLOYED = {
    "OIDC_ISSUER": "https://issuer.test/",
    "OIDC_METADATA_URL": "",
    "CONSOLE_CLIENT_ID": "console-1",
    "UPLOADS_URL": "https://files.example.com/uploads",
}


@pytest.fixture(autouse=True)
def deployed(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    for name, value in DEPLOYED.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def ask(path: str, method: str = "GET", **headers: str) -> Answer:
    return call(
        lambda_handler, method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def text(answer: Answer) -> str:
    return b64decode(answer.body).decode()


@pytest.mark.parametrize("path", ["/", "/console", "/console/", "/console/callback", "/console/t/demo/executions"])
def test_every_place_is_the_same_page(path: str) -> None:
    answer = ask(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-cache"
    assert text(answer) == text(ask("/console"))


def test_the_page_runs_nothing_inline_and_reaches_nothing_but_the_issuer_and_the_bucket_of_uploads() -> None:
    page = text(ask("/"))
    assert not re.findall(r"<script>|<style| on\w+=| style=|(?:src|href)=\"(?!/console/assets/)", page)
    assert ask("/").headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; connect-src 'self' https://issuer.test https://files.example.com/uploads/"
    )


def named_by(name: str, how: str = r'from "|import\("|new URL\("') -> list[str]:
    """The assets that a module names, in its order."""
    targets = re.findall(rf'(?:{how})(\.{{0,2}}/?[\w./-]+)"', ASSETS[name].decode())
    return [normpath(join(dirname(name), target)) for target in targets]


def test_what_the_page_and_its_modules_name_is_there_and_nothing_else() -> None:
    of_the_page = set(re.findall(rf"/console/assets/{STATE}/([\w./-]+)", text(ask("/"))))
    assert of_the_page | {other for name in OWN for other in named_by(name)} == set(ASSETS)


def test_the_page_names_every_module_of_the_first_view_so_that_none_waits_for_another() -> None:
    needed = ["app.js", "views/overview.js"]
    for name in needed:  # which grows meanwhile
        needed += [other for other in dict.fromkeys(named_by(name, 'from "')) if other not in needed]
    named = re.findall(rf'<link rel="modulepreload" href="/console/assets/{STATE}/(.*)">', text(ask("/")))
    assert named == needed[1:]  # app.js is run, not only fetched


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_an_asset_of_this_state_may_be_kept_for_ever(name: str) -> None:
    answer = ask(f"/console/assets/{STATE}/{name}")
    assert b64decode(answer.body) == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"] == f"{TYPES[Path(name).suffix]}; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_asset_of_another_state_is_the_one_of_now_and_is_not_kept() -> None:
    answer = ask("/console/assets/0123456789abcdef/app.js")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("name", ["", "none.js", "../handler.py", "vendor/packages.json", "index.html"])
def test_what_is_no_asset_is_not_there(name: str) -> None:
    assert ask(f"/console/assets/{STATE}/{name}").status == 404


def test_what_may_be_compressed_is() -> None:
    plain, packed = ask("/console"), ask("/console", accept_encoding="br, gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(b64decode(packed.body)) == b64decode(plain.body)
    assert plain.headers["vary"] == packed.headers["vary"] == "accept-encoding"


def test_head_is_answered_without_a_body() -> None:
    answer = ask("/", "HEAD")
    assert (answer.status, answer.body) == (200, "")
    assert answer.headers == ask("/").headers


def told() -> dict[str, str]:
    """What the page says of this deployment."""
    return dict(re.findall(r' data-([\w-]+)="(.*?)"', text(ask("/"))))


def test_the_page_says_with_whom_people_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told() == {
        "issuer": "https://issuer.test/",
        "metadata-url": "https://issuer.test/.well-known/openid-configuration",
        "client-id": "console-1",
    }
    monkeypatch.setenv("OIDC_METADATA_URL", 'https://id.example:8443/about?a=1&b="2"')
    settings.cache_clear()
    assert told()["metadata-url"] == "https://id.example:8443/about?a=1&amp;b=&quot;2&quot;"
    assert "; connect-src 'self' https://id.example:8443 " in ask("/").headers["content-security-policy"]


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_files_are_those_of_the_packages_that_are_named_with_their_licences(name: str) -> None:
    recorded, content = VENDORED[name], (FOLDER / "vendor" / name).read_bytes()
    assert sha256(content).hexdigest() == recorded["sha256"]
    locked = json.loads((ROOT / "dev/clients/package-lock.json").read_text())["packages"]
    assert locked[f"node_modules/{recorded['package']}"]["version"] == recorded["version"]
    for package in recorded["licenses"]:
        assert (FOLDER / "vendor" / f"{package}.LICENSE").stat().st_size > 1000
    if (PACKAGES / recorded["package"]).exists():
        assert (PACKAGES / recorded["package"] / recorded["file"]).read_bytes() == content


def test_nothing_is_vendored_that_is_not_recorded() -> None:
    assert {name for name in ASSETS if name.startswith("vendor/")} == {f"vendor/{name}" for name in VENDORED}


def test_all_of_it_weighs_little() -> None:
    scripts = {name: content for name, content in ASSETS.items() if name.endswith(".js")}
    assert sum(map(len, scripts.values())) <= 250_000
    assert sum(len(gzip.compress(content)) for content in ASSETS.values()) <= 90_000


def test_the_files_that_may_be_chosen_are_those_that_the_api_reads() -> None:
    (chosen,) = re.findall('const KINDS = "(.*)"', ASSETS["parts/files.js"].decode())
    assert chosen.split(",") == list(ENDS)


def test_files_of_the_console_are_short() -> None:
    assert {name: lines for name in OWN if (lines := ASSETS[name].count(b"\n")) > LONGEST} == {}
