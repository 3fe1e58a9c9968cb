"""Pictures of every view of the dashboard, in light and dark, of a shop that is at work.

`scripts/screenshots` runs it.
"""

import base64
import contextlib
import itertools
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from pepperpy_bus.sync import SyncClient
from tests.monitor_svc.browser.conftest import ARGUMENTS, CHROMIUM
from tests.monitor_svc.browser.deployment import TOKEN, Deployment, deployed
from tests.monitor_svc.browser.seeding import seed
from tests.monitor_svc.browser.test_views import settled

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "how-to/dashboard.md"
PICTURES = DOCS / "images/dashboard"

SIZE = {"width": 1280, "height": 800}
QUALITY = 80
WORK = 75.0
"""Seconds that the shop works before it is looked at: charts want some history."""
ITEMS = ("black pepper", "long pepper", "cubeb", "pink pepper", "grains of paradise")

VIEWS = {
    "overview": "/",
    "health": "/health",
    "alerts": "/alerts",
    "tasks": "/tasks",
    "task": "/tasks/order-black-pepper",
    "question": "/tasks/order-long-pepper",
    "topics": "/topics",
    "tail": "/tail?since=5m",
    "errors": "/errors",
    "dead-letters": "/dead-letters",
    "agents": "/agents",
    "topology": "/topology",
    "models": "/models",
    "memory": "/memory",
    "snapshots": "/snapshots",
    "audit": "/audit",
    "config": "/config",
}
MODELS = """
[providers.script]
kind = "scripted"
script = "answers.yaml"

[models.default]
targets = ["script/any"]

[prices."script/any"]
input = 0.25
output = 2.0
"""
ANSWERS = """
- text: Pepper keeps for years, in whole grains and in the dark.
  usage: {input_tokens: 912, output_tokens: 128}
"""


def main(folder: Path, only: set[str]) -> None:
    """Writes the pictures into a folder: all, or those of these names."""
    with tempfile.TemporaryDirectory() as place, deployed(Path(place)) as shop:
        _start_services(shop, Path(place))
        seed(shop.bus)
        with _working(shop.bus), sync_playwright() as playwright:
            time.sleep(WORK)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            _act(browser, shop)
            for theme in ("light", "dark"):
                _take_all(browser, shop, theme, folder, only)
            browser.close()


def _start_services(shop: Deployment, place: Path) -> None:
    (place / "models.toml").write_text(MODELS)
    (place / "answers.yaml").write_text(ANSWERS)
    shop.start(
        "provider",
        "provider",
        "run",
        ready=".ready",
        PEPPERPY_PROVIDER_DECLARATION=str(place / "models.toml"),
    )
    shop.start(
        "memory",
        "memory",
        "run",
        ready=".ready",
        PEPPERPY_MEMORY_URL="memory://",
        PEPPERPY_MEMORY_EMBEDDER="hashing",
    )


@contextlib.contextmanager
def _working(bus: SyncClient) -> Iterator[None]:
    ended = threading.Event()
    shop = threading.Thread(target=_work, args=(bus, ended), name="shop")
    shop.start()
    try:
        yield
    finally:
        ended.set()
        shop.join()


def _work(bus: SyncClient, ended: threading.Event) -> None:
    """Has the shop work: orders of any kind, some invoices that fail, questions to a model."""
    chance = random.Random(7)
    for n, item in enumerate(ITEMS):
        bus.memory.put(f"{item} is kept on shelf {n}.")
    for number in itertools.count(100):
        bus.submit("orders", {"item": chance.choice(ITEMS), "parcels": chance.randint(1, 3)})
        if number % 5 == 0:
            fails = {"fails": f"the printer refused page {number}"} if number % 3 == 0 else {}
            bus.submit("invoices", {"number": number, **fails})
        if number % 20 == 0:
            bus.llm.chat("How long does pepper keep?")
        if ended.wait(chance.random() * 0.4):
            return


def _act(browser: Browser, shop: Deployment) -> None:
    """Cancels a task and takes two snapshots, for the records to have something."""
    page = browser.new_page(base_url=shop.url)
    page.goto("/tasks/night-shift-1")
    page.click("main >> button:has-text('Cancel')")
    page.click("dialog >> button:has-text('Cancel the task')")
    page.fill("dialog input[name=token]", TOKEN)
    page.click("dialog >> button:has-text('Sign in')")
    page.wait_for_selector(".notice:has-text('canceled')")
    page.goto("/snapshots")
    for reason in ("before the sale", "after the sale"):
        page.click("text=Take one now")
        page.fill("dialog input[name=reason]", reason)
        page.click("dialog >> button:has-text('Take it')")
        page.wait_for_selector(f"td:has-text('{reason}')")
    page.close()


def _take_all(browser: Browser, shop: Deployment, theme: str, folder: Path, only: set[str]) -> None:
    page = browser.new_page(base_url=shop.url, viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]  # a word of two
    page.set_default_timeout(120_000)
    for name, path in {**VIEWS, "agent": _agent(page)}.items():
        file = folder / f"{name}-{theme}.webp"
        if not only or file.name in only:
            page.goto(path)
            settled(page)
            page.wait_for_timeout(700)  # charts are drawn when they know their size
            _take(page, file)
    page.close()


def _agent(page: Page) -> str:
    page.goto("/agents")
    settled(page)
    return page.get_attribute("main tbody th a >> nth=0", "href") or "/agents"


def _take(page: Page, file: Path) -> None:
    """Writes what is in sight as WebP, which is a third of a PNG."""
    devtools = page.context.new_cdp_session(page)
    taken = devtools.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    file.write_bytes(base64.b64decode(taken["data"]))
    devtools.detach()


if __name__ == "__main__":
    shown = set(re.findall(r"images/dashboard/([\w-]+\.webp)", PAGE.read_text()))
    target = Path(sys.argv[1]) if sys.argv[1:] else PICTURES
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    main(target, set() if sys.argv[1:] else shown)
