"""What a process reads again on SIGHUP."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from pepperpy_bus.config.reload import Reloader
from pepperpy_bus.logs import configure, get_log
from pepperpy_schemas.errors import PepperError

log = get_log("pepperpy.process")


@contextlib.contextmanager
def hangups() -> Iterator[asyncio.Event]:
    """Sets an event at every SIGHUP while its context is open, which else ends the process."""
    loop = asyncio.get_running_loop()
    wanted = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    try:
        yield wanted
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


@contextlib.asynccontextmanager
async def reloading(
    reloader: Reloader, again: Callable[[], Awaitable[None]], wanted: asyncio.Event
) -> AsyncIterator[None]:
    """Reads the settings again whenever that is wanted, then whatever else.

    What is refused, or fails, is logged; everything stays as it was.

    Args:
        reloader: The settings.
        again: Reads the rest again.
        wanted: What `hangups` sets, before this context is opened or while it is open. One signal
            after the other is served; those that come meanwhile are one.
    """

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
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
