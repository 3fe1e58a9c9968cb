"""Answers of the broker that get lost: what was stored once must not be stored twice (R3, R4)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_bus.streams.jetstream import api
from pepperpy_schemas.subjects import stream_name
from tests.acceptance.chaos import (
    LONG,
    Workers,
    check,
    impatient,
    messages,
    submit_all,
    until_empty,
)
from tests.links import Proxy, Trip

CUTS = 100 if LONG else 15
RESETS = 200 if LONG else 20
BACKLOG = 100
WITHIN = 60

ProxyTo = Callable[[str], Awaitable[Proxy]]


async def test_what_is_stored_is_what_was_published_though_its_answers_are_lost(
    client: Client,
    broker: Broker,
    prefix: str,
    proxy_to: ProxyTo,
    chains: Callable[..., Workers],
) -> None:
    """R3: tasks, steps and results."""
    front, back = await proxy_to(broker.url), await proxy_to(broker.url)
    await impatient(client, "chain", 4.0)
    workers = chains(back.url, STEP_SECONDS="0.02")
    await workers.ready()
    submitted: dict[str, int] = {}
    async with connect(front.url, bus__prefix=prefix, patient=True) as cut:
        async with _deaf_now_and_then(front, back) as cuts:
            while len(cuts) < CUTS:
                await _submit_some(cut, client, submitted)
        await until_empty(client, WITHIN)
    again, executions = await check(client, workers, submitted)
    assert await _ever_stored(client, "TASKS") == len(submitted)
    assert await _ever_stored(client, "RESULTS") == len(submitted)
    print(
        f"{len(submitted)} tasks, {len(cuts)} cuts, "
        f"{executions:.3f} executions/task, {again} steps again"
    )


@contextlib.asynccontextmanager
async def _deaf_now_and_then(*links: Proxy) -> AsyncIterator[list[Proxy]]:
    """Loses what the broker says for a moment, then breaks the link."""
    cuts: list[Proxy] = []

    async def cut() -> None:
        while True:
            for link in links:
                await asyncio.sleep(0.3)
                link.swallow["down"] = True
                await asyncio.sleep(0.03)
                link.cut()
                link.swallow["down"] = False
                cuts.append(link)

    cutting = asyncio.create_task(cut(), name="cut")
    try:
        yield cuts
    finally:
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)


async def _submit_some(by: Client, client: Client, submitted: dict[str, int]) -> None:
    await submit_all(by, 20, submitted)
    while await messages(client, "TASKS") > BACKLOG:
        await asyncio.sleep(0.01)


async def _ever_stored(client: Client, suffix: str) -> int:
    info = await api(client.connection, f"STREAM.INFO.{stream_name(client.prefix, suffix)}")
    return int(info["state"]["last_seq"])


async def test_a_link_that_breaks_at_the_acknowledgement_repeats_no_result_and_no_step(
    client: Client, broker: Broker, proxy_to: ProxyTo, chains: Callable[..., Workers]
) -> None:
    """R4: before the broker has seen it, and after."""
    link = await proxy_to(broker.url)
    await impatient(client, "chain", 4.0)
    breaking = _AtAcknowledgements()
    link.trip = breaking
    workers = chains(link.url)
    submitted: dict[str, int] = {}
    while breaking.resets < RESETS:
        await _submit_some(client, client, submitted)
    await until_empty(client, WITHIN)
    again, executions = await check(client, workers, submitted)
    unsettled = workers.logs.count("task.unsettled")
    print(
        f"{len(submitted)} tasks, {breaking.resets} resets, {unsettled} unsettled, "
        f"{executions:.3f} executions/task, {again} steps again"
    )


class _AtAcknowledgements:
    """Breaks the link at every other piece with an acknowledgement in it."""

    def __init__(self) -> None:
        self._seen = 0
        self.resets = 0

    def __call__(self, direction: str, data: bytes) -> Trip:
        if direction == "down" or b"+ACK" not in data:
            return ""
        self._seen += 1
        if self._seen % 2:
            return ""
        self.resets += 1
        return "before" if self.resets % 2 else "after"
