"""The console in headless Chromium: who visits it, what it asked for, and what a checker of accessibility finds."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

from dev.paths import ROOT
from tests.support.browser import BINARY
from tests.support.clock import HANGS
from tests.support.dev_process import LocalPlatform

AXE = ROOT / "dev/clients/node_modules/axe-core/axe.min.js"
SCREENSHOTS = ROOT / "screenshots"  # what a run leaves to be looked at
ZONE = "Australia/Adelaide"  # whose hours are not those of UTC

expect.set_options(timeout=HANGS * 1000)  # not five seconds: a busy machine is no fault of the page

type Scheme = Literal["light", "dark"]


class Visitor:
    """A page with nobody signed in. It remembers what went wrong and what was asked for."""

    def __init__(self, page: Page, platform: LocalPlatform) -> None:
        self.page, self.origin = page, f"http://127.0.0.1:{platform.port}"
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.script_bytes = 0
        page.set_default_timeout(HANGS * 1000)
        page.on("console", self._noted)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == "script" and response.ok:
            self.script_bytes += len(response.body())

    def sign_in(self, name: str, path: str = "/") -> Page:
        """As one of the demo's people, through the issuer's page, and back at `path`."""
        self.page.goto(self.origin + path)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name=name).click()
        expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()
        return self.page

    def go(self, path: str) -> None:
        """To another place without loading the page, which would forget who is signed in."""
        self.page.evaluate("path => { history.pushState(null, '', path); dispatchEvent(new Event('popstate')); }", path)
        self.ready()

    def ready(self) -> None:
        expect(self.page.locator("main .loading")).to_have_count(0)

    def violations(self) -> list[str]:
        """Of WCAG and of good practice, as axe-core finds them."""
        self.page.evaluate(AXE.read_text() + "; 0")
        found: Any = self.page.evaluate("async () => (await axe.run()).violations")
        return [f"{one['id']} {[node['target'] for node in one['nodes']]}" for one in found]

    def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def foreign(self) -> list[str]:
        """What was asked of other hosts."""
        return [
            url
            for url in self.requests
            if urlsplit(url)._replace(path="", query="", fragment="").geturl() != self.origin
        ]


@contextmanager
def chromium() -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BINARY, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def visitor(browser: Browser, platform: LocalPlatform, width: int = 1280, zone: str = ZONE) -> Generator[Visitor]:
    context = browser.new_context(viewport={"width": width, "height": 900}, timezone_id=zone, locale="en-GB")
    yield Visitor(context.new_page(), platform)
    context.close()
