"""Live streams: what happens as it happens, gone on with, and never too much of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from pepperpy_bus.client import Client
from pepperpy_monitor_svc.web.app import SEATS
from pepperpy_monitor_svc.web.changes import KEPT, MOST, Changes, Glance
from pepperpy_monitor_svc.web.live import Backlog
from pepperpy_schemas.monitor import ComponentHealth


class Stream:
    """An open stream of frames."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.last = ""

    async def frame(self) -> Any:
        """The next frame's data."""
        async with asyncio.timeout(20):
            async for line in self.answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self.last = value
                if name == "data":
                    return json.loads(value)
        raise AssertionError("the stream ended")

    async def events(self, count: int) -> list[Any]:
        """So many events, of however many frames."""
        found: list[Any] = []
        while len(found) < count:
            found += (await self.frame())["events"]
        return found


@contextlib.asynccontextmanager
async def stream(browser: Any, path: str, **headers: str) -> AsyncIterator[Stream]:
    async with browser.http.get(browser.base + path, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert (await answer.content.readline()).startswith(b"retry: ")
        yield Stream(answer)


async def tell(bus: Client, *ids: str, verb: str = "progress", **data: Any) -> None:
    async with bus.emitter() as emitter:
        for one in ids:
            await emitter.emit("task", verb, scope="echo", id=one, data=data, certain=True)


async def test_events_are_told_as_they_happen_and_filtered(browser: Any, bus: Client) -> None:
    path = "/api/live?pattern=task.progress&where=data.n%20%3E%201"
    async with stream(browser, path) as listening:
        waiting = asyncio.create_task(listening.events(1))
        while not waiting.done():
            await tell(bus, "a", n=1)
            await tell(bus, "b", verb="other", n=5)
            await tell(bus, "c", n=2)
            await asyncio.sleep(0.05)
        found = await waiting
    assert (found[0]["id"], found[0]["verb"], found[0]["data"]) == ("c", "progress", {"n": 2})
    assert found[0]["seq"] > 0


async def test_a_stream_goes_on_where_it_was(browser: Any, bus: Client) -> None:
    await tell(bus, *(f"t{n}" for n in range(5)))
    async with stream(browser, "/api/live?since=10m") as listening:
        first = await listening.events(5)
        last = listening.last
    assert [one["id"] for one in first] == [f"t{n}" for n in range(5)]
    assert last == str(first[-1]["seq"])
    await tell(bus, "t5", "t6")
    async with stream(browser, "/api/live", **{"Last-Event-ID": last}) as listening:
        assert [one["id"] for one in await listening.events(2)] == ["t5", "t6"]
    async with stream(browser, "/api/live", **{"Last-Event-ID": "99999999"}) as listening:
        found = await listening.events(7)  # the stream began anew: all there is
    assert [one["id"] for one in found] == [f"t{n}" for n in range(7)]


@pytest.mark.parametrize(
    "query", ["pattern=a..b", "where=((", "since=yesterday", "pattern=a.b.c.d.e"]
)
async def test_a_stream_that_makes_no_sense_says_so(browser: Any, query: str) -> None:
    status, _, said = await browser.get(f"/api/live?{query}")
    assert status == 400, said
    assert said["error"]["message"]


async def test_html_and_large_values_in_events_are_data(browser: Any, bus: Client) -> None:
    await tell(bus, "x", text="<script>alert(1)</script>\n\ndata: forged\n\n")
    await tell(bus, "y", text="z" * 200_000)
    async with stream(browser, "/api/live?since=10m") as listening:
        one, other = await listening.events(2)
    assert one["data"]["text"] == "<script>alert(1)</script>\n\ndata: forged\n\n"
    assert (other["id"], other["data"]) == ("y", {})
    assert other["truncated"] > 200_000


def test_what_waits_is_bounded_and_what_was_dropped_is_told() -> None:
    backlog = Backlog()
    for seq in range(1, 10_001):
        backlog.add(seq, b"{}")
    frame = backlog.take()
    assert frame is not None
    told = json.loads(frame[1])
    assert (told["dropped"], len(told["events"]), frame[0]) == (8_000, 200, 8_200)
    frame = backlog.take()
    assert frame is not None
    assert "dropped" not in json.loads(frame[1])

    for seq in range(1_000):
        backlog.add(seq, b'"' + b"x" * 60_000 + b'"')
    waiting = 0
    while (frame := backlog.take()) is not None:
        waiting += len(frame[1])
    assert waiting < 5 << 20


def test_what_has_changed_is_told_once_and_bounded() -> None:
    async def look() -> None:
        changes = Changes()
        changes("task", "nobody-listens")
        async with changes.listening() as pending:
            for n in range(MOST + 10):
                changes("task", f"t{n}")
                changes("task", "t0")
            changes("agent", "a/1")
            changes("health", ComponentHealth(name="broker", kind="broker", status="down"))
            changes("gap", object())
            frame = pending.take()
            assert len(frame["task"]) == MOST
            assert (frame["agent"], frame["health"]) == (["a/1"], ["broker"])
            assert frame["dropped"] == 10
            assert pending.take() == {}

    asyncio.run(look())


async def test_changes_are_told_with_the_overview_at_most_once_a_second(browser: Any) -> None:
    fleet = browser.watched.fleet
    async with stream(browser, "/api/changes") as listening:
        first = await listening.frame()
        assert first["overview"]["health"] == "ok"
        assert (first["alerts"], first["leads"]) == ([], False)
        fleet.on_change[0]("task", "t1")
        second = await listening.frame()
        assert second["task"] == ["t1"]


async def test_a_stream_is_not_opened_by_who_asks_for_its_head(browser: Any) -> None:
    for path in ("/api/live", "/api/changes"):
        status, headers, _ = await browser.ask("HEAD", path)
        assert (status, headers["Allow"]) == (405, "GET")


def test_the_overview_is_made_once_for_all_pages() -> None:
    made: list[int] = []
    at = [0.0]

    def make() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    glance = Glance(make, clock=lambda: at[0])
    assert [glance.look()["n"] for _ in range(100)] == [1] * 100
    at[0] += KEPT
    assert glance.look()["n"] == 2


async def test_a_page_that_comes_after_too_many_is_told_so(browser: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(SEATS):
            await stack.enter_async_context(stream(browser, "/api/changes"))
        status, headers, said = await browser.get("/api/changes")
        assert (status, said["error"]["code"], headers["Retry-After"]) == (503, "overloaded", "10")
        assert (await browser.get("/api/overview"))[0] == 200
    async with asyncio.timeout(10):
        while (await browser.ask("HEAD", "/api/overview"))[0] != 200:
            await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(AssertionError):
                async with stream(browser, "/api/changes"):
                    return
            await asyncio.sleep(0.01)


async def test_the_end_does_not_wait_for_listeners(opened: Callable[..., Any]) -> None:
    own = contextlib.AsyncExitStack()
    browser = await opened(own)
    async with stream(browser, "/api/changes") as changes, stream(browser, "/api/live") as live:
        await changes.frame()
        async with asyncio.timeout(10):
            await own.aclose()
            for one in (changes, live):
                with contextlib.suppress(ConnectionError, aiohttp.ClientPayloadError):
                    await one.answer.content.read()
