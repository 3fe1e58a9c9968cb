"""The life of a process that serves: its event loop, its signals, its connection."""

import asyncio
import contextlib
import os
import signal
from typing import Any

from pepperpy_bus.client import Client
from pepperpy_bus.config import Settings
from pepperpy_bus.logs import get_log
from pepperpy_bus.opening import connect

log = get_log("pepperpy.process")


def loop_factory() -> Any:
    """Returns what makes the event loop: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def stop_on_signals(stopping: asyncio.Event) -> None:
    """Sets the event at the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        if stopping.is_set():
            log.warning("process.killed", signal=signal.Signals(number).name)
            os._exit(128 + number)
        log.info("process.stopping", signal=signal.Signals(number).name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


async def connected_client(
    stack: contextlib.AsyncExitStack, settings: Settings, stopping: asyncio.Event
) -> Client | None:
    """Waits for the broker, for ever; returns None when told to stop meanwhile."""
    opening = connect(settings=settings, patient=True)
    connecting = asyncio.create_task(stack.enter_async_context(opening), name="connect")
    told = asyncio.create_task(stopping.wait(), name="wait-stop")
    try:
        await asyncio.wait({connecting, told}, return_when=asyncio.FIRST_COMPLETED)
        return connecting.result() if connecting.done() else None
    finally:
        for task in (connecting, told):
            task.cancel()
        await asyncio.gather(connecting, told, return_exceptions=True)
