"""Who may see and do what in the dashboard; pages of other sites, guesses and forged cookies."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.http.answers import Refused
from pepperpy_monitor_svc.http.serving import url_of
from pepperpy_monitor_svc.web.sessions import LIFETIME, Sessions
from pepperpy_schemas.errors import BadConfig
from tests.monitor_svc.web.played import TOKEN
from tests.monitor_svc.web.test_live import tell

ACTS = (
    "/api/tasks/x/cancel",
    "/api/tasks/x/answer",
    "/api/tasks/x/rerun",
    "/api/dead-letters/replay",
    "/api/alerts/silence",
    "/api/snapshots",
)


# --- reading ---


async def test_on_loopback_reading_needs_no_token_and_acting_does(browser: Any) -> None:
    assert (await browser.get("/api/overview"))[0] == 200
    _, _, said = await browser.get("/api/session")
    assert (said["reads"], said["acts"], said["csrf"]) == (True, False, "")
    for path in ACTS:
        status, _, said = await browser.post(path, {})
        assert (status, said["error"]["code"]) == (401, "unauthenticated"), path


async def test_elsewhere_every_read_needs_the_token(opened: Callable[..., Any]) -> None:
    browser = await opened(monitor__host="0.0.0.0")
    for path in ("/api/overview", "/api/tasks", "/api/live", "/api/changes", "/metrics"):
        status, headers, said = await browser.get(path)
        assert (status, said["error"]["code"]) == (401, "unauthenticated"), path
        assert headers["WWW-Authenticate"] == "Bearer"
    for path in ("/", "/healthz", "/api/session"):
        assert (await browser.get(path))[0] == 200, path
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert (await browser.get("/api/overview", headers=good))[0] == 200
    _, _, said = await browser.get("/api/session", headers=good)
    assert (said["reads"], said["csrf"]) == (True, "")
    assert said["acts"] is said["has_acting"]
    bad = {"Authorization": "Bearer no"}
    assert (await browser.get("/api/session", headers=bad))[0] == 401
    assert (await browser.get("/api/overview", headers=bad))[0] == 401
    await browser.log_in()
    assert (await browser.get("/api/overview"))[0] == 200


async def test_elsewhere_it_does_not_start_without_a_token(opened: Callable[..., Any]) -> None:
    with pytest.raises(BadConfig, match="no token"):
        await opened(monitor__host="0.0.0.0", monitor__token=None)
    with pytest.raises(BadConfig, match="fewer than 16"):
        await opened(monitor__token="short")


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via"],
)
async def test_what_a_proxy_on_this_machine_passes_on_needs_the_token(
    browser: Any, header: str
) -> None:
    passed = {header: "dash.example", "Host": "dash.example"}
    status, _, said = await browser.get("/api/overview", headers=passed)
    assert (status, said["error"]["code"]) == (401, "unauthenticated")
    assert (await browser.get("/", headers=passed))[0] == 200
    good = {"Authorization": f"Bearer {TOKEN}", **passed}
    assert (await browser.get("/api/overview", headers=good))[0] == 200


async def test_a_page_behind_a_proxy_with_tls_logs_in(opened: Callable[..., Any]) -> None:
    browser = await opened()
    passed = {
        "Host": "127.0.0.1:8230",
        "Origin": "https://dash.example",
        "Sec-Fetch-Site": "same-origin",
        "X-Forwarded-Host": "dash.example",
        "X-Forwarded-Proto": "https",
    }
    status, headers, _ = await browser.post("/api/login", {"token": TOKEN}, headers=passed)
    assert (status, "Secure" in headers["Set-Cookie"]) == (200, True)


# --- logging in ---


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_never_see(
    opened: Callable[..., Any], bus: Client
) -> None:
    browser = await opened(acting=bus)
    _, headers, said = await browser.post("/api/login", {"token": TOKEN, "name": "Ana\n"})
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert TOKEN not in cookie
    browser.csrf = said["csrf"]
    _, _, session = await browser.get("/api/session")
    assert (session["acts"], session["name"], session["csrf"]) == (True, "Ana", said["csrf"])
    await browser.post("/api/logout")
    _, _, session = await browser.get("/api/session")
    assert (session["acts"], session["csrf"]) == (False, "")


async def test_a_session_that_ended_is_good_for_nothing_even_if_its_cookie_was_copied(
    browser: Any,
) -> None:
    await browser.log_in()
    copied = next(iter(browser.http.cookie_jar))
    await browser.post("/api/logout")
    async with (
        aiohttp.ClientSession(cookies={copied.key: copied.value}) as thief,
        thief.get(f"{browser.base}/api/session") as answer,
    ):
        assert (await answer.json())["csrf"] == ""


@pytest.mark.parametrize("path", ["/api/changes", "/api/live"])
async def test_a_stream_ends_with_the_session_that_opened_it(
    opened: Callable[..., Any], bus: Client, path: str
) -> None:
    browser = await opened(monitor__host="0.0.0.0")
    await browser.log_in()
    async with browser.http.get(browser.base + path) as stream, asyncio.timeout(20):
        assert stream.status == 200
        listening = asyncio.create_task(stream.read())
        await tell(bus, "a")
        assert not listening.done()
        await browser.post("/api/logout")
        while not listening.done():
            await tell(bus, "b")
            await asyncio.sleep(0.05)


async def test_who_guesses_has_to_wait(browser: Any) -> None:
    answers = [await browser.post("/api/login", {"token": f"guess {n}"}) for n in range(10)]
    assert [status for status, _, _ in answers] == [401] * 8 + [429] * 2
    assert answers[-1][1]["Retry-After"] == "60"
    assert (await browser.post("/api/login", {"token": TOKEN}))[0] == 200, "nobody is kept out"


@pytest.mark.parametrize("said", [{}, {"token": ""}, {"token": None}, {"token": [TOKEN]}, [TOKEN]])
async def test_what_is_no_token_is_refused(browser: Any, said: Any) -> None:
    assert (await browser.post("/api/login", said))[0] in (400, 401)


def test_cookies_cannot_be_forged_and_end_with_their_time_and_their_token() -> None:
    at = [1e9]
    sessions = Sessions(TOKEN, clock=lambda: at[0])
    cookie = sessions.log_in(TOKEN, "here", "Ana")
    found = sessions.find(cookie)
    assert found is not None
    assert Sessions(TOKEN, clock=lambda: at[0]).find(cookie) == found, "a restart ends none"
    assert Sessions(TOKEN + "2", clock=lambda: at[0]).find(cookie) is None

    said, _, mark = cookie.partition(".")
    later = json.loads(base64.urlsafe_b64decode(said)) | {"until": 1 << 40}
    forged = base64.urlsafe_b64encode(json.dumps(later).encode()).decode()
    for wrong in (f"{forged}.{mark}", f"{said}.", said, "", ".", f"{said}.{mark}0", "\udcff.x"):
        assert sessions.find(wrong) is None, wrong
    assert sessions.find(f"{said}.{sessions.page_mark(found)}") is None

    at[0] += LIFETIME
    assert sessions.find(cookie) is None


def test_without_a_token_nobody_logs_in_and_no_cookie_is_good() -> None:
    sessions = Sessions("")
    with pytest.raises(Refused, match="there is no token"):
        sessions.log_in("", "here")
    assert sessions.find(f"e30=.{'0' * 64}") is None


# --- pages of other sites ---


async def test_an_act_needs_the_mark_of_the_page_that_logged_in(
    opened: Callable[..., Any], bus: Client
) -> None:
    browser = await opened(acting=bus)
    await browser.log_in()
    good = browser.csrf
    for mark in ("", "0" * 64, good[:-1], good.upper()):
        browser.csrf = mark
        status, _, said = await browser.post("/api/tasks/never-was/cancel")
        assert (status, said["error"]["code"]) == (403, "foreign_page"), mark
    browser.csrf = good
    assert (await browser.post("/api/tasks/never-was/cancel"))[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_may_neither_act_nor_read(
    opened: Callable[..., Any], bus: Client, headers: dict[str, str]
) -> None:
    browser = await opened(acting=bus)
    await browser.log_in()
    status, _, said = await browser.post("/api/tasks/never-was/cancel", headers=headers)
    assert (status, said["error"]["code"]) == (403, "foreign_page")
    assert (await browser.get("/api/overview", headers=headers))[0] == 403
    assert (await browser.post("/api/login", {"token": TOKEN}, headers=headers))[0] == 403


async def test_the_page_s_own_requests_pass(opened: Callable[..., Any], bus: Client) -> None:
    browser = await opened(acting=bus)
    own = {"Origin": browser.base, "Sec-Fetch-Site": "same-origin"}
    status, _, said = await browser.post("/api/login", {"token": TOKEN}, headers=own)
    assert status == 200
    browser.csrf = said["csrf"]
    assert (await browser.post("/api/tasks/never-was/cancel", headers=own))[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "0.0.0.0", ""]
)
async def test_a_name_that_was_made_to_point_here_is_refused(browser: Any, host: str) -> None:
    for path in ("/", "/api/overview", "/static/index.html", "/healthz", "/metrics"):
        status, _, said = await browser.get(path, headers={"Host": host})
        assert (status, said["error"]["code"]) == (421, "foreign_host"), path


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "[::1]:8230", "127.0.0.2"])
async def test_every_name_of_this_machine_is_good(browser: Any, host: str) -> None:
    assert (await browser.get("/api/overview", headers={"Host": host}))[0] == 200


async def test_a_form_of_another_site_cannot_act(opened: Callable[..., Any], bus: Client) -> None:
    browser = await opened(acting=bus)
    await browser.log_in()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        status, _, said = await browser.ask(
            "POST",
            "/api/tasks/x/cancel",
            data=b"{}",
            headers={"Content-Type": kind, "X-CSRF-Token": browser.csrf},
        )
        assert (status, said["error"]["code"]) == (415, "unsupported_type")


# --- what every answer has ---


async def test_every_answer_has_the_headers_that_protect(browser: Any) -> None:
    for path in (
        "/",
        "/tasks/x",
        "/static/index.html",
        "/api/overview",
        "/api/nothing",
        "/healthz",
    ):
        _, headers, _ = await browser.get(path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8230"),
        ("0.0.0.0", "http://127.0.0.1:8230"),
        ("::1", "http://[::1]:8230"),
        ("[::1]", "http://[::1]:8230"),
        ("::", "http://[::1]:8230"),
        ("dash.example", "http://dash.example:8230"),
    ],
)
def test_an_address_that_is_said_can_be_opened(host: str, url: str) -> None:
    assert url_of(host, 8230) == url
