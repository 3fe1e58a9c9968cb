"""Every view as people see it: accessible, calm, and at home on any screen."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.monitor_svc.browser.conftest import Open
from tests.monitor_svc.browser.deployment import Deployment, eventually

VIEWS = {
    "/": "Overview",
    "/tasks": "Tasks",
    "/topics": "Topics and streams",
    "/tail?since=1h": "Live tail",
    "/agents": "Agents",
    "/health": "Health",
    "/errors": "Errors",
    "/topology": "Topology",
    "/models": "Models and money",
    "/memory": "Memory",
    "/dead-letters": "Dead letters",
    "/alerts": "Alerts",
    "/snapshots": "Snapshots",
    "/audit": "Audit log",
    "/config": "Config",
    "/tasks/order-black-pepper": "order-black-pepper",
    "/tasks/order-long-pepper": "order-long-pepper",
}
WIDTHS = (1280, 768, 360)

TOO_WIDE = """
() => [...document.querySelectorAll("body *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest(".scroll, .side, .hidden, .json, .command, pre, svg"))
  .map((one) => `${one.tagName} ${one.className}`).slice(0, 3)
"""


def until(page: Page, truth: str) -> None:
    """Returns when an expression holds; a page's policy refuses to ask for it by itself."""
    eventually(lambda: page.evaluate(truth), 60)


def settled(page: Page) -> None:
    """Returns when the view has drawn what it has read."""
    page.wait_for_selector("main[aria-busy=false] .view h1")
    until(page, "document.body.dataset.link === 'live'")


def go(page: Page, path: str) -> None:
    """Goes to another view as a link does, without loading the page again."""
    page.evaluate("(to) => history.pushState(null, '', to)", path)
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")


def violations(page: Page, axe: str) -> list[Any]:
    """What axe-core finds on a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], [node["html"][:160] for node in one["nodes"][:3]])
        for one in found["violations"]
    ]


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_is_accessible_in_light_and_dark_and_fits_every_screen(
    opened: Open, axe: str, path: str
) -> None:
    page = opened(path)
    settled(page)
    assert page.inner_text("main h1").startswith(VIEWS[path])
    assert page.title().endswith("· PepperPy")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert sizes[0] <= sizes[1], page.evaluate(TOO_WIDE)
        assert page.evaluate(TOO_WIDE) == []
    assert violations(page, axe) == []
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="dark")
    assert violations(page, axe) == []


def test_an_instance_has_a_page_with_charts(opened: Open, axe: str) -> None:
    page = opened("/agents")
    page.click("main tbody a >> nth=0")
    page.wait_for_url("**/agents/cl*/*")
    settled(page)
    page.wait_for_selector("figure.chart canvas", timeout=30_000)
    assert violations(page, axe) == []
    assert "CPU" in page.inner_text("main")


def test_an_address_that_means_nothing_says_so(opened: Open) -> None:
    page = opened("/")
    go(page, "/nowhere")
    page.wait_for_selector("text=There is no such page")


def test_dialogs_and_the_menu_of_small_screens_are_accessible(opened: Open, axe: str) -> None:
    page = opened("/tasks/order-black-pepper")
    settled(page)
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.click("text=Run again")
    page.wait_for_selector("dialog[open]")
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 360, "height": 700})
    page.click("#menu")
    assert page.get_attribute("#menu", "aria-expanded") == "true"
    assert violations(page, axe) == []
    page.click("nav >> text=Agents")
    page.wait_for_url("**/agents")
    assert page.get_attribute("#menu", "aria-expanded") == "false"


def test_the_switch_chooses_a_theme_that_stays(opened: Open) -> None:
    page = opened("/health")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    page.click("#theme")
    assert page.get_attribute("#theme", "aria-label") == "Theme: Dark"
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_the_overview_has_what_the_fleet_did(deployment: Deployment, opened: Open) -> None:
    page = opened("/")
    settled(page)
    assert page.is_visible("text=Tasks by state")
    eventually(lambda: re.search(r"[1-9]\nwait for people", page.inner_text(".figures")))
    page.click(".figure >> text=Questions")
    page.wait_for_url("**/tasks?state=input-required")
    page.wait_for_selector("text=Send 40 kg to Malta?")


def test_a_task_has_its_whole_story(opened: Open) -> None:
    page = opened("/tasks/order-black-pepper")
    settled(page)
    text = page.inner_text("main")
    for words in (
        "look into the store",
        "Attempt 1 started",
        "Children (3)",
        "Ended: completed",
        "parcels",
    ):
        assert words in text
    assert page.locator("svg .node").count() == 4


def test_the_topology_says_the_same_as_a_picture_and_as_a_table(opened: Open) -> None:
    page = opened("/topology")
    settled(page)
    eventually(lambda: page.locator("svg .node").count() >= 4)
    assert (
        page.locator("svg .edge").count() == page.locator("main table >> nth=0 >> tbody tr").count()
    )
    page.wait_for_selector("main table >> text=clerk")
    # The one that no worker takes.
    page.wait_for_selector(".node:has-text('nobody-works') text.note:has-text('1 waiting')")
