"""What people do from the dashboard, done on a real bus."""

import asyncio
from collections.abc import Callable
from typing import Any

from pepperpy import Agent, Context
from pepperpy_bus.client import Client
from pepperpy_bus.streams.reading import all_on
from pepperpy_monitor_svc.web.doing import Doing
from pepperpy_schemas.catalog.events import AUDIT
from pepperpy_schemas.messages import AuditRecord
from pepperpy_schemas.subjects import stream_name
from tests.monitor_svc.web.test_reads import file_letters


async def said_of(bus: Client, action: str) -> list[AuditRecord]:
    """What the audit log was told of an action."""
    subject = AUDIT.pattern(bus.prefix, action=action)
    stored = await all_on(bus.connection, stream_name(bus.prefix, "AUDIT"), subject)
    return [AUDIT.decode(one.body) for one in stored]


def asker() -> Agent:
    agent = Agent("asker")

    @agent.task("ask")
    async def ask(n: int, ctx: Context) -> Any:
        return [n, await ctx.ask("Send it?", choices=["yes", "no"])]

    return agent


async def acting(opened: Callable[..., Any], bus: Client) -> Any:
    browser = await opened(acting=bus)
    await browser.log_in(name="Ana")
    return browser


async def question(browser: Any) -> Any:
    async with asyncio.timeout(20):
        while True:
            _, _, said = await browser.get("/api/questions")
            if said["items"]:
                return said["items"][0]
            await asyncio.sleep(0.02)


async def test_a_dashboard_that_has_nobody_to_act_as_says_so(browser: Any) -> None:
    await browser.log_in()
    status, _, said = await browser.post("/api/tasks/x/cancel")
    assert (status, said["error"]["code"]) == (403, "read_only")
    assert "monitor.acting_user" in said["error"]["hint"]
    assert (await browser.get("/api/session"))[2]["acts"] is False


async def test_a_task_is_canceled_by_who_was_logged_in(
    opened: Callable[..., Any], bus: Client, working: Any
) -> None:
    browser = await acting(opened, bus)
    async with working(asker()):
        task_id = await bus.submit("ask", 1)
        await question(browser)
        status, _, said = await browser.post(f"/api/tasks/{task_id}/cancel", {"reason": "no need"})
        assert (status, said) == (200, {"id": task_id, "canceled": True})
        ended = await bus.ended(task_id)
        assert ended.result.error is not None
        assert "by dashboard:Ana@127.0.0.1: no need" in ended.result.error.message
        status, _, said = await browser.post(f"/api/tasks/{task_id}/answer", {"answer": "yes"})
        assert (status, said["error"]["code"]) == (404, "not_found")


async def test_a_question_is_answered_and_the_task_is_done_again(
    opened: Callable[..., Any], bus: Client, working: Any
) -> None:
    browser = await acting(opened, bus)
    async with working(asker()):
        task_id = await bus.submit("ask", 1)
        asked = await question(browser)
        assert (asked["task_id"], asked["wait"]["text"]) == (task_id, "Send it?")
        _, _, said = await browser.get(f"/api/tasks/{task_id}")
        assert said["question"]["wait"]["choices"] == ["yes", "no"]
        path = f"/api/tasks/{task_id}/answer"
        status, _, said = await browser.post(path, {"answer": "perhaps"})
        assert (status, said["error"]["code"]) == (400, "bad_payload")
        status, _, said = await browser.post(path, {"question": 7, "answer": "yes"})
        assert (status, said["error"]["code"]) == (404, "not_found")
        status, _, said = await browser.post(path, {"question": 1, "answer": "yes"})
        assert (status, said) == (200, {"id": task_id, "question": 1})
        assert await bus.result(task_id, wait=20) == [1, "yes"]

        status, _, said = await browser.post(f"/api/tasks/{task_id}/rerun")
        assert (status, said["of"]) == (200, task_id)
        await question(browser)
        await browser.post(f"/api/tasks/{said['id']}/answer", {"answer": "no"})
        assert await bus.result(said["id"], wait=20) == [1, "no"]
    record = (await said_of(bus, "rerun"))[0]
    assert record.target == task_id
    assert record.data["as"] == "dashboard:Ana@127.0.0.1"


async def test_dead_letters_are_replayed_and_those_that_are_gone_are_named(
    opened: Callable[..., Any], bus: Client, worker: Any
) -> None:
    browser = await acting(opened, bus)
    await file_letters(bus, 3)
    _, _, listed = await browser.get("/api/dead-letters")
    ids = [one["seq"] for one in listed["items"]]
    async with worker(bus, "echo"):
        status, _, said = await browser.post(
            "/api/dead-letters/replay", {"ids": [*ids[:2], 999], "drop": True}
        )
        assert status == 200
        results = [await bus.result(one["id"], wait=10) for one in said["replayed"]]
    assert results == [{"n": 2}, {"n": 1}]
    assert [(one["seq"], one["error"]["code"]) for one in said["failed"]] == [(999, "not_found")]
    _, _, listed = await browser.get("/api/dead-letters")
    assert [one["seq"] for one in listed["items"]] == ids[2:]
    record = (await said_of(bus, "replay"))[0]
    assert record.data["as"] == "dashboard:Ana@127.0.0.1"
    assert record.data["letters"] == f"{ids[0]} {ids[1]} 999"


async def test_acts_that_make_no_sense_say_so(opened: Callable[..., Any], bus: Client) -> None:
    browser = await acting(opened, bus)
    for path, said in (
        ("/api/dead-letters/replay", {}),
        ("/api/dead-letters/replay", {"ids": []}),
        ("/api/dead-letters/replay", {"ids": list(range(1000))}),
        ("/api/dead-letters/replay", {"ids": ["1"]}),
        ("/api/dead-letters/replay", {"ids": [0]}),
        ("/api/dead-letters/replay", {"ids": [1 << 70]}),
        ("/api/tasks/a.b/cancel", {}),
        ("/api/tasks/x/answer", {}),
        ("/api/tasks/x/rerun", {"from_step": [1]}),
        ("/api/tasks/x/cancel", {"reason": 7}),
        ("/api/tasks/x/cancel", [1]),
    ):
        status, _, told = await browser.post(path, said)
        assert status == 400, (path, said, told)
        assert told["error"]["message"]


async def test_an_act_is_brought_to_its_end_when_the_browser_leaves(
    opened: Callable[..., Any], bus: Client, working: Any
) -> None:
    browser = await acting(opened, bus)
    async with working(asker()):
        task_id = await bus.submit("ask", 1)
        await question(browser)
        doing = asyncio.create_task(browser.post(f"/api/tasks/{task_id}/cancel"))
        async with asyncio.timeout(10):
            while not await said_to_cancel(bus, task_id):
                await asyncio.sleep(0)
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        ended = await bus.ended(task_id, wait=20)
    assert ended.result.state == "canceled"


async def said_to_cancel(bus: Client, task_id: str) -> bool:
    stream = stream_name(bus.prefix, "CANCELS")
    return bool(await all_on(bus.connection, stream, f"{bus.prefix}.ctl.cancel.{task_id}"))


async def test_the_end_waits_for_acts_but_not_for_ever() -> None:
    doing, done = Doing(), list[str]()

    async def act(seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append("done")

    doing.begin(act(0.05))
    hanging = doing.begin(act(3600))
    async with asyncio.timeout(20):
        await doing.end(0.5)
    assert (done, hanging.cancelled()) == (["done"], True)
    await doing.end(0.5)


async def test_ten_megabytes_are_refused_before_they_are_read(
    opened: Callable[..., Any], bus: Client
) -> None:
    browser = await acting(opened, bus)

    async def endless() -> Any:
        for _ in range(160):
            yield b" " * 65_536

    headers = {"Content-Type": "application/json", "X-CSRF-Token": browser.csrf}
    for path in ("/api/tasks/x/cancel", "/api/login"):
        status, _, said = await browser.ask("POST", path, data=endless(), headers=headers)
        assert (status, said["error"]["code"]) == (413, "too_large"), path


async def test_a_snapshot_is_taken_listed_shown_and_compared(
    opened: Callable[..., Any], bus: Client
) -> None:
    browser = await acting(opened, bus)
    ids = []
    for reason in ("before", "after"):
        status, _, row = await browser.post("/api/snapshots", {"reason": reason})
        assert status == 200, row
        assert (row["reason"], row["by"]) == (reason, "dashboard:Ana@127.0.0.1")
        ids.append(row["id"])
    _, _, listed = await browser.get("/api/snapshots")
    assert {one["id"] for one in listed["items"]} == set(ids)
    status, _, said = await browser.get(f"/api/snapshots/{ids[0]}")
    assert (status, said["reason"]) == (200, "before")
    status, _, said = await browser.get(f"/api/snapshots/compare?a={ids[0]}&b={ids[1]}")
    assert status == 200, said
    for path in ("/api/snapshots/never-was", "/api/snapshots/compare?a=x&b=y"):
        assert (await browser.get(path))[0] == 404
    for path in ("/api/snapshots/a.b", "/api/snapshots/compare?a=x"):
        assert (await browser.get(path))[0] == 400
    assert [one.data["reason"] for one in await said_of(bus, "snapshot")] == ["before", "after"]


async def test_alerts_are_silenced_and_heard_again(opened: Callable[..., Any], bus: Client) -> None:
    browser = await acting(opened, bus)
    said = {"matchers": {"alertname": "WorkerLost"}, "duration": "30m", "comment": "moving"}
    status, _, made = await browser.post("/api/alerts/silence", said)
    assert (status, made["matchers"], made["comment"]) == (200, ["alertname=WorkerLost"], "moving")
    status, _, ended = await browser.post("/api/alerts/silence", {"end": made["id"]})
    assert (status, ended["id"]) == (200, made["id"])
    for wrong in ({}, {"matchers": {}}, {"matchers": ["a=b"]}, {"end": "never-was"}):
        status, _, told = await browser.post("/api/alerts/silence", wrong)
        assert status in (400, 404), told
    first, empty = await said_of(bus, "silence")
    assert (first.target, first.data["for"]) == ("alertname=WorkerLost", "30m")
    assert first.data["as"] == "dashboard:Ana@127.0.0.1"
    assert empty.target == ""
    failed = [(one.target, one.data) for one in await said_of(bus, "failed")]
    ana = {"as": "dashboard:Ana@127.0.0.1"}
    assert failed == [
        ("", {"of": "silence", "code": "bad_config", **ana}),
        ("never-was", {"of": "unsilence", "code": "not_found", **ana}),
    ]


async def test_the_audit_log_has_who_logs_in(opened: Callable[..., Any], bus: Client) -> None:
    await acting(opened, bus)
    (told,) = await said_of(bus, "login")
    assert told.data["who"] == "Ana"
    assert told.data["from"] == "127.0.0.1"
