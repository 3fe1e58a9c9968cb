"""The time that a call has: its end is the end of waiting for it, whatever the tool does."""

import asyncio
from typing import Any, Final

from pepperpy_agents.tools.tool import Tool, ToolUse
from pepperpy_bus.logs import get_log
from pepperpy_bus.units import format_duration
from pepperpy_schemas.errors import ToolFailed, ToolTimeout

log = get_log("pepperpy.tools")

CLEAN_UP: Final = 5.0
"""Seconds that a call gets to clean up after it was ended: to kill its children, say."""

_left: set["asyncio.Task[Any]"] = set()
"""Calls that nobody waits for, and that have not ended yet."""


async def within(tool: Tool, arguments: dict[str, Any], use: ToolUse) -> Any:
    """Returns what a call returns within its tool's time and before its caller's deadline.

    Raises:
        ToolTimeout: It did not end in time.
        ToolFailed: It ended itself in a way that would have ended the worker.
    """
    loop = asyncio.get_running_loop()
    seconds = tool.timeout
    if use.deadline is not None:
        seconds = min(seconds, use.deadline - loop.time())
    if seconds <= 0:
        raise ToolTimeout(f"{tool.name} was not begun: the task's time is over")
    call = asyncio.create_task(_guarded(tool, arguments, use), name=f"tool-{tool.name}")
    try:
        await asyncio.wait({call}, timeout=seconds)
        if not call.done():
            await _end(call)
            raise ToolTimeout(
                f"{tool.name} did not end within {format_duration(round(seconds, 3))}"
            )
    except asyncio.CancelledError:
        await _end(call)
        raise
    if call.cancelled():
        raise ToolFailed(f"{tool.name} was canceled from within")
    return call.result()


async def _end(call: "asyncio.Task[Any]") -> None:
    """Cancels a call and waits for its clean-up; one that goes on all the same is left alone."""
    call.cancel()
    _left.add(call)
    call.add_done_callback(_forget)
    await asyncio.wait({call}, timeout=CLEAN_UP)
    if not call.done():
        log.warning("tools.call_left", call=call.get_name(), left=len(_left))


def _forget(call: "asyncio.Task[Any]") -> None:
    _left.discard(call)
    if not call.cancelled() and (error := call.exception()) is not None:
        log.debug(
            "tools.ended_late", call=call.get_name(), error=f"{type(error).__name__}: {error}"
        )


async def _guarded(tool: Tool, arguments: dict[str, Any], use: ToolUse) -> Any:
    try:
        return await tool.call(arguments, use)
    except (Exception, asyncio.CancelledError, KeyboardInterrupt):
        raise
    except SystemExit as error:
        # asyncio would end the whole worker.
        raise ToolFailed(f"{tool.name} called exit({error.code})") from error
    except BaseException as error:
        # What is none of Python's own, such as a panic of Rust, is the tool's failure too.
        raise ToolFailed(f"{tool.name} ended by {type(error).__name__}: {error}") from error
