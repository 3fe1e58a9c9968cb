"""MCP over a pair of pipes: one JSON message a line, in both directions.

The library has this twice, for clients and for servers; neither bounds a line, and the server's
reads in a thread that nothing ends.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

from pepperpy_bus.logs import get_log

log = get_log("pepperpy.mcp")

LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a message; a longer one ends the connection."""


@contextlib.asynccontextmanager
async def lines(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: asyncio.Event
) -> AsyncIterator[tuple[Any, Any]]:
    """Opens what the library reads messages from, and writes them to.

    Args:
        reader: Where the other side's lines come from.
        writer: Where ours go.
        over: Is set when the other side has ended.
    """
    heard, hearing = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    saying, said = anyio.create_memory_object_stream[SessionMessage](0)
    async with (
        heard,
        hearing,
        saying,
        said,
        _ended_tasks() as start,
    ):
        start(_read(reader, heard, over), "mcp-read")
        start(_write(writer, said, over), "mcp-write")
        yield hearing, saying


@contextlib.asynccontextmanager
async def _ended_tasks() -> AsyncIterator[Any]:
    tasks: list[asyncio.Task[None]] = []
    try:
        yield lambda work, name: tasks.append(asyncio.create_task(work, name=name))
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader, heard: Any, over: asyncio.Event) -> None:
    try:
        async with heard:
            while line := await reader.readline():
                await heard.send(_message(line))
    except ValueError:
        log.warning("mcp.line_too_long", most=LONGEST)
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # the other side, or our own, is gone
    finally:
        over.set()


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        log.debug("mcp.no_message", size=len(line))
        return error


async def _write(writer: asyncio.StreamWriter, said: Any, over: asyncio.Event) -> None:
    try:
        async for one in said:
            text = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            writer.write(text.encode() + b"\n")
            await writer.drain()
    except (OSError, anyio.ClosedResourceError):
        pass  # the same
    finally:
        over.set()
