"""Twenty thousand tasks: the page holds a window of them, and keeps moving."""

from playwright.sync_api import Page

from tests.monitor_svc.browser.conftest import Open
from tests.monitor_svc.browser.deployment import Deployment
from tests.monitor_svc.browser.seeding import seed_many
from tests.monitor_svc.browser.test_views import settled, until

MANY = 20_000
ROWS = "main tbody tr[data-row]"

SCROLL = """
async () => {
  const frame = document.querySelector(".long");
  let [frames, longest, before] = [0, 0, performance.now()];
  for (let step = 0; step < 60; step += 1) {
    frame.scrollTop += 700;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    [frames, longest, before] = [frames + 1, Math.max(longest, now - before), now];
  }
  const rows = document.querySelectorAll(".long tr[data-row]").length;
  return { frames, longest, rows, top: frame.scrollTop };
}
"""


def names(page: Page) -> list[str]:
    return page.locator(f"{ROWS} th a").all_text_contents()


def test_a_list_of_twenty_thousand_tasks_draws_only_what_is_in_sight(
    deployment: Deployment, opened: Open
) -> None:
    seed_many(deployment.bus, MANY)
    page = opened("/tasks?topic=bulk")
    settled(page)
    until(page, f"document.querySelector('main .heading').textContent.includes('{MANY:,} tasks')")
    assert page.locator(ROWS).count() < 80
    first = names(page)
    moved: dict[str, float] = {}
    for _ in range(3):
        moved = page.evaluate(SCROLL)
        assert moved["frames"] == 60
        assert moved["rows"] < 80
        page.wait_for_timeout(200)  # what was asked for arrives
    later = names(page)
    assert moved["top"] > 5_000
    assert not set(first) & set(later)
    assert len(set(later)) == len(later)
    page.fill("main input[name=q]", "bulk-19999")
    until(page, "document.querySelectorAll('.long tr[data-row]').length === 1")
