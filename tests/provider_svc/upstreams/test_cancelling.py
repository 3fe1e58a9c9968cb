"""Who stops listening frees the provider at once, and leaves nothing behind."""

import asyncio
import contextlib
import gc
import random
from pathlib import Path

import pytest

from tests.provider_svc.upstreams.raw_server import Exchange, raw_server
from tests.provider_svc.upstreams.speaking import KINDS, asks, speaking
from tests.provider_svc.upstreams.test_raw_faults import BEGUN, ENDED

AT_ONCE = 0.5
CALLS = 200


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Endless:
    """A stream that goes on until the client hangs up; tells when it has begun and ended."""

    def __init__(self, kind: str, *, headers: bool = True) -> None:
        self.kind = kind
        self.headers = headers
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, exchange: Exchange) -> None:
        if self.headers:
            await exchange.begin()
            for event in BEGUN[self.kind]:
                await exchange.event(event)
        self.begun.set()
        await exchange.gone()
        self.ended.set()


async def test_closing_the_iterator_closes_the_socket(kind: str) -> None:
    act = Endless(kind)
    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        chunks = speaker.opened(asks())
        while not (await anext(chunks)).text:
            pass
        await chunks.aclose()
        await asyncio.wait_for(act.ended.wait(), AT_ONCE)


async def test_cancelling_a_stream_closes_the_socket(kind: str) -> None:
    act = Endless(kind)
    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        task = asyncio.create_task(speaker.streamed(asks()))
        await act.begun.wait()
        task.cancel()
        await asyncio.wait_for(act.ended.wait(), AT_ONCE)
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("streaming", [False, True])
async def test_cancelling_before_the_headers_closes_the_socket(kind: str, streaming: bool) -> None:
    act = Endless(kind, headers=False)
    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        task = asyncio.create_task(speaker.ask(asks(), streaming=streaming))
        await act.begun.wait()
        task.cancel()
        await asyncio.wait_for(act.ended.wait(), AT_ONCE)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_many_cancels_leave_no_task_and_no_socket(kind: str) -> None:
    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        for event in [*BEGUN[kind], *ENDED[kind]]:
            await asyncio.sleep(0.002)
            with contextlib.suppress(ConnectionError):
                await exchange.event(event)
        with contextlib.suppress(ConnectionError):
            await exchange.end()

    gc.collect()
    files, tasks = open_files(), asyncio.all_tasks()
    chance = random.Random(7)
    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        for _ in range(CALLS // 20):
            calls = [asyncio.create_task(speaker.streamed(asks())) for _ in range(20)]
            await asyncio.sleep(chance.uniform(0, 0.03))
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        assert (await speaker.streamed(asks())).finish == "stop"
    gc.collect()
    async with asyncio.timeout(5):
        while open_files() > files or asyncio.all_tasks() - tasks:
            await asyncio.sleep(0.01)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_two_hundred_streams_run_at_once(kind: str) -> None:
    everybody = asyncio.Barrier(CALLS)

    async def act(exchange: Exchange) -> None:
        await exchange.begin()
        await everybody.wait()
        for event in [*BEGUN[kind], *ENDED[kind]]:
            await exchange.event(event)
        await exchange.end()

    async with raw_server(act) as server, speaking(kind, server.url) as speaker:
        calls = (speaker.streamed(asks()) for _ in range(CALLS))
        answers = await asyncio.wait_for(asyncio.gather(*calls), 60)
    assert {answer.message.text for answer in answers} == {"Hi"}
