"""What a process reads again on SIGHUP."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure, get_log
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.process")


@contextlib.asynccontextmanager
async def reloading(
    reloader: Reloader, again: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Reads the settings again at every SIGHUP while its context is open, then whatever else.

    What is refused, or fails, is logged; everything stays as it was.

    Args:
        reloader: The settings.
        again: Reads the rest again. One signal after the other is served; those that come
            meanwhile are one.
    """
    loop = asyncio.get_running_loop()
    wanted = asyncio.Event()

    async def work() -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                reloader.reload()
                configure(reloader.settings.log.level, reloader.settings.log.format)
                await again()
            except PepperError as error:
                log.error("process.reload_refused", reason=error.message, hint=error.hint)
            except Exception:
                # Whatever it is, the next SIGHUP must find somebody who listens.
                log.exception("process.reload_failed")

    working = asyncio.create_task(work(), name="reload")
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
