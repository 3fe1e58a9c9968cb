"""What people do on the page happens on the bus, and is done by nobody who has not signed in."""

from playwright.sync_api import Page

from pepperpy_schemas.states import TaskState
from tests.monitor_svc.browser.conftest import Open, Watched
from tests.monitor_svc.browser.deployment import TOKEN, Deployment, eventually
from tests.monitor_svc.browser.test_views import until


def sign_in(page: Page) -> None:
    page.fill("dialog input[name=token]", TOKEN)
    page.click("dialog >> button:has-text('Sign in')")
    page.wait_for_selector("#session:has-text('Sign out')")


def test_a_task_is_canceled_after_signing_in(deployment: Deployment, opened: Open) -> None:
    task = deployment.bus.submit("night-shift", 600)
    page = opened(f"/tasks/{task}")
    page.click("main >> button:has-text('Cancel')")
    page.fill("dialog input[name=reason]", "the night is over")
    page.click("dialog >> button:has-text('Cancel the task')")
    sign_in(page)
    page.wait_for_selector(".notice:has-text('canceled')")
    assert eventually(lambda: deployment.bus.task_state(task) == TaskState.CANCELED)
    page.wait_for_selector("main .heading >> text=canceled")
    assert page.locator("main >> button:has-text('Cancel')").count() == 0


def test_a_wrong_token_is_refused_in_the_dialog(opened: Open, watched: Watched) -> None:
    watched.lost = True  # the browser itself complains of the status 401
    page = opened("/health")
    page.click("#session")
    page.fill("dialog input[name=token]", "a-guess-that-is-wrong")
    page.click("dialog >> button:has-text('Sign in')")
    page.wait_for_selector("dialog .problem:has-text('that is not the token')")
    page.keyboard.press("Escape")
    assert page.inner_text("#session") == "Sign in"


def test_a_question_is_answered_with_one_of_its_choices(
    deployment: Deployment, opened: Open
) -> None:
    task = deployment.bus.submit(
        "orders", {"item": "cubeb", "ask": "Send it?", "choices": ["yes", "no"]}
    )
    eventually(lambda: deployment.bus.question(task))
    page = opened(f"/tasks/{task}")
    page.click("#session")
    sign_in(page)
    page.click(".asks >> button:has-text('no')")
    assert deployment.bus.result(task, wait="20s") == {"sent": False}
    page.wait_for_selector("main .heading >> text=completed")
    page.wait_for_selector("text=Goes on by an answer")


def test_a_question_without_choices_takes_text(deployment: Deployment, opened: Open) -> None:
    task = deployment.bus.submit("orders", {"item": "cubeb", "ask": "Send it where?"})
    eventually(lambda: deployment.bus.question(task))
    page = opened(f"/tasks/{task}")
    page.click("#session")
    sign_in(page)
    page.fill(".asks textarea", "no")
    page.click(".asks >> button:has-text('Answer')")
    assert deployment.bus.result(task, wait="20s") == {"sent": False}


def test_chosen_dead_letters_are_replayed(deployment: Deployment, opened: Open) -> None:
    task = deployment.bus.submit(
        "invoices", {"number": 77, "fails": "no ink for 77"}, id="no-ink-77"
    )
    deployment.bus.ended(task, wait="30s")
    page = opened("/dead-letters?q=no-ink-77")
    page.check("[aria-label='Choose the letter of no-ink-77']")
    page.click("main >> button:has-text('Replay 1')")
    page.click("dialog >> button:has-text('Replay')")
    sign_in(page)
    page.wait_for_selector(".notice:has-text('1 task submitted again')")
    page.goto(f"{deployment.url}/tasks?q=no+ink+for+77")
    eventually(lambda: page.locator("main tbody tr[data-row]").count() == 2)


def test_a_task_is_run_again_and_the_page_goes_to_the_new_one(
    deployment: Deployment, opened: Open
) -> None:
    page = opened("/tasks/order-black-pepper")
    page.click("#session")
    sign_in(page)
    page.click("main >> button:has-text('Run again') >> nth=0")
    page.click("dialog >> button:has-text('Run again')")
    until(page, "!location.pathname.endsWith('order-black-pepper')")
    new = page.evaluate("location.pathname.split('/').at(-1)")
    assert deployment.bus.result(new, wait="20s")["sent"] is True
    page.wait_for_selector("text=Repeats")


def test_an_alert_is_silenced_and_the_silence_ended(deployment: Deployment, opened: Open) -> None:
    page = opened("/alerts")
    page.click("#session")
    sign_in(page)
    # Failed tasks are in the shop from its beginning; the rules look at them every few seconds.
    page.wait_for_selector("main button:has-text('Silence')", timeout=90_000)
    page.click("main button:has-text('Silence') >> nth=0")
    page.fill("dialog input[name=comment]", "the printer is being mended")
    page.click("dialog >> button:has-text('Silence')")
    page.wait_for_selector("main td:has-text('the printer is being mended')")
    page.wait_for_selector("main td:has-text('silenced')")
    page.click("main button:has-text('End')")
    page.wait_for_selector("main td:has-text('over')")


def test_two_snapshots_are_taken_and_compared(deployment: Deployment, opened: Open) -> None:
    page = opened("/snapshots")
    page.click("#session")
    sign_in(page)
    for reason in ("before", "after"):
        page.click("text=Take one now")
        page.fill("dialog input[name=reason]", reason)
        page.click("dialog >> button:has-text('Take it')")
        page.wait_for_selector(f"td:has-text('{reason}')")
        deployment.bus.result(deployment.bus.submit("invoices", {"number": 1}), wait="30s")
    page.click("tr:has-text('before') >> input[name=a]")
    page.click("tr:has-text('after') >> input[name=b]")
    page.wait_for_selector("h2:has-text('What is different')")
    page.wait_for_selector("text=did not.")
    assert "a=" in page.evaluate("location.search")


def test_who_acted_is_in_the_audit_log(deployment: Deployment, opened: Open) -> None:
    task = deployment.bus.submit("night-shift", 600)
    page = opened(f"/tasks/{task}")
    page.click("#session")
    sign_in(page)
    page.click("main >> button:has-text('Cancel')")
    page.click("dialog >> button:has-text('Cancel the task')")
    page.wait_for_selector(".notice:has-text('canceled')")
    page.goto(f"{deployment.url}/audit?target={task}&action=cancel")
    page.wait_for_selector(f"main td >> text={task}")
