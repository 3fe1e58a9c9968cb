"""What the dashboard answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from pepperpy import Agent, Context
from pepperpy_bus.client import Client
from pepperpy_bus.tasks.deadletters import write_letter
from pepperpy_monitor_svc.http.answers import json_answer
from pepperpy_monitor_svc.web.app import VIEWS
from pepperpy_monitor_svc.web.files import FOLDER
from pepperpy_schemas.errors import HandlerError
from pepperpy_schemas.monitor import AgentRow, TaskRow
from tests.monitor_svc.web.played import TOKEN

READS = (
    "overview", "topics", "streams", "tasks", "agents", "health", "errors", "topology", "models",
    "memory", "dead-letters", "alerts", "snapshots", "audit", "config", "questions", "session",
)  # fmt: skip


@pytest.mark.parametrize("name", READS)
async def test_every_read_answers_with_json(browser: Any, name: str) -> None:
    status, headers, said = await browser.get(f"/api/{name}")
    assert status == 200, said
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"
    assert isinstance(said, dict)


# --- the page and its files ---


async def test_every_view_is_the_one_page(browser: Any) -> None:
    page = (FOLDER / "index.html").read_bytes()
    for view in VIEWS:
        path = view.format(id="x", agent="a", instance="b")
        status, headers, said = await browser.get(path)
        assert (status, headers["Content-Type"], said) == (200, "text/html; charset=utf-8", page)
    status, _, said = await browser.get("/elsewhere")
    assert (status, said["error"]["code"]) == (404, "not_found")


async def test_a_file_is_sent_once_and_compressed(browser: Any) -> None:
    status, headers, said = await browser.get("/static/index.html")
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    assert headers["Content-Encoding"] == "gzip"
    tag = headers["ETag"]
    for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        status, headers, said = await browser.get(
            "/static/index.html", headers={"If-None-Match": told}
        )
        assert (status, said, headers["ETag"]) == (304, b"", tag)
    status, headers, said = await browser.get(
        "/static/index.html", headers={"Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in headers
    assert said == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2f%2e%2e%2fmonitor.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/index.html%00.js",
        "/static/index.html/",
        "/static/.",
        "/static/",
        "/static/%ff",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
async def test_no_path_leads_out_of_the_folder(browser: Any, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    status = int(answer.split(b" ", 2)[1])
    assert status in (400, 404), answer[:200]
    assert b"root:" not in answer
    assert b"import" not in answer


async def test_it_is_alive_at_once_and_ready_when_it_knows_what_happened_before(
    browser: Any,
) -> None:
    assert (await browser.get("/healthz"))[0] == 200
    status, _, said = await browser.get("/readyz")
    assert (status, said["error"]["code"]) == (503, "starting")
    _, _, said = await browser.get("/api/overview")
    assert said["complete"] is False


# --- lists ---


async def test_what_is_asked_for_reaches_the_fleet(browser: Any) -> None:
    path = (
        "/api/tasks?q=Ana&state=failed,rejected&state=canceled&topic=orders*&code=timeout"
        "&since=15m&until=2030-01-01T00:00:00Z&limit=7"
    )
    assert (await browser.get(path))[0] == 200
    query = browser.watched.fleet.queries[-1]
    assert query.state == ["failed", "rejected", "canceled"]
    assert (query.text, query.topic, query.code, query.limit) == ("Ana", "orders*", "timeout", 7)
    assert query.since is not None
    assert query.until.year == 2030


@pytest.mark.parametrize("path", ["tasks?state=failed&", "audit?", "dead-letters?"])
async def test_a_filter_that_is_none_is_refused(browser: Any, path: str) -> None:
    status, _, said = await browser.get(f"/api/{path}bogus=1")
    assert (status, said["error"]["code"]) == (400, "bad_query")
    assert "'bogus'" in said["error"]["message"]
    assert "limit, cursor" in said["error"]["hint"]


async def test_it_says_what_can_be_asked_and_so_does_the_page_of_the_docs(browser: Any) -> None:
    _, _, said = await browser.get("/api")
    page = (Path(__file__).parents[3] / "docs/how-to/dashboard.md").read_text()
    for one in said["items"]:
        assert one["does"], one
        assert f"`{one['path']}`" in page, one
    assert {"GET", "POST"} == {one["method"] for one in said["items"]}


@pytest.mark.parametrize(
    "query",
    [
        "state=great",
        "limit=0",
        "limit=100000",
        "limit=x",
        "since=yesterday",
        "since=1e9",
        "q=" + "x" * 600,
    ],
)
async def test_a_query_that_makes_no_sense_says_so(browser: Any, query: str) -> None:
    status, _, said = await browser.get(f"/api/tasks?{query}")
    assert (status, said["error"]["code"]) == (400, "bad_query")


HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>'\"&"


async def test_html_in_any_text_stays_a_text(browser: Any) -> None:
    row = TaskRow(id="x", topic="t", state="failed", message=HTML, source=HTML, code=HTML)
    browser.watched.fleet.rows = [row]
    browser.watched.fleet.instances = [AgentRow(agent=HTML, instance=HTML, state="up", reason=HTML)]
    for path in ("/api/tasks", "/api/agents", f"/api/tasks?q={HTML}"):
        status, headers, said = await browser.get(path)
        assert status == 200
        assert headers["Content-Type"].startswith("application/json")
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert said["items"][0]["message"] == HTML
    for path in (f"/{HTML}", f"/api/agents/{HTML}/x", f"/api/tasks/{HTML}"):
        status, headers, said = await browser.get(path)
        assert status in (400, 404)
        assert headers["Content-Type"].startswith("application/json")


async def test_a_large_answer_is_compressed(browser: Any) -> None:
    browser.watched.fleet.rows = [
        TaskRow(id=f"t{n}", topic="t", state="failed") for n in range(500)
    ]
    async with browser.http.get(
        f"{browser.base}/api/tasks?limit=500", headers={"Accept-Encoding": "gzip"}
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert int(answer.headers["Content-Length"]) < 10_000
        assert len((await answer.json())["items"]) == 500


async def test_others_are_answered_while_megabytes_are_compressed() -> None:
    loop = asyncio.get_running_loop()
    ran: list[int] = []
    request = make_mocked_request("GET", "/", headers={"Accept-Encoding": "gzip"})
    answer = json_answer(request, {"items": [f"number {n}" for n in range(300_000)]})
    loop.call_later(0.001, ran.append, 1)
    await answer.prepare(request)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert ran


async def test_secrets_are_hidden_among_the_settings(opened: Any) -> None:
    browser = await opened(
        nats__user="ana", nats__password="hunter2-hunter2", memory__url="redis://u:p4ssword@h/0"
    )
    status, _, said = await browser.get("/api/config")
    assert status == 200
    rows = {one["name"]: one for one in said["items"]}
    assert rows["monitor.token"]["value"] == "***"
    assert rows["nats.password"]["value"] == "***"
    assert rows["nats.user"]["value"] == "ana"
    for secret in (TOKEN, "hunter2", "p4ssword"):
        assert secret not in str(said)


# --- one task ---


async def test_a_task_s_page_tells_its_story_its_family_and_its_trace(
    browser: Any, bus: Client, working: Any
) -> None:
    agent = Agent("family")

    @agent.task("parent")
    async def parent(n: int, ctx: Context) -> Any:
        return await ctx.run("child", n + 1)

    @agent.task("child")
    async def child(n: int) -> int:
        return n

    async with working(agent):
        task_id = await bus.submit("parent", 1)
        assert await bus.result(task_id, wait=20) == 2
        browser.watched.fleet.rows = [TaskRow(id=task_id, topic="parent", state="completed")]
        status, _, said = await browser.get(f"/api/tasks/{task_id}")
    assert status == 200
    assert said["task"]["id"] == task_id
    assert (said["explanation"]["data"], said["question"]) == (2, None)
    assert [one["what"] for one in said["timeline"]][-1] == "ended"
    nodes = said["children"]["nodes"]
    assert [(one["topic"], one["state"]) for one in nodes] == [
        ("parent", "completed"),
        ("child", "completed"),
    ]
    assert nodes[1]["parent"] == task_id
    spans = said["trace"]["spans"]
    assert {nodes[0]["id"], nodes[1]["id"]} <= {span["task_id"] for span in spans}


async def test_a_task_that_nobody_knows_is_not_found(browser: Any) -> None:
    status, _, said = await browser.get("/api/tasks/never-was")
    assert (status, said["error"]["code"]) == (404, "not_found")


# --- dead letters ---


async def file_letters(bus: Client, count: int, topic: str = "echo") -> None:
    for n in range(count):
        error = HandlerError(f"number {n}").info()
        body = b'{"n":%d}' % n
        letter = write_letter(
            f"{topic}{n}", topic, error, body=body, headers={}, attempts=[], deliveries=1
        )
        await bus.dead_letters.put(letter)


async def test_dead_letters_come_page_by_page_the_newest_first(browser: Any, bus: Client) -> None:
    await file_letters(bus, 25)
    await file_letters(bus, 3, topic="other")
    found: list[str] = []
    cursor = ""
    while True:
        path = f"/api/dead-letters?topic=echo&limit=10&cursor={cursor}".removesuffix("&cursor=")
        _, _, said = await browser.get(path)
        assert said["total"] == 25
        found += [one["task"] for one in said["items"]]
        cursor = said["next"]
        if cursor is None:
            break
    assert found == [f"echo{n}" for n in reversed(range(25))]
    _, _, said = await browser.get("/api/dead-letters?q=NUMBER 1")
    ones = [f"echo{n}" for n in (*reversed(range(10, 20)), 1)]
    assert [one["task"] for one in said["items"]] == ["other1", *ones]


# --- services ---


async def test_a_service_that_is_not_there_is_not_waited_for(browser: Any) -> None:
    _, _, said = await browser.get("/api/models")
    assert said["provider"]["error"]["message"] == "no provider service is up"
    browser.watched.fleet.instances = [AgentRow(agent="memory", instance="m", state="up")]
    _, _, said = await browser.get("/api/memory")
    assert said["memory"]["status"] is None
    assert "is up" not in said["memory"]["error"]["message"]


# --- one instance, and what nobody foresaw ---


async def test_one_instance_is_shown_with_its_tasks(browser: Any) -> None:
    browser.watched.fleet.instances = [AgentRow(agent="a", instance="1", state="lost")]
    status, _, said = await browser.get("/api/agents/a/1")
    assert (status, said["agent"]["state"], said["series"], said["tasks"]) == (200, "lost", [], [])
    assert browser.watched.fleet.queries[-1].agent == "a/1"
    assert (await browser.get("/api/agents/a/2"))[0] == 404


async def test_what_nobody_foresaw_is_logged_and_not_shown(
    browser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the password is hunter2")

    browser.watched.fleet.topology = broken
    status, headers, said = await browser.get("/api/topology")
    assert (status, said["error"]["code"], said["error"]["category"]) == (500, "internal", "bus")
    assert "hunter2" not in str(said)
    assert "Content-Security-Policy" in headers
    assert "http.failed" in caplog.text


async def test_the_metrics_are_text_for_prometheus(browser: Any) -> None:
    status, headers, said = await browser.get("/metrics")
    assert status == 200, said
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
