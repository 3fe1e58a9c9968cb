"""Everything can be done without a mouse."""

from tests.monitor_svc.browser.conftest import Open
from tests.monitor_svc.browser.test_views import settled


def test_g_and_a_letter_goes_somewhere_and_slash_finds(opened: Open) -> None:
    page = opened("/")
    settled(page)
    for keys, path in (("gt", "/tasks"), ("gw", "/agents"), ("gd", "/dead-letters"), ("go", "/")):
        page.keyboard.type(keys)
        page.wait_for_url(f"**{path}")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find-text"
    page.keyboard.type("printer")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks?q=printer")


def test_letters_that_are_typed_into_a_field_go_nowhere(opened: Open) -> None:
    page = opened("/tasks")
    settled(page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("gojk?")
    assert page.input_value("main input[name=q]") == "gojk?"
    assert page.evaluate("location.pathname") == "/tasks"


def test_j_and_k_walk_the_rows_and_enter_opens_one(opened: Open) -> None:
    page = opened("/tasks?q=order-")
    settled(page)
    page.wait_for_selector("main tbody tr[data-row]")
    focused = "document.activeElement.textContent"
    page.keyboard.press("j")
    first = page.evaluate(focused)
    page.keyboard.press("j")
    second = page.evaluate(focused)
    page.keyboard.press("k")
    assert page.evaluate(focused) == first != second
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tasks/{first}")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_first_tab_stop_skips_the_frame_and_every_stop_is_seen(opened: Open) -> None:
    page = opened("/agents")
    settled(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0")
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate(
                "document.activeElement === document.body"
                " || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            )
        )
    assert seen == {True}


def test_the_tail_is_paused_with_a_key_and_an_event_is_copied(opened: Open) -> None:
    page = opened("/tail?since=1h&pattern=task.completed")
    settled(page)
    page.wait_for_selector(".events li")
    page.keyboard.press("p")
    page.wait_for_selector("button:has-text('Go on')")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.click("text=Copy as publish")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("nats pub 'pp.event.task.completed.")
    page.keyboard.press("p")
    page.wait_for_selector("button:has-text('Pause')")
