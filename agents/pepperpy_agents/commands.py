"""Commands to the instances of an agent: pause, resume, drain."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from pepperpy_bus.client import Client
from pepperpy_bus.link.message import Message
from pepperpy_bus.logs import get_log
from pepperpy_schemas.catalog.agents import AGENT_CONTROL
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.worker")

Obey = Callable[[str], Awaitable[None]]
_WAITING = 100


@contextlib.asynccontextmanager
async def obeyed(client: Client, agent: str, instance: str, obey: Obey) -> AsyncIterator[None]:
    """Takes commands while its context is open, one after the other.

    Args:
        client: The client.
        agent: The agent that is addressed.
        instance: Its instance here; commands to another one are not ours.
        obey: Called with ``pause``, ``resume`` or ``drain``.
    """
    received: asyncio.Queue[Message] = asyncio.Queue(_WAITING)

    async def obey_all() -> None:
        while True:
            message = await received.get()
            try:
                await _obey(client, instance, obey, message)
            except PepperError as error:
                log.warning("worker.command_refused", error=str(error))

    subject = AGENT_CONTROL.pattern(client.prefix, agent=agent)
    async with await client.connection.subscribe(subject, received.put_nowait):
        obeying = asyncio.create_task(obey_all(), name="commands")
        try:
            yield
        finally:
            obeying.cancel()
            await asyncio.gather(obeying, return_exceptions=True)


async def _obey(client: Client, instance: str, obey: Obey, message: Message) -> None:
    command = AGENT_CONTROL.parse(client.prefix, message.subject)["command"]
    request = AGENT_CONTROL.decode(message.body or b"{}")
    if request.instance and request.instance != instance:
        return
    log.info("worker.command", command=command, by=request.by)
    await obey(command)
