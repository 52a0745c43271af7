"""The console in headless Chromium: who visits it, what it asked for, and what a checker of accessibility finds."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

from dev.paths import ROOT
from tests.support.browser import BINARY
from tests.support.clock import HANGS, until
from tests.support.dev_process import LocalPlatform

AXE = ROOT / "dev/clients/node_modules/axe-core/axe.min.js"
SCREENSHOTS = ROOT / "screenshots"  # what a run leaves to be looked at
ZONE = "Australia/Adelaide"  # whose hours are not those of UTC
SCRIPT_BYTES = """
  () => performance.getEntriesByType("resource").filter(({ name }) => name.endsWith(".js"))
    .reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0)
"""

expect.set_options(timeout=HANGS * 1000)  # not five seconds: a busy machine is no fault of the page

type Scheme = Literal["light", "dark"]


class Visitor:
    """A page with nobody signed in. It remembers what went wrong and what was asked for."""

    def __init__(self, page: Page, platform: LocalPlatform) -> None:
        self.page, self.origin = page, f"http://127.0.0.1:{platform.port}"
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(HANGS * 1000)
        page.on("console", self._noted)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _noted(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def sign_in(self, name: str, path: str = "/") -> Page:
        """As one of the demo's people, through the issuer's page, and back at `path`."""
        self.page.goto(self.origin + path)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("link", name=name).click()
        expect(self.page.get_by_role("navigation", name="Console")).to_be_visible()
        return self.page

    def paths(self, under: str) -> list[str]:
        """What was asked for under this path, in its order."""
        return [path for url in self.requests if (path := urlsplit(url).path).startswith(under)]

    def script_bytes(self) -> int:
        """Of the scripts of the page, from the browser's cache or not."""
        return self.page.evaluate(SCRIPT_BYTES)

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


class Held:
    """What a page asks for under these addresses, unanswered until it is let go. So nothing here follows an answer."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page, self._open = page, False
        self._routes: list[Route] = []
        page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if self._open:
            route.continue_()
        else:
            self._routes.append(route)

    def after(self, count: int) -> list[str]:
        """The paths, in order, as soon as there are so many."""
        until(lambda: self._page.wait_for_timeout(20) or len(self._routes) >= count)
        return sorted(urlsplit(route.request.url).path for route in self._routes)

    def let_go(self) -> None:
        self._open = True
        for route in self._routes:
            route.continue_()


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
