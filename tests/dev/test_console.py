"""The console in a browser, over the local platform with the demo."""

import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from dev.aws.events import HttpRequest
from dev.aws.gateway import Gateway
from dev.aws.template import read_template
from dev.paths import ROOT
from dev.samples.people import OWNER, PEOPLE
from dev.serve import FIRST_VIEW
from dev.services.oidc_issuer import Identity
from tests.support import n8n_api
from tests.support.browser import needs_chromium
from tests.support.clock import until
from tests.support.console import AXE, ZONE, Held, Scheme, Visitor, chromium, visitor
from tests.support.dev_process import LocalPlatform, run, start
from tests.support.pdfs import pdf
from tests.support.webhook_receiver import receiving

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(not AXE.exists(), reason="npm's packages are missing: npm ci --prefix dev/clients"),
]
TENANT = "/console/t/demo"
PLACES = [
    "overview",
    "workflows",
    "executions",
    "failures",
    "alerts",
    "instances",
    "knowledge",
    "storage",
    "recovery",
    "usage",
    "keys",
    "members",
]
SCHEMES: list[Scheme] = ["light", "dark"]
SCRIPT_BYTES = 250_000
FIRST_BYTES = 150_000  # of scripts, until the first chart
PAULA = PEOPLE[2]
WATCH_PROGRESS = """
  () => {
    window.shares = [];
    const note = () => document.querySelectorAll("progress").forEach(({ value, max }) => shares.push(value / max));
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
  }
"""
TO_THE_BUCKET = re.compile("/uploads/tenant")
NOBODY = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def platform(data: Path) -> Generator[LocalPlatform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        running, said = start(data)
    assert "Console        http://127.0.0.1:" in said
    with running.process:
        yield running
        running.process.kill()


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def guest(browser: Browser, platform: LocalPlatform) -> Generator[Visitor]:
    with visitor(browser, platform) as guest:
        yield guest


@pytest.fixture(scope="module")
def owner_of_all(browser: Browser, platform: LocalPlatform) -> Generator[Visitor]:
    """Signed in once, for tests that leave nothing behind."""
    with visitor(browser, platform) as visiting:
        visiting.sign_in("Olive", f"{TENANT}/members")
        visiting.ready()
        yield visiting


@pytest.fixture
def owner(guest: Visitor) -> Visitor:
    guest.sign_in("Olive")
    guest.ready()
    return guest


def asked(platform: LocalPlatform, path: str) -> Any:
    return platform.get(path, Identity(platform.data).token(OWNER.id, OWNER.email))


def newest(platform: LocalPlatform, **like: str) -> Any:
    """The newest execution that is like this."""
    query = "&".join(f"{name}={value}" for name, value in like.items())
    return asked(platform, f"/routes/history/workflow-executions?limit=1&{query}")[0]


def look_around(visitor: Visitor, paths: list[str]) -> None:
    """Each place in light and dark: nothing to complain of, and a picture."""
    for path in paths:
        visitor.go(path)
        for scheme in SCHEMES:
            visitor.page.emulate_media(color_scheme=scheme)
            assert visitor.violations() == [], (path, scheme)
            _, _, kind, *place = path.split("/")
            visitor.picture(
                f"{'platform-' if kind == 'platform' else ''}{place[-1] if len(place) < 3 else place[1]}-{scheme}"
            )
    assert visitor.complaints == []
    assert visitor.foreign() == []


def test_every_place_of_a_tenant_opens_in_light_and_dark(owner: Visitor, platform: LocalPlatform) -> None:
    failed = newest(platform, status="error")
    places = [*PLACES, f"execution/{failed['id']}", f"workflow/{failed['workflow_id']}"]
    look_around(owner, [f"{TENANT}/{place}" for place in places])
    assert FIRST_BYTES < owner.script_bytes() <= SCRIPT_BYTES


def test_the_first_view_is_light(guest: Visitor) -> None:
    page = guest.sign_in("Olive", f"{TENANT}/overview")
    guest.ready()
    expect(page.locator("svg .bucket").first).to_be_visible()
    milliseconds, taken = page.evaluate("performance.now()"), guest.script_bytes()
    print(f"the first view: {milliseconds:.0f} ms, {taken:,} bytes of script")
    assert 100_000 < taken <= FIRST_BYTES


def test_no_script_of_the_first_view_waits_for_another(guest: Visitor) -> None:
    scripts = Held(guest.page, "**/console/assets/**.js")
    guest.page.goto(f"{guest.origin}{TENANT}/overview", wait_until="commit")
    asked = scripts.after(18)
    scripts.let_go()
    expect(guest.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert sorted(path for path in guest.paths("/console/assets/") if path.endswith(".js")) == asked


def test_whatever_the_first_view_asks_is_asked_at_once(guest: Visitor) -> None:
    page = guest.page
    page.goto(f"{guest.origin}{TENANT}/overview")
    page.get_by_role("button", name="Sign in").click()
    data = Held(page, "**/routes/**")
    before = len(guest.requests)
    page.get_by_role("link", name="Olive").click()
    asked = data.after(8)
    assert [path for path in guest.paths("/")[before:] if not path.startswith(("/console/assets/", "/routes/"))] == [
        "/sign-in/as",
        "/console/callback",
        "/sign-in/token",
    ]
    data.let_go()
    expect(page.locator("svg .bucket").first).to_be_visible()
    guest.ready()
    expect(page.get_by_role("combobox", name="Tenant")).to_have_value("demo")
    assert sorted(guest.paths("/routes/")) == asked


def test_functions_that_the_first_view_asks_are_started_ahead(guest: Visitor) -> None:
    guest.sign_in("Olive", f"{TENANT}/overview")
    guest.ready()
    gateway = Gateway(read_template().routes, no_function)
    served = [gateway.find(HttpRequest("GET", path))[0].function for path in guest.paths("/routes/")]
    assert {*served, "ConsoleFunction"} == set(FIRST_VIEW)


async def no_function(function: str, event: bytes) -> bytes:
    raise NotImplementedError


def test_the_other_views_come_by_themselves_when_the_first_is_there(owner: Visitor) -> None:
    views = {path.name for path in (ROOT / "functions/console/assets/views").iterdir()}
    of_the_platform = {"health.js", "jobs.js", "recovery.js", "sizes.js", "tenants.js"}
    until(lambda: owner.page.wait_for_timeout(100) or views - of_the_platform <= fetched(owner))
    assert not of_the_platform & fetched(owner)


def fetched(visitor: Visitor) -> set[str]:
    return {path.rpartition("/")[2] for path in visitor.paths("/console/assets/")}


def test_a_view_that_does_not_come_says_so_and_leaves_the_rest(owner: Visitor) -> None:
    page = owner.page
    page.route("**/views/members.js", lambda route: route.abort("connectionrefused"))
    owner.go(f"{TENANT}/members")
    expect(page.get_by_role("alert")).to_contain_text("This page could not be fetched")
    page.get_by_role("link", name="Executions").click()
    expect(page.get_by_role("heading", name="Executions", level=1)).to_be_visible()


def test_super_admins_see_the_platform(guest: Visitor) -> None:
    guest.sign_in("Paula")
    look_around(guest, [f"/console/platform/{place}" for place in ("tenants", "storage", "jobs", "recovery", "health")])
    guest.go("/console/platform/jobs")
    expect(guest.page.get_by_role("row", name="rollup")).to_contain_text("done")
    guest.go("/console/platform/recovery")
    expect(guest.page.get_by_text("No drill was made yet")).to_be_visible()


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, platform: LocalPlatform) -> None:
    with visitor(browser, platform, width=390) as phone:
        phone.sign_in("Olive")
        failed = newest(platform, status="error")["id"]
        for place in [*PLACES, f"execution/{failed}"]:
            phone.go(f"{TENANT}/{place}")
            assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390, place
            phone.picture(f"{place.split('/')[0]}-phone")


def test_a_sign_in_leads_back_to_the_place_and_leaves_nothing_behind(guest: Visitor, platform: LocalPlatform) -> None:
    failed = newest(platform, status="error")["id"]
    page = guest.sign_in("Olive", f"{TENANT}/execution/{failed}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Execution of")
    assert page.url == f"{guest.origin}{TENANT}/execution/{failed}"
    sent = [url for url in guest.requests if "/sign-in?" in url]
    assert len(sent) == 1 and "code_challenge_method=S256" in sent[0]
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_an_address_that_is_no_text_is_a_place_like_others_that_do_not_exist(guest: Visitor) -> None:
    guest.page.goto(f"{guest.origin}{TENANT}/overview%E0")
    expect(guest.page.get_by_role("button", name="Sign in").first).to_be_visible()


def test_a_token_that_is_over_says_so_and_leads_back(guest: Visitor, platform: LocalPlatform) -> None:
    def aged(route: Route) -> None:
        tokens = route.fetch().json()
        over = Identity(platform.data).token(OWNER.id, OWNER.email, exp=1)
        route.fulfill(json=tokens | {"access_token": over})

    guest.page.route("**/sign-in/token", aged)
    page = guest.page
    page.goto(f"{guest.origin}{TENANT}/members")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Olive").click()
    expect(page.get_by_role("heading", name="Your session is over")).to_be_visible()
    page.unroute("**/sign-in/token")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Olive").click()
    expect(page.get_by_role("heading", name="Members", level=1)).to_be_visible()


def test_a_platform_that_does_not_answer_is_said_and_asked_again(owner: Visitor) -> None:
    page = owner.page
    page.route("**/routes/**", lambda route: route.abort("connectionrefused"))
    owner.go(f"{TENANT}/members")
    expect(page.get_by_role("alert")).to_contain_text("The platform does not answer")
    page.unroute("**/routes/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("cell", name="demo-owner")).to_be_visible()


def test_a_limit_is_said_and_waited_for(owner: Visitor) -> None:
    page = owner.page
    page.clock.install()
    problem = {"status": 429, "code": "rate_limited", "detail": "The tenant is at its limit.", "request_id": "r1"}
    page.route("**/members?*", lambda route: route.fulfill(status=429, headers={"retry-after": "30"}, json=problem))
    owner.go(f"{TENANT}/members")
    expect(page.get_by_role("alert")).to_contain_text("The tenant is at its limit.")
    expect(page.get_by_role("alert")).to_contain_text("asked for again in 30 s")
    page.unroute("**/members?*")
    page.clock.run_for(31_000)
    expect(page.get_by_role("cell", name="demo-owner")).to_be_visible()


REFUSED = {"status": 429, "code": "rate_limited", "detail": "The tenant is at its limit.", "request_id": "r1"}


@pytest.mark.parametrize("place", [*PLACES, f"workflow/{NOBODY}", f"execution/{NOBODY}", "instance/prod"])
def test_every_view_says_what_it_waits_for(owner_of_all: Visitor, place: str) -> None:
    page = owner_of_all.page
    limited: dict[str, Any] = {"status": 429, "headers": {"retry-after": "600"}, "json": REFUSED}
    page.route("**/routes/**", lambda route: route.fulfill(**limited))
    owner_of_all.go(f"{TENANT}/{place}")
    expect(page.get_by_role("alert").first).to_contain_text("asked for again in 600 s")
    page.unroute("**/routes/**")
    page.route("**/routes/**", lambda route: route.abort("connectionrefused"))
    page.get_by_role("button", name="Try again").first.click()
    expect(page.get_by_role("alert").first).to_contain_text("The platform does not answer")
    assert owner_of_all.violations() == []
    page.unroute("**/routes/**")


def test_a_tenant_that_has_nothing_yet_is_told_so(guest: Visitor, platform: LocalPlatform) -> None:
    page = guest.sign_in("Paula")
    paula = Identity(platform.data).token(PAULA.id, PAULA.email)
    made = page.request.post(
        f"{guest.origin}/routes/tenants",
        headers={"Authorization": f"Bearer {paula}"},
        data={"slug": "empty", "name": "Empty"},
    )
    assert made.status == 201
    for place in PLACES:
        guest.go(f"/console/t/empty/{place}")
        expect(page.get_by_role("alert")).to_have_count(0)
        if place != "keys":
            expect(page.locator(".empty").first).to_be_visible()
        guest.picture(f"empty-{place}")
    assert guest.violations() == []
    assert guest.complaints == []


def test_what_the_platform_refuses_is_shown_with_its_request(owner: Visitor) -> None:
    owner.go(f"{TENANT}/execution/{NOBODY}")
    expect(owner.page.get_by_role("alert")).to_contain_text("Request")
    expect(owner.page.get_by_role("alert")).to_contain_text("There is nothing here")


def test_a_view_that_breaks_says_so_and_leaves_the_rest(owner: Visitor) -> None:
    owner.page.route("**/members?*", lambda route: route.fulfill(body="null", content_type="application/json"))
    owner.go(f"{TENANT}/members")
    expect(owner.page.get_by_role("alert")).to_contain_text("Something went wrong in this page")
    owner.page.get_by_role("link", name="Executions").click()
    expect(owner.page.get_by_role("heading", name="Executions", level=1)).to_be_visible()


def test_members_are_shown_what_is_theirs(guest: Visitor) -> None:
    page = guest.sign_in("Max")
    places = page.get_by_role("navigation", name="Console").get_by_role("link")
    expect(places.filter(has_text="Executions")).to_be_visible()
    expect(places.filter(has_text="API keys")).to_have_count(0)
    guest.go(f"{TENANT}/keys")
    expect(page.get_by_role("alert")).to_contain_text("This is not yours to see")


def first_number(text: str) -> int:
    """Before the change to the period before."""
    return int(re.findall(r"\d+", text)[0])


def figure(page: Page, name: str) -> str:
    return page.locator(".figure", has_text=name).locator("dd").first.inner_text()


def test_what_is_shown_is_what_the_api_answers(owner: Visitor, platform: LocalPlatform) -> None:
    page = owner.page
    owner.go(f"{TENANT}/storage")
    policies = asked(platform, "/routes/tenants/demo/policies")
    assert figure(page, "Executions are hot for") == f"{policies['hot_ttl_days']} days"
    assert figure(page, "Requests a minute") == f"{policies['rate_limit_per_minute']:,}"
    kept = asked(platform, "/routes/analytics/storage")
    rows = page.get_by_role("region", name="What is kept").locator("tbody td:nth-child(2)").all_inner_texts()
    assert rows == [f"{kind['hot_rows']:,}" for kind in kept["kinds"]]
    assert rows[0] == "306"
    owner.go(f"{TENANT}/overview")
    with page.expect_response(re.compile("bucket=hour&time_zone=Australia%2FAdelaide$")):
        page.get_by_label("Period").select_option("1")
    with page.expect_response(re.compile("bucket=day&time_zone=Australia%2FAdelaide$")) as analyzed:
        page.get_by_label("Period").select_option("90")
    totals = analyzed.value.json()["totals"]
    owner.ready()
    assert (totals["total"], totals["error"]) == (306, 46)
    assert (figure(page, "Executions"), figure(page, "Failures")) == ("306", "46")
    assert figure(page, "Success rate") == f"{totals['success_rate']:g} %"
    page.get_by_text("As a table").first.click()
    cells = page.locator("figure").first.locator("tbody td:nth-child(2)").all_inner_texts()
    assert (len(cells), sum(map(int, cells))) == (90, totals["success"])
    owner.go(f"{TENANT}/workflows?days=90")
    assert (
        sum(first_number(text) for text in page.locator("tbody td:nth-child(5)").all_inner_texts()) == totals["error"]
    )
    assert (
        sum(first_number(text) for text in page.locator("tbody td:nth-child(4)").all_inner_texts()) == totals["total"]
    )
    owner.go(f"{TENANT}/failures?days=90")
    errors = asked(platform, "/routes/analytics/errors")["errors"]
    messages = page.get_by_role("region", name="Failures by message").locator("tbody tr")
    expect(messages).to_have_count(len(errors))
    shown = [first_number(text) for text in messages.locator("td:nth-child(2)").all_inner_texts()]
    assert shown == [error["count"] for error in errors] == [21, 15, 10]
    owner.go(f"{TENANT}/executions?status=error")
    for _ in range(2):  # until all are there
        if page.get_by_role("button", name="Show more").count():
            page.get_by_role("button", name="Show more").click()
            owner.ready()
    summary = asked(platform, "/routes/history/workflow-executions/stats/summary?days=365")
    expect(page.locator("tbody tr")).to_have_count(summary["failed"])
    expect(page.locator("footer")).to_contain_text(ZONE)


def new_base(owner: Visitor, name: str) -> str:
    """Its id, and its page."""
    page = owner.page
    owner.go(f"{TENANT}/knowledge")
    page.get_by_role("button", name="New base").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return page.url.rpartition("/")[2]


def search(page: Page, query: str) -> Locator:
    """What the first passage cites."""
    page.get_by_label("Question").fill(query)
    page.get_by_role("search").get_by_role("button").click()
    expect(page.locator("mark").last).to_be_visible()
    return page.locator(".cite").first


class PaulasTenant:
    """A tenant that a super admin makes and acts in, by the API."""

    def __init__(self, guest: Visitor, platform: LocalPlatform, slug: str) -> None:
        self.guest, self.platform, self.place = guest, platform, f"/console/t/{slug}"
        token = Identity(platform.data).token(PAULA.id, PAULA.email)
        self.headers = {"Authorization": f"Bearer {token}", "X-Tenant": slug}
        self.post("/routes/tenants", {"slug": slug, "name": slug.title()})

    def get(self, path: str) -> Any:
        return self.guest.page.request.get(f"{self.guest.origin}{path}", headers=self.headers).json()

    def post(self, path: str, body: Any, **headers: str) -> Any:
        answer = self.guest.page.request.post(f"{self.guest.origin}{path}", headers=self.headers | headers, data=body)
        assert answer.ok, answer.text()
        return answer.json()

    def report(self, items: list[Any], instance: str) -> None:
        key = self.post("/routes/api-keys", {"name": "n8n", "scopes": ["events:write"]})["token"]
        self.post(f"/routes/n8n/events?instance={instance}", items, Authorization=f"Bearer {key}")

    def forget_workflow(self, name: str) -> None:
        (id,) = [row["id"] for row in self.get("/routes/workflows") if row["n8n_workflow_id"] == name]
        request = self.guest.page.request
        assert request.delete(f"{self.guest.origin}/routes/workflows/{id}", headers=self.headers).ok

    def pull(self) -> None:
        """By this run of the job or by one that is under way."""
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("DATABASE_URL", raising=False)
            while not self.get("/routes/n8n/instances/prod")["pull"]["pulled_at"]:
                assert run("invoke", "restore", "--data", self.platform.data).returncode == 0


def test_a_document_is_put_in_and_found_with_its_words_marked(owner: Visitor, tmp_path: Path) -> None:
    page = owner.page
    new_base(owner, "Handbook")
    document = tmp_path / "refunds.md"
    document.write_text("# Refunds 👍\n\nA refund is paid within fourteen days of the complaint.\n")
    page.get_by_label("Upload files").set_input_files(document)
    expect(page.get_by_text("stored, 1 passage")).to_be_visible()
    expect(page.get_by_role("cell", name="Refunds")).to_be_visible()
    search(page, "refund")
    assert {text.lower() for text in page.locator("mark").all_inner_texts()} <= {"refund", "refunds"}
    expect(page.locator(".cite")).to_contain_text("characters")
    page.wait_for_selector("td .badge.success")  # it is embedded, which the page asks for by itself
    assert owner.violations() == []
    owner.go(f"{TENANT}/knowledge")
    page.get_by_label("Known answers").fill("When is a refund paid? = refunds.md\n\nWho knows? = nothing.md")
    page.get_by_role("button", name="Evaluate").click()
    measured = page.get_by_role("region", name="Evaluation by mode").locator("tbody tr")
    expect(measured).to_have_count(3)
    expect(measured.first).to_contain_text("50 %")
    expect(page.get_by_text("Not among ten results: Who knows?")).to_be_visible()
    assert owner.violations() == []


def test_a_file_is_found_with_the_page_that_a_passage_stands_on(owner: Visitor, tmp_path: Path) -> None:
    page = owner.page
    base = new_base(owner, "Terms")
    terms = tmp_path / "terms.pdf"
    terms.write_bytes(pdf(["Deliveries take a week.", "Refunds are paid within fourteen days."]))
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(pdf([""]))
    page.get_by_label("Upload files").set_input_files([scan, terms])
    expect(page.get_by_text("stored, 1 passage")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("has no text")
    found = search(page, "refunds")
    expect(found).to_contain_text("pages 1 to 2, characters")
    expect(page.get_by_role("region", name="Documents").locator("tbody tr")).to_have_count(1)
    assert owner.violations() == []
    assert owner.foreign() == []
    assert base in page.url


def test_a_file_that_is_one_too_many_is_sent_as_soon_as_it_may_be(owner: Visitor, tmp_path: Path) -> None:
    page = owner.page
    new_base(owner, "Notes")
    note = tmp_path / "note.txt"
    note.write_text("The key is under the mat.")
    limited: dict[str, Any] = {"status": 429, "headers": {"retry-after": "1"}, "json": REFUSED}
    page.route("**/files?*", lambda route: route.fulfill(**limited), times=1)
    with page.expect_response("**/files?*") as refused:
        page.get_by_label("Upload files").set_input_files(note)
    assert refused.value.status == 429
    expect(page.get_by_text("stored, 1 passage")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_large_file_goes_to_the_bucket_and_says_how_far_it_is(
    owner: Visitor, platform: LocalPlatform, tmp_path: Path
) -> None:
    page = owner.page
    base = new_base(owner, "Manuals")
    manual = tmp_path / "manual.pdf"
    manual.write_bytes(pdf(["Oil the hinges.", "Call a technician."], padding=5_000_000))
    wrong = tmp_path / "wrong.pdf"
    wrong.write_bytes(bytes(5_000_000))
    page.evaluate(WATCH_PROGRESS)
    page.get_by_label("Upload files").set_input_files([manual, wrong])
    expect(page.get_by_text("sent, and read in its turn")).to_have_count(2)
    shares = page.evaluate("shares")
    assert (0 < min(shares), max(shares)) == (True, 1)
    uploads = page.get_by_role("region", name="Uploads of large files").locator("tbody tr")
    expect(uploads.filter(has_text="manual.pdf")).to_contain_text("stored")
    expect(uploads.filter(has_text="wrong.pdf")).to_contain_text("failed")
    told = asked(platform, f"/routes/knowledge-bases/{base}/uploads")
    assert [upload["status"] for upload in told] == ["failed", "stored"]
    expect(uploads.filter(has_text="wrong.pdf")).to_contain_text(told[0]["reason"])
    expect(page.get_by_role("cell", name="manual.pdf").last).to_be_visible()
    expect(search(page, "technician")).to_contain_text("pages 1 to 2, characters")
    owner.picture("base-uploads")
    assert owner.violations() == []
    assert owner.complaints == []
    (bucket,) = {TO_THE_BUCKET.split(url)[0] + "/uploads/" for url in owner.foreign()}
    assert f" {bucket}" in page.request.get(f"{owner.origin}/console").headers["content-security-policy"]


def test_a_link_that_is_refused_and_a_storage_that_is_not_reached_are_told(owner: Visitor, tmp_path: Path) -> None:
    page = owner.page
    new_base(owner, "Refused")
    large = tmp_path / "large.txt"
    large.write_bytes(b"a line\n" * 1_000_000)
    denied: dict[str, Any] = {
        "status": 403,
        "headers": {"access-control-allow-origin": "*"},
        "body": "<Code>AccessDenied</Code>",
    }
    page.route(TO_THE_BUCKET, lambda route: route.fulfill(**denied))
    page.get_by_label("Upload files").set_input_files(large)
    expect(page.get_by_role("alert")).to_contain_text("The object storage has refused the file: AccessDenied.")
    page.unroute(TO_THE_BUCKET)
    page.route(TO_THE_BUCKET, lambda route: route.abort("connectionrefused"))
    page.get_by_label("Upload files").set_input_files(large)
    expect(page.get_by_role("alert")).to_contain_text("its CORS rules do not know this page")
    assert owner.violations() == []


def test_an_instance_is_read_and_tested_and_its_gaps_are_shown(guest: Visitor, platform: LocalPlatform) -> None:
    page = guest.sign_in("Paula")
    works = PaulasTenant(guest, platform, "works")
    with n8n_api.serving() as n8n:
        n8n.hold([n8n_api.ran(1), n8n_api.ran(2), n8n_api.ran(5)])
        guest.go(f"{works.place}/instances")
        expect(page.get_by_text("No n8n has reported yet")).to_be_visible()
        page.get_by_role("button", name="Read an instance").click()
        page.get_by_label("Name").fill("prod")
        page.get_by_label("Address of n8n").fill(n8n.url)
        page.get_by_label("API key of n8n").fill("another-key")
        assert guest.violations() == []
        page.get_by_role("button", name="Read", exact=True).click()
        expect(page.get_by_role("heading", name="n8n instance prod", level=1)).to_be_visible()
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("it cannot be read")).to_be_visible()
        expect(page.get_by_role("row", name="Executions")).to_contain_text("key refused")
        page.get_by_role("button", name="Change").click()
        page.get_by_label("API key, where it is another one").fill(n8n_api.KEY)
        page.get_by_role("button", name="Keep").click()
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("n8n answers")).to_be_visible()
        expect(page.get_by_text("n8n 2.8.4")).to_be_visible()
        assert n8n_api.KEY not in page.content()
        works.pull()
        guest.go(f"{works.place}/instance/prod?days=31")
        told = works.get("/routes/n8n/instances/prod/gaps")
        assert (told["arrived"], told["missing"], figure(page, "Arrived"), figure(page, "Missing")) == (3, 2, "3", "2")
        expect(page.get_by_role("region", name="Missing runs").locator("tbody tr")).to_have_count(len(told["gaps"]))
        expect(page.get_by_role("region", name="Missing runs").locator("tbody")).to_contain_text("3 to 4")
        expect(page.locator(".figure", has_text="State")).to_contain_text("up to date")  # it asks again by itself
    look_around(guest, [f"{works.place}/instances", f"{works.place}/instance/prod"])
    guest.page.set_viewport_size({"width": 390, "height": 900})
    for place in ("instances", "instance/prod"):
        guest.go(f"{works.place}/{place}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
        guest.picture(f"{place.replace('/', '-')}-phone")
    guest.go(f"{works.place}/instance/prod")
    page.get_by_role("button", name="Stop reading").click()
    page.get_by_role("button", name="Stop reading").click()
    expect(page.get_by_text("The platform does not read this instance")).to_be_visible()
    assert works.get("/routes/n8n/instances/prod")["pull"] is None


def test_what_was_rejected_is_listed_with_its_reason_and_tried_again(guest: Visitor, platform: LocalPlatform) -> None:
    page = guest.sign_in("Paula")
    works = PaulasTenant(guest, platform, "rejects")
    moved = {"id": "7", "status": "success", "startedAt": "2026-11-20T10:00:00Z", "workflowId": "one"}
    works.report([moved, moved | {"workflowId": "two"}, 1], "staging")
    told = works.get("/routes/n8n/rejected")
    guest.go(f"{works.place}/instances")
    rows = page.get_by_role("region", name="Rejected items").locator("tbody tr")
    expect(rows).to_have_count(2)
    for row, rejection in zip(rows.all(), told, strict=True):
        expect(row).to_contain_text(rejection["error"])
    expect(page.get_by_role("region", name="n8n instances").locator("tbody td").last).to_have_text("2")
    rows.filter(has_text="not an object").get_by_role("button", name="Replay").click()
    expect(page.get_by_text("rejected again")).to_be_visible()
    works.forget_workflow("one")
    rows.filter(has_text="another workflow").get_by_role("button", name="Replay").click()
    expect(page.get_by_role("link", name="n8n's run 7")).to_be_visible()
    expect(rows).to_have_count(1)
    assert guest.violations() == []


def test_members_see_instances_and_change_none(guest: Visitor) -> None:
    page = guest.sign_in("Max")
    guest.go(f"{TENANT}/instances")
    expect(page.get_by_role("heading", name="n8n instances", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Read an instance")).to_have_count(0)


def test_a_key_is_shown_once_and_ends(owner: Visitor) -> None:
    page = owner.page
    owner.go(f"{TENANT}/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name").fill("n8n")
    page.get_by_label("events:write").check()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("flo_live_")).to_be_visible()
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_text("flo_live_")).to_have_count(0)
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("revoked")).to_be_visible()


def test_a_hold_is_made_and_released(owner: Visitor) -> None:
    page = owner.page
    owner.go(f"{TENANT}/storage")
    page.get_by_role("button", name="New hold").click()
    page.get_by_label("Reason").fill("Audit of the year")
    page.get_by_role("button", name="Hold", exact=True).click()
    hold = page.get_by_role("row", name="Audit of the year")
    expect(hold).to_contain_text("held")
    hold.get_by_role("button", name="Release").click()
    hold.get_by_label("Why it is released").fill("It is over")
    hold.get_by_role("button", name="Release").click()
    expect(hold).to_contain_text("It is over")


def test_an_alert_is_set_and_fires(owner: Visitor, platform: LocalPlatform) -> None:
    page = owner.page
    with receiving() as receiver:
        owner.go(f"{TENANT}/alerts")
        page.get_by_role("button", name="New alert").click()
        page.get_by_label("Name").fill("Orders fail")
        page.get_by_label("Webhook goes to").fill(receiver.url)
        page.get_by_label("Per cent that may fail").fill("0")
        assert owner.violations() == []
        owner.picture("alerts-form")
        page.get_by_role("button", name="Set").click()
        expect(page.get_by_text("whsec_")).to_be_visible()
        page.get_by_role("button", name="I have kept it").click()
        row = page.get_by_role("row", name="Orders fail")
        expect(row).to_contain_text("quiet")
        expect(row).to_contain_text("when more than 0 % fail in 1 h 0 min")
        fail_once(page, owner.origin, platform)
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", name="Orders fail", level=1)).to_be_visible()
        expect(page.locator("header .badge")).to_have_text("firing")
        expect(page.locator("tbody tr")).to_contain_text("fired100 % of 1delivered1 attempt answered 204")
        assert owner.violations() == []
        owner.picture("alert")
        assert len(receiver.received) == 1
    owner.go(f"{TENANT}/alerts")
    row.get_by_role("button", name="Turn off").click()
    expect(row.get_by_role("button", name="Turn on")).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    row.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("There is no alert yet.")).to_be_visible()


def fail_once(page: Page, origin: str, platform: LocalPlatform) -> None:
    """A workflow fails, and the jobs see it, by this run or by one that is under way."""
    token = Identity(platform.data).token(OWNER.id, OWNER.email)
    failure = {"workflow_id": asked(platform, "/routes/workflows?limit=1")[0]["id"], "status": "error"}
    sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "data": failure}
    assert page.request.post(f"{origin}/routes/workflow-executions", **sent).ok
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        while not asked(platform, "/routes/alerts")[0]["firing_since"]:
            assert [run("invoke", job, "--data", platform.data).returncode for job in ("rollup", "alert")] == [0, 0]


def test_the_page_of_the_api_is_lent_the_token_to_try_requests(owner: Visitor) -> None:
    documentation = owner.page.context.new_page()
    documentation.goto(f"{owner.origin}/routes/docs#list_workflows")
    expect(documentation.get_by_text("Requests are sent as whoever is signed in")).to_be_visible()
    operation = documentation.locator("details[open]")
    operation.get_by_label("limit").fill("2")
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator("pre")).to_contain_text("200 OK")
    expect(operation.locator("pre")).to_contain_text('"n8n_workflow_id"')


def renamed(page: Page, origin: str, platform: LocalPlatform, id: str, name: str) -> None:
    token = Identity(platform.data).token(OWNER.id, OWNER.email)
    headers = {"Authorization": f"Bearer {token}"}
    assert page.request.put(f"{origin}/routes/workflows/{id}", headers=headers, data={"name": name}).ok


def test_a_change_is_found_taken_back_and_the_taking_back_is_undone(owner: Visitor, platform: LocalPlatform) -> None:
    page, origin = owner.page, owner.origin
    workflow = asked(platform, "/routes/workflows?limit=1")[0]
    id, name = workflow["id"], workflow["name"]
    renamed(page, origin, platform, id, "Renamed by mistake")
    owner.go(f"{TENANT}/recovery")
    page.get_by_role("combobox", name="Table").select_option("workflows")
    page.get_by_role("combobox", name="Action").select_option("update")
    page.get_by_label("Row", exact=True).fill(id)
    with page.expect_response(re.compile(f"audit.table=workflows&action=update&row_id={id}&limit=20$")):
        page.get_by_role("button", name="Show", exact=True).click()
    owner.ready()
    change = page.get_by_role("region", name="Changes").locator("tbody tr").first
    expect(change).to_contain_text("user:demo-owner")
    change.locator("summary").click()
    expect(change).to_contain_text(f'name: "{name}" → "Renamed by mistake"')
    change.get_by_role("button", name="Take back").click()
    page.get_by_label("Reason").fill("It was a mistake")
    preview = page.get_by_role("button", name="Preview")
    preview.click()
    expect(page.get_by_role("region", name="What it would write").locator("tbody")).to_have_text("workflows010")
    expect(page.get_by_role("region", name="Examples")).to_contain_text(id)
    expect(page.get_by_role("heading", name="Before transaction")).to_be_focused()
    assert owner.violations() == []
    owner.picture("recovery-preview")

    renamed(page, origin, platform, id, "Renamed again")
    confirmed(page, "Apply")
    expect(page.get_by_role("alert")).to_contain_text("preview")
    preview.click()
    expect(page.get_by_role("region", name="What it would write").locator("tbody")).to_contain_text("changed by others")
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    renamed(page, origin, platform, id, "Renamed by mistake")
    page.get_by_role("combobox", name="To how it was").select_option("deleted_id")
    page.get_by_label("Its id").fill(NOBODY)
    preview.click()
    expect(page.get_by_role("alert")).to_contain_text("There is nothing here")


def confirmed(page: Page, action: str) -> None:
    page.get_by_role("button", name=action).first.click()
    page.get_by_role("button", name=action).first.click()


def restore_point(platform: LocalPlatform) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DATABASE_URL", raising=False)
        while not asked(platform, "/routes/recovery/tenants/demo/restore-points?limit=1"):
            assert run("invoke", "recover", "--data", platform.data).returncode == 0


def test_a_tenant_goes_back_to_a_moment_and_again_to_before_that(owner: Visitor, platform: LocalPlatform) -> None:
    page = owner.page
    workflow = asked(platform, "/routes/workflows?limit=1")[0]
    restore_point(platform)
    moment = datetime.now(ZoneInfo(ZONE)).replace(microsecond=0) + timedelta(seconds=1)
    until(lambda: datetime.now(UTC) > moment)
    renamed(page, owner.origin, platform, workflow["id"], "Overwritten")
    owner.go(f"{TENANT}/recovery")
    page.get_by_role("textbox", name="Moment").fill(moment.strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_label("workflows", exact=True).check()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Between two restore points")).to_be_visible()
    expect(page.get_by_role("region", name="Examples")).to_contain_text("workflows")
    confirmed(page, "Apply")
    done = page.get_by_role("region", name="Recoveries").locator("tbody tr").first
    expect(done).to_contain_text("done")
    assert asked(platform, f"/routes/workflows/{workflow['id']}")["name"] == workflow["name"]
    confirmed(page, "Undo")
    expect(done).to_contain_text("Undoes another one")
    expect(page.get_by_role("region", name="Recoveries").get_by_role("button")).to_have_count(1)
    assert asked(platform, f"/routes/workflows/{workflow['id']}")["name"] == "Overwritten"
    assert owner.complaints == []


def test_an_admin_sees_what_a_recovery_would_do_and_a_member_nothing_of_it(
    owner: Visitor, browser: Browser, platform: LocalPlatform
) -> None:
    def as_admin(route: Route) -> None:
        person = route.fetch().json()
        route.fulfill(json=person | {"memberships": [one | {"role": "admin"} for one in person["memberships"]]})

    page = owner.page
    workflow = asked(platform, "/routes/workflows?limit=1")[0]["id"]
    renamed(page, owner.origin, platform, workflow, "Of an admin")
    (change,) = asked(platform, f"/routes/recovery/audit?row_id={workflow}&limit=1")
    page.route("**/users/me/status", as_admin)
    owner.sign_in("Olive", f"{TENANT}/recovery?target=transaction&of={change['transaction']}")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("An owner of the tenant may apply it.")).to_be_visible()
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    with visitor(browser, platform) as member:
        member.sign_in("Max", f"{TENANT}/recovery")
        expect(member.page.get_by_role("alert").first).to_contain_text("This is not yours to see")
        assert member.violations() == []
