"""Pictures of every view of the dashboard, in light and dark, of a shop that is at work.

`scripts/screenshots` runs it.
"""

import base64
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from pepperpy_bus.sync import SyncClient
from tests.monitor_svc.browser.conftest import ARGUMENTS, CHROMIUM
from tests.monitor_svc.browser.deployment import TOKEN, Deployment, deployed
from tests.monitor_svc.browser.seeding import seed
from tests.monitor_svc.browser.test_views import settled

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


def main(folder: Path) -> None:
    """Writes the pictures into a folder."""
    with tempfile.TemporaryDirectory() as place, deployed(Path(place)) as shop:
        _start_services(shop, Path(place))
        seed(shop.bus)
        _work(shop.bus)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            _act(browser, shop)
            for theme in ("light", "dark"):
                _take_all(browser, shop, theme, folder)
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


def _work(bus: SyncClient) -> None:
    """Has the shop work: orders of any kind, some invoices that fail, questions to a model."""
    chance = random.Random(7)
    for n, item in enumerate(ITEMS):
        bus.memory.put(f"{item} is kept on shelf {n}.")
    end = time.monotonic() + WORK
    number = 100
    while time.monotonic() < end:
        number += 1
        bus.submit("orders", {"item": chance.choice(ITEMS), "parcels": chance.randint(1, 3)})
        if number % 5 == 0:
            fails = {"fails": f"the printer refused page {number}"} if number % 3 == 0 else {}
            bus.submit("invoices", {"number": number, **fails})
        if number % 20 == 0:
            bus.llm.chat("How long does pepper keep?")
        time.sleep(chance.random() * 0.4)


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


def _take_all(browser: Browser, shop: Deployment, theme: str, folder: Path) -> None:
    page = browser.new_page(base_url=shop.url, viewport=SIZE, color_scheme=theme)  # type: ignore[arg-type]  # a word of two
    for name, path in {**VIEWS, "agent": _agent(page)}.items():
        page.goto(path)
        settled(page)
        page.wait_for_timeout(700)
        _take(page, folder / f"{name}-{theme}.webp")
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
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    main(target)
