"""Equal requests that share one call: each on its own terms, and one of them pays."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from pepperpy_bus.client import Client
from pepperpy_bus.llm.client import LLM
from pepperpy_provider_svc.offer import Offer
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatReply, ChatRequest, Delta, End, Reset
from pepperpy_schemas.errors import DeadlineExceeded, StreamBroken
from tests.provider_svc.asking import USED, WHOLE, Planned, Step, answers
from tests.provider_svc.gateway.conftest import SCRIPT, Serving, planned

TWO = """
[providers.two]
kind = "scripted"
script = "answers.yaml"
"""
Items = list[Delta | Reset | End]


def waits_for(go: asyncio.Event, then: Step = answers) -> Step:
    async def step(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk()
        await go.wait()
        async for chunk in then(request):
            yield chunk

    return step


async def breaks(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
    yield Chunk(text="half")
    raise StreamBroken("cut")


async def shared_by(offer: Offer, upstream: Planned, followers: int) -> None:
    async with asyncio.timeout(5):
        while not upstream.calls or offer.parts.in_flight.coalesced < followers:
            await asyncio.sleep(0.01)


async def listen(llm: LLM, **options: Any) -> Items:
    return [item async for item in llm.stream("hi", temperature=0, **options)]


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_deadline_of_one_is_not_that_of_the_others(
    serving: Serving, llm: LLM, streamed: bool
) -> None:
    async def ask(timeout: float) -> object:
        if streamed:
            return await listen(llm, timeout=timeout)
        return await llm.chat("hi", temperature=0, timeout=timeout)

    async with serving() as offer:
        go = asyncio.Event()
        upstream = planned(offer, waits_for(go))
        hasty = asyncio.create_task(ask(0.5))
        await shared_by(offer, upstream, 0)
        patient = asyncio.create_task(ask(30))
        await shared_by(offer, upstream, 1)
        with pytest.raises(DeadlineExceeded):
            await hasty
        go.set()
        assert await patient
        assert upstream.calls == 1


async def test_who_wants_no_restart_does_not_share_with_who_takes_one(
    serving: Serving, llm: LLM
) -> None:
    async with serving(declaration=SCRIPT + TWO) as offer:
        go = asyncio.Event()
        upstream = planned(offer, waits_for(go, breaks))
        patient = asyncio.create_task(listen(llm, fallbacks=["two/any"]))
        await shared_by(offer, upstream, 0)
        strict = asyncio.create_task(listen(llm, fallbacks=["two/any"], no_restart=True))
        async with asyncio.timeout(5):
            while upstream.calls < 2:
                await asyncio.sleep(0.01)
        go.set()
        assert any(isinstance(item, Reset) for item in await patient)
        with pytest.raises(StreamBroken):
            await strict


@pytest.mark.parametrize("streamed", [False, True])
async def test_one_of_those_who_share_pays(
    serving: Serving, llm: LLM, client: Client, streamed: bool
) -> None:
    prices = '\n[prices."script/any"]\ninput = 1000\noutput = 1000\n'

    async def ask() -> ChatReply | End:
        if not streamed:
            reply = await llm.chat("hi", temperature=0)
            assert reply.text == WHOLE
            return reply
        items = await listen(llm)
        assert "".join(item.text for item in items if isinstance(item, Delta)) == WHOLE
        assert isinstance(items[-1], End)
        return items[-1]

    async with serving(declaration=SCRIPT + prices) as offer:
        go = asyncio.Event()
        upstream = planned(offer, waits_for(go))
        asking = [asyncio.create_task(ask()) for _ in range(5)]
        await shared_by(offer, upstream, 4)
        go.set()
        replies = await asyncio.gather(*asking)
        told = [e.data async for e in client.events("llm.completed", since="1m", until_end=True)]
    assert sorted(reply.cached for reply in replies) == [False, True, True, True, True]
    for reply in replies:
        assert reply.usage.total_tokens == (0 if reply.cached else USED.total_tokens)
        assert reply.usd == (0 if reply.cached else pytest.approx(0.013))
    assert sum(one["usd"] for one in told) == pytest.approx(0.013)
