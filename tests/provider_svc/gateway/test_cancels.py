"""A thousand callers who leave at any moment leave nothing behind."""

import asyncio
import contextlib
import gc
import json
import random
from datetime import UTC, datetime

from pepperpy_bus.llm.client import LLM
from pepperpy_provider_svc.offer import Offer
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.shared import Ledger
from pepperpy_schemas.tokens import key_token
from tests.provider_svc.gateway.conftest import Serving
from tests.provider_svc.upstreams.raw_server import Exchange, raw_server
from tests.provider_svc.upstreams.test_cancelling import open_files
from tests.provider_svc.upstreams.test_raw_faults import BEGUN, ENDED

CANCELS = 1000
AT_ONCE = 50
WHOLE = {
    "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
DECLARATION = """
[providers.endpoint]
kind = "openai"
base_url = "{url}"
keys = [{{env = "KEY", tokens_per_minute = 1_000_000_000}}]

[models.default]
targets = ["endpoint/any"]

[tenants.t]
principals = ["anon"]
tokens_per_day = 1_000_000_000
"""


async def act(exchange: Exchange) -> None:
    """Answers after a moment, or a piece at a time."""
    with contextlib.suppress(ConnectionError):
        if not json.loads(exchange.body).get("stream"):
            await asyncio.sleep(0.01)
            await exchange.answer(json.dumps(WHOLE).encode())
            return
        await exchange.begin()
        for event in [*BEGUN["openai"], *BEGUN["openai"], *ENDED["openai"]]:
            await asyncio.sleep(0.005)
            await exchange.event(event)
        await exchange.end()


async def ask(llm: LLM, number: int) -> None:
    """Every other one shares its call with its neighbours."""
    shared = {"temperature": 0} if number % 2 else {"temperature": 1}
    text = "hi" if number % 2 else f"hi {number}"
    if number % 3:
        async for _ in llm.stream(text, **shared):  # type: ignore[arg-type] # options
            pass
    else:
        await llm.chat(text, **shared)  # type: ignore[arg-type] # options


async def ledger(offer: Offer) -> Ledger:
    name = key_token(f"t_{datetime.now(UTC):%Y-%m-%d}")
    return await offer.parts.tenants._budgets.ledger(name)


async def test_a_thousand_cancels_leave_no_task_no_socket_and_no_reservation(
    serving: Serving, llm: LLM
) -> None:
    chance = random.Random(11)
    async with raw_server(act) as server:
        with contextlib.suppress(PepperError):
            await llm.status(timeout=0.2)  # the client opens what it keeps open
        gc.collect()
        files, tasks = open_files(), asyncio.all_tasks()
        declaration = DECLARATION.format(url=server.url)
        async with serving(declaration=declaration, environ={"KEY": "sk-1"}) as offer:
            for first in range(0, CANCELS, AT_ONCE):
                calls = [asyncio.create_task(ask(llm, first + n)) for n in range(AT_ONCE)]
                for call in chance.sample(calls, AT_ONCE):
                    if not chance.randrange(5):
                        await asyncio.sleep(chance.uniform(0, 0.05))
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
            async with asyncio.timeout(20):
                while (await llm.status()).running:
                    await asyncio.sleep(0.01)
            assert not offer.parts.in_flight._running
            used = await ledger(offer)
            assert used.reserved == {}
            assert used.spent.tokens > 0
            assert (await llm.chat("hi")).text == "Hi"
            assert len(server.requests) > CANCELS // 5
        gc.collect()
        async with asyncio.timeout(10):
            while server.open or open_files() > files or asyncio.all_tasks() - tasks:
                await asyncio.sleep(0.01)
