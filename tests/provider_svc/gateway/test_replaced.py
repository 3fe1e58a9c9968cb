"""Upstreams that a new declaration has replaced, and their calls."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pepperpy_bus.config.values import Secret
from pepperpy_bus.llm.client import LLM
from pepperpy_provider_svc.upstreams.lent import Lent
from pepperpy_provider_svc.upstreams.upstream import Chunk
from pepperpy_schemas.chat import ChatRequest
from tests.provider_svc.asking import ASK, WHOLE, Planned, answers
from tests.provider_svc.gateway.conftest import SCRIPT, Serving

KEY = Secret("k")


class Closing(Planned):
    """An upstream that tells when it is closed."""

    def __init__(self, *plan: Any) -> None:
        super().__init__(*plan)
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.closed.set()


class Making:
    """Makes upstreams, and keeps them to be looked at."""

    def __init__(self) -> None:
        self.made: list[Closing] = []

    def __call__(self) -> Closing:
        self.made.append(Closing(answers))
        return self.made[-1]


async def closed(upstream: Closing) -> bool:
    async with asyncio.timeout(5):
        return await upstream.closed.wait()


async def test_one_that_nobody_uses_is_closed_when_it_is_retired() -> None:
    making = Making()
    lent = Lent(making)
    assert (await lent.complete("m", ASK, KEY)).message.text == WHOLE
    assert await lent.count("m", ASK, KEY) == 7
    assert (await lent.embed("m", ["a"], None, KEY)).vectors == [[1.0]]
    assert await lent.models(KEY) == []
    assert not making.made[0].closed.is_set()
    lent.retire()
    assert await closed(making.made[0])
    await lent.close()


async def test_one_that_is_used_is_closed_with_its_last_call() -> None:
    making = Making()
    lent = Lent(making)
    async with aclosing(lent.stream("m", ASK, KEY)) as chunks:
        await anext(chunks)
        lent.retire()
        await lent.complete("m", ASK, KEY)
        assert not making.made[0].closed.is_set()
        assert "".join([chunk.text async for chunk in chunks]) == WHOLE
    assert await closed(making.made[0])


async def test_a_request_that_comes_back_to_a_closed_one_is_answered_and_leaves_nothing() -> None:
    making = Making()
    lent = Lent(making)
    lent.retire()
    assert await closed(making.made[0])
    assert (await lent.complete("m", ASK, KEY)).message.text == WHOLE
    assert await closed(making.made[1])
    await lent.close()


async def test_one_that_cannot_be_closed_is_told_and_harms_nobody(caplog: Any) -> None:
    class Stuck(Planned):
        async def close(self) -> None:
            raise OSError("no")

    lent = Lent(Stuck)
    lent.retire()
    await lent.close()
    assert "upstream.not_closed" in caplog.text


async def test_a_reload_closes_what_it_has_replaced_and_keeps_the_rest(
    serving: Serving, llm: LLM, tmp_path: Any
) -> None:
    async def slowly(request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        yield Chunk(text="old")
        await go.wait()
        yield Chunk(text=" end", finish="stop")

    go = asyncio.Event()
    other = '\n[providers.other]\nkind = "scripted"\nscript = "other.yaml"\n'
    files = {"other.yaml": "- text: other\n", "new.yaml": "- text: new\n"}
    async with serving(declaration=SCRIPT + other, files=files) as offer:
        old, kept = Closing(slowly), Closing(answers)
        offer._upstreams["script"][1]._upstream = old
        offer._upstreams["other"][1]._upstream = kept
        asking = asyncio.create_task(llm.chat("hi"))
        async with asyncio.timeout(5):
            while not old.open:
                await asyncio.sleep(0.01)
        (tmp_path / "models.toml").write_text(SCRIPT.replace("answers.yaml", "new.yaml") + other)
        await offer.reload()
        assert (await llm.chat("hi")).text == "new"
        assert not old.closed.is_set()
        go.set()
        assert (await asking).text == "old end"
        assert await closed(old)
        assert not kept.closed.is_set()
    assert kept.closed.is_set()
