"""What the page does when things go wrong: it says so, and never shows old figures as new ones."""

import signal

from tests.monitor_svc.browser.conftest import Open, Watched
from tests.monitor_svc.browser.deployment import Deployment, eventually
from tests.monitor_svc.browser.seeding import seed_hostile
from tests.monitor_svc.browser.test_views import VIEWS, go, settled, until

WRITE_A_SCRIPT = """
() => {
  const one = document.createElement("script");
  one.textContent = "window.hacked = 1";
  document.body.append(one);
}
"""
STALE = "main[data-stale=true] .stale-note"


def test_a_lost_connection_makes_old_figures_look_old_and_comes_back(
    deployment: Deployment, opened: Open, watched: Watched
) -> None:
    page = opened("/agents")
    settled(page)
    assert page.get_attribute("main", "data-stale") == "false"
    known = page.locator("main tbody tr[data-row]").count()
    watched.lost = True
    port = deployment.stop_monitor()
    try:
        page.wait_for_selector(STALE)
        assert page.inner_text("#link-state") == "Not live"
        assert "Not live. This is how it was at" in page.inner_text(STALE)
        look = page.evaluate("getComputedStyle(document.querySelector('.view')).filter")
        assert "grayscale" in look
        assert page.locator("main tbody tr[data-row]").count() == known >= 2
    finally:
        deployment.start_monitor(port)
    page.wait_for_selector("main[data-stale=false]", timeout=30_000)
    assert page.inner_text("#link-state") == "Live"
    assert page.locator(".stale-note").count() == 0


def test_a_monitor_that_stands_still_counts_as_lost_though_its_connection_is_open(
    deployment: Deployment, opened: Open, watched: Watched
) -> None:
    page = opened("/")
    settled(page)
    watched.lost = True
    assert deployment.monitor is not None
    deployment.monitor.send_signal(signal.SIGSTOP)
    try:
        page.wait_for_selector(STALE, timeout=30_000)
    finally:
        deployment.monitor.send_signal(signal.SIGCONT)
    page.wait_for_selector("main[data-stale=false]", timeout=30_000)


def test_html_in_any_text_is_shown_as_text_and_never_runs(
    deployment: Deployment, opened: Open
) -> None:
    failed = seed_hostile(deployment.bus)
    page = opened("/tail?since=10m")
    settled(page)
    page.wait_for_selector("text=<script>window.hacked")
    page.click("li:has-text('note.written') .event")
    hostile = [
        f"/tasks/{failed}",
        "/tasks/hostile-asks",
        "/tasks?q=hostile",
        "/dead-letters?q=hostile",
        "/errors",
        "/models",
    ]
    for path in hostile:
        page.goto(deployment.url + path)
        settled(page)
        eventually(lambda: "<img src=x" in page.inner_text("main"))
        for summary in page.locator("main summary").all():
            summary.click()
        assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert page.evaluate("window.hacked ?? null") is None
    for path in VIEWS:
        go(page, path)
        page.wait_for_selector("main[aria-busy=false]")
    assert page.evaluate("window.hacked ?? null") is None


def test_the_policy_refuses_scripts_and_styles_that_are_written_into_the_page(
    opened: Open, watched: Watched
) -> None:
    page = opened("/health")
    settled(page)
    page.evaluate(WRITE_A_SCRIPT)
    assert page.evaluate("window.hacked ?? null") is None
    assert any("Content Security Policy" in one for one in watched.complaints)
    watched.complaints.clear()


def test_filters_live_in_the_address_and_are_there_after_a_reload(opened: Open) -> None:
    page = opened("/tasks?state=failed")
    settled(page)
    assert page.input_value("select[name=state]") == "failed"
    page.fill("main input[name=q]", "printer")
    page.wait_for_url("**/tasks?state=failed&q=printer")
    eventually(lambda: page.locator("main tbody tr[data-row]").count() == 3)
    page.reload()
    assert page.input_value("main input[name=q]") == "printer"
    eventually(lambda: page.locator("main tbody tr[data-row]").count() == 3)
    page.fill("main input[name=q]", "no such words anywhere")
    page.click("text=Show all tasks")
    until(page, "location.search === ''")
