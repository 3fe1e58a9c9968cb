"""The turns of a local model, which answers one request after the other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from pepperpy_bus.config.values import Secret
from pepperpy_bus.timers import Timers
from pepperpy_provider_svc.routing.patience import Pieces
from pepperpy_provider_svc.upstreams.local import Local
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest
from pepperpy_schemas.errors import UpstreamTimeout
from tests.provider_svc.asking import ASK, QUICK, WHOLE, Planned, answers

NO_KEY = Secret("")
HASTY = QUICK.model_copy(update={"first_byte": 0.05, "first_token": 0.05, "total": 60.0})


class Loading:
    """A process whose model is loaded when the test says so."""

    def __init__(self) -> None:
        self.loaded = asyncio.Event()

    async def url(self) -> str:
        await self.loaded.wait()
        return "http://127.0.0.1:1"

    async def close(self) -> None:
        pass


def made(upstream: Planned, *, loaded: bool = True) -> tuple[Local, Loading]:
    process: Any = Loading()
    if loaded:
        process.loaded.set()
    return Local("local", process, lambda _: upstream), process


def pieces_of(local: Local) -> Pieces:
    timers = Timers(asyncio.get_running_loop())
    return Pieces(timers, local.stream("m", ASK, NO_KEY), HASTY, None)


async def text_of(pieces: Pieces) -> str:
    text = ""
    while True:
        piece = await pieces.next()
        text += piece.text
        if piece.finish is not None:
            await pieces.close()
            return text


async def too_late(source: AsyncGenerator[Chunk, None]) -> None:
    """Waits until one who begins now would have been waited for too long."""
    late = Pieces(Timers(asyncio.get_running_loop()), source, HASTY, None)
    with pytest.raises(UpstreamTimeout):
        await late.next()


async def silence() -> AsyncGenerator[Chunk, None]:
    await asyncio.Event().wait()
    yield Chunk()


async def test_one_request_is_asked_at_a_time_and_the_others_know_that_they_wait() -> None:
    upstream = Planned(answers)
    local, _ = made(upstream)
    async with (
        aclosing(local.stream("m", ASK, NO_KEY)) as one,
        aclosing(local.stream("m", ASK, NO_KEY)) as other,
    ):
        assert (await anext(one)).queued
        assert await anext(one) == Chunk()
        assert (await anext(one), upstream.open) == (Chunk(), 1)
        assert (await anext(other)).queued
        following = asyncio.ensure_future(anext(other))
        whole = asyncio.create_task(local.complete("m", ASK, NO_KEY))
        text = "".join([chunk.text async for chunk in one])
        assert (text, upstream.calls) == (WHOLE, 1)
        assert await following == Chunk()
        assert not whole.done()
        assert "".join([chunk.text async for chunk in other]) == WHOLE
    assert (await whole).message.text == WHOLE
    assert (upstream.calls, upstream.open) == (3, 0)


async def test_a_request_that_leaves_the_queue_or_its_turn_holds_nobody_up() -> None:
    local, _ = made(Planned(answers))
    async with aclosing(local.stream("m", ASK, NO_KEY)) as one:
        assert [await anext(one), await anext(one), await anext(one)][-1] == Chunk()
        waiting = asyncio.create_task(local.complete("m", ASK, NO_KEY))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await local.complete("m", ASK, NO_KEY)).message.text == WHOLE


async def test_whoever_waits_for_a_turn_is_not_too_late() -> None:
    go = asyncio.Event()

    async def slowly(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="first")
        await go.wait()
        yield Chunk(finish="stop")

    local, _ = made(Planned(slowly, answers))
    async with aclosing(local.stream("m", ASK, NO_KEY)) as one:
        while not (await anext(one)).text:
            pass
        waiting = asyncio.create_task(text_of(pieces_of(local)))
        await too_late(silence())
        go.set()
        assert [chunk.finish async for chunk in one] == ["stop"]
    assert await waiting == WHOLE


async def test_whoever_waits_for_the_model_to_be_loaded_is_not_too_late() -> None:
    local, process = made(Planned(answers), loaded=False)
    waiting = asyncio.create_task(text_of(pieces_of(local)))
    await too_late(silence())
    process.loaded.set()
    assert await waiting == WHOLE


async def test_a_loaded_model_that_says_nothing_is_too_late() -> None:
    async def stuck(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in silence():
            yield chunk

    local, _ = made(Planned(stuck))
    pieces = pieces_of(local)
    with pytest.raises(UpstreamTimeout, match="first piece"):
        await pieces.next()
    await pieces.close()
