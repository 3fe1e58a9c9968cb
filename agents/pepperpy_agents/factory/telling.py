"""What is told of the making of agents: an event for each, and exact sums over all processes."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final

from pepperpy_agents.factory.making import Made
from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.counters import Counters
from pepperpy_bus.creations import CREATED, FAILED, SPENT
from pepperpy_bus.events import Emitter
from pepperpy_bus.logs import get_log
from pepperpy_bus.opening import connect
from pepperpy_schemas.errors import PepperError
from pepperpy_schemas.tokens import MAX_KEY, new_id

log = get_log("pepperpy.factory")

_WITHIN: Final = 5.0
_FLUSH: Final = 2.0
_BRIEFLY: Final = 1.5
"""Seconds that telling may keep somebody waiting who wants to see the error."""


async def tell_made(client: Client, made: Iterable[Made]) -> None:
    """Tells how the making of agents went; what cannot be told is logged, and raises nothing."""
    told = list(made)
    counters = Counters(client.connection, client.prefix)
    async with Emitter(client.connection, client.prefix) as emitter:
        for one in told:
            making = new_id()
            try:
                await _emit(emitter, one, making)
                await _count(counters, one, making)
            except PepperError as error:
                log.warning("factory.not_told", reference=one.reference, error=str(error))
        await emitter.flush(_FLUSH)


def tell_failures(settings: Settings, made: Iterable[Made]) -> None:
    """Tells of agents that could not be made, if the broker is there now."""

    async def tell() -> None:
        async with asyncio.timeout(_BRIEFLY), connect(settings=settings) as client:
            await tell_made(client, made)

    try:
        asyncio.run(tell())
    except (PepperError, TimeoutError) as error:
        log.debug("factory.not_told", error=str(error))


async def _emit(emitter: Emitter, one: Made, making: str) -> None:
    data: dict[str, object] = {
        "reference": one.reference,
        "version": one.version,
        "duration_ms": round(one.seconds * 1e3, 3),
    }
    if one.error is not None:
        data |= {"code": one.error.code, "message": one.error.message}
    await emitter.emit(
        "agent",
        "created" if one.error is None else "create_failed",
        scope=one.agent or _as_token(one.reference),
        id=making,
        data=data,
        certain=True,
        event_id=f"{making}:made",
    )


async def _count(counters: Counters, one: Made, making: str) -> None:
    label = f"{one.agent} {one.version}" if one.agent else one.reference[:MAX_KEY]
    if one.error is not None:
        await counters.add(FAILED, label, 1, msg_id=f"{making}:failed", timeout=_WITHIN)
        return
    spent = round(one.seconds * 1e6)
    await counters.add(CREATED, label, 1, msg_id=f"{making}:created", timeout=_WITHIN)
    await counters.add(SPENT, label, spent, msg_id=f"{making}:us", timeout=_WITHIN)


def _as_token(reference: str) -> str:
    """A reference as one token of a subject, its end: the file's name is there."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", reference)[-64:] or "_"
