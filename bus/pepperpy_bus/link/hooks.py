"""What others want to be told of a connection's life."""

import asyncio
from collections.abc import Awaitable, Callable

from pepperpy_bus.logs import get_log

log = get_log("pepperpy.bus")

Hook = Callable[[], Awaitable[None] | None]
"""A plain or async function without arguments."""


async def run_hooks(hooks: list[Hook]) -> None:
    """Calls them in order; what one raises is logged and keeps none of the others away."""
    for hook in list(hooks):
        try:
            done = hook()
            if done is not None:
                await done
        except (Exception, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            log.exception("bus.hook_failed", hook=getattr(hook, "__qualname__", repr(hook)))
