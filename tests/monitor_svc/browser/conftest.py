"""A Chromium for each file of tests of the dashboard, and one deployment for all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.monitor_svc.browser.deployment import Deployment, deployed
from tests.monitor_svc.browser.seeding import seed
from tests.node_packages import install
from tests.requirements import missing

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parent / "axe"

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser; its event loop runs as long, and no async test can run meanwhile."""
    if not CHROMIUM.exists():
        missing("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    install(AXE)
    return (AXE / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A broker, workers and a monitor, with tasks of every kind."""
    with deployed(tmp_path_factory.mktemp("shop")) as running:
        running.tasks = seed(running.bus)
        yield running


class Watched:
    """What pages did that none may do.

    Attributes:
        complaints: Errors on the console, exceptions, and what scripts of strangers did.
        hosts: Hosts that were asked for something.
        lost: Whether failed requests are no complaint: the monitor is away on purpose.
    """

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.lost = False

    def watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(str(urlsplit(request.url).hostname)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _heard(self, message: ConsoleMessage) -> None:
        away = self.lost and message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not away:
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Fails the test whose page complained, or asked somebody else than the monitor."""
    one = Watched()
    yield one
    assert one.complaints == []
    assert one.hosts <= {"127.0.0.1", "None"}  # data: has no host


@pytest.fixture
def opened(chromium: Browser, deployment: Deployment, watched: Watched) -> Iterator[Open]:
    """Opens pages of the dashboard: `opened("/tasks", theme="dark", width=360)`."""
    contexts = []

    def open_one(path: str = "/", *, theme: Any = "light", width: int = 1280) -> Page:
        context = chromium.new_context(
            color_scheme=theme,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        watched.watch(page)
        page.goto(deployment.url + path)
        return page

    yield open_one
    for context in contexts:
        hacked = [page.evaluate("window.hacked ?? null") for page in context.pages]
        assert hacked == [None] * len(hacked)
        context.close()
