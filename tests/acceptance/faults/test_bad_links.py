"""Links that die silently, lag, crawl, break up messages, or break again and again (R8)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from pepperpy import Agent, Client
from pepperpy.stack.broker import Broker
from pepperpy_agents.worker import Worker, WorkerOptions
from pepperpy_bus.link.connection import open_connection
from pepperpy_bus.link.options import ConnectionOptions
from tests.acceptance.chaos import LONG, impatient, messages, until_empty
from tests.links import Proxy

TASKS = 2000 if LONG else 200
PING = 10.0 if LONG else 1.0
"""Seconds between the pings of the worker's connection; 10 is what it has by default."""
HOLE = 30.0 if LONG else 3.0
RESUMES_WITHIN = 5.0
WITHIN = 60 + HOLE + TASKS / 20

ProxyTo = Callable[[str], Awaitable[Proxy]]


class Site:
    """A worker behind a link, and what it did."""

    def __init__(self, client: Client, link: Proxy) -> None:
        self.client = client
        self.link = link
        self.executions = 0
        self.broken: list[float] = []
        self.agent = Agent("far")
        self.agent.task("far")(self._work)

    async def _work(self, n: int) -> int:
        self.executions += 1
        await asyncio.sleep(0.01)
        return n

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        options = ConnectionOptions(
            servers=(self.link.url,), ping_interval=PING, connect_timeout=None
        )
        async with open_connection(options) as connection:
            connection.on_disconnect.append(lambda: self.broken.append(time.monotonic()))
            worker = Worker(self.agent, Client(connection, self.client.settings), WorkerOptions())
            running = asyncio.create_task(worker.run(), name="worker")
            while not worker.ready:
                await asyncio.sleep(0.01)
            yield
            worker.stop()
            await running

    async def results(self) -> int:
        return await messages(self.client, "RESULTS")

    async def more_than(self, results: int, within: float = WITHIN) -> float:
        """Returns when there are more results, and when that was."""
        async with asyncio.timeout(within):
            while await self.results() <= results:
                await asyncio.sleep(0.02)
        return time.monotonic()

    async def check(self, submitted: list[str]) -> None:
        """Every task has its own result, and nothing is left."""
        await until_empty(self.client, WITHIN)
        assert await self.results() == len(submitted)
        for n in range(0, len(submitted), max(1, len(submitted) // 100)):
            assert await self.client.result(submitted[n]) == n


@pytest.fixture
async def site(client: Client, broker: Broker, proxy_to: ProxyTo) -> AsyncIterator[Site]:
    await impatient(client, "far", 3.0)
    one = Site(client, await proxy_to(broker.url))
    async with one.working():
        yield one


async def _submit(client: Client, count: int) -> list[str]:
    return [await client.submit("far", n) for n in range(count)]


async def test_a_link_that_is_silent_for_ever_is_given_up_and_made_anew(site: Site) -> None:
    """Half open: neither side hears that the other is gone."""
    submitting = asyncio.create_task(_submit(site.client, TASKS), name="submit")
    await site.more_than(TASKS // 4)
    began = time.monotonic()
    site.link.forget()
    before = await site.results()
    after = await site.more_than(before)
    await site.check(await submitting)
    detected, resumed = site.broken[0] - began, after - site.broken[0]
    print(
        f"{TASKS} tasks, noticed after {detected:.1f} s with pings every {PING:g} s, "
        f"resumed {resumed:.1f} s later, {site.executions} executions"
    )
    assert detected <= 3 * PING + 0.5
    assert resumed <= RESUMES_WITHIN


async def test_work_goes_on_soon_after_a_partition(site: Site) -> None:
    """Nothing passes, also of new links; then all of it does."""
    submitting = asyncio.create_task(_submit(site.client, TASKS), name="submit")
    await site.more_than(TASKS // 4)
    site.link.freeze()
    await asyncio.sleep(HOLE)
    before = await site.results()
    began = time.monotonic()
    site.link.thaw()
    resumed = await site.more_than(before) - began
    await site.check(await submitting)
    print(f"{TASKS} tasks, resumed {resumed:.1f} s after {HOLE:g} s, {site.executions} executions")
    assert resumed <= RESUMES_WITHIN


@pytest.mark.parametrize("how", ["50 ms and 30 of jitter", "100 kB/s", "64-byte slices"])
async def test_a_slow_link_is_kept_and_loses_nothing(site: Site, how: str) -> None:
    match how:
        case "100 kB/s":
            site.link.rate = 100_000
        case "64-byte slices":
            site.link.slice = 64
        case _:
            site.link.delay = (0.05, 0.03)
    began = time.monotonic()
    submitted = await _submit(site.client, TASKS)
    await site.check(submitted)
    seconds = time.monotonic() - began
    print(f"{TASKS} tasks at {how}: {TASKS / seconds:.0f}/s, {site.executions} executions")
    assert site.executions == TASKS
    assert not site.broken


async def test_a_storm_of_resets_loses_nothing(site: Site) -> None:
    async def storm() -> None:
        while True:
            await asyncio.sleep(0.2)
            site.link.cut()

    storming = asyncio.create_task(storm(), name="storm")
    submitted = []
    while len(site.broken) < TASKS // 20:
        submitted += [await site.client.submit("far", len(submitted) + n) for n in range(5)]
        await asyncio.sleep(0.01)
    storming.cancel()
    before, began = await site.results(), time.monotonic()
    resumed = await site.more_than(before) - began if before < len(submitted) else 0.0
    await site.check(submitted)
    print(
        f"{len(submitted)} tasks, {len(site.broken)} resets, resumed after {resumed:.1f} s, "
        f"{site.executions} executions"
    )
    assert resumed <= RESUMES_WITHIN
