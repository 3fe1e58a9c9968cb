"""A server that is a program: started with a clean environment, ended with its children."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from pepperpy_agents.mcp.declared import MCPServer
from pepperpy_agents.mcp.pipes import LONGEST, lines
from pepperpy_agents.tools.builtin.keeper import FOLDER
from pepperpy_bus.logs import get_log
from pepperpy_bus.redaction import escape, scrub
from pepperpy_schemas.errors import BadConfig

log = get_log("pepperpy.mcp")

PASSED_ON: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What a server has of our own environment; a worker's secrets are not among it."""
LEAVES: Final = 2.0
"""Seconds that a server has to end after its stdin was closed, and again after SIGTERM."""

_INSIDE: Final = (
    "import sys; sys.path.append(sys.argv.pop(1)); from inside.attending import main; main()"
)


@contextlib.asynccontextmanager
async def started(
    name: str, server: MCPServer, over: asyncio.Event
) -> AsyncIterator[tuple[Any, Any]]:
    """Starts a server and opens the streams to it; at the end it is gone, with its children.

    Args:
        name: The server, for logs.
        server: How it is started.
        over: Is set when it has ended.

    Raises:
        BadConfig: There is no such program.
    """
    own = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    environment = own | server.env
    if shutil.which(server.command, path=environment.get("PATH")) is None:
        raise BadConfig(
            f"the MCP server {name} has no program {server.command}",
            hint="install it, or write its whole path",
        )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _INSIDE, FOLDER, str(os.getpid())),
        *(server.command, *server.args),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=server.cwd or None,
        start_new_session=True,
        limit=LONGEST,
    )
    assert process.stdin and process.stdout and process.stderr, "they are pipes"  # noqa: PT018
    said: deque[str] = deque(maxlen=5)
    listening = asyncio.create_task(_listen(name, process.stderr, said), name=f"mcp-said-{name}")
    log.info("mcp.started", server=name, pid=process.pid)
    try:
        async with lines(process.stdout, process.stdin, over) as streams:
            yield streams
    finally:
        await asyncio.shield(asyncio.create_task(_end(process), name=f"mcp-end-{name}"))
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        log.info("mcp.ended", server=name, code=process.returncode, said=list(said))


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends a server as the protocol has it: its stdin is closed, then it is told, then killed."""
    assert process.stdin, "it is a pipe"
    process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), LEAVES)
            return
        with contextlib.suppress(ProcessLookupError):
            # The keeper takes the server along; the kernel does when the keeper is killed.
            process.send_signal(number)
    await process.wait()


async def _listen(name: str, stderr: asyncio.StreamReader, said: "deque[str]") -> None:
    """Reads what a server logs, so that it is never held up; the last of it is for people."""
    while True:
        try:
            line = await stderr.readline()
        except ValueError:
            continue  # a line without an end is not kept
        if not line:
            return
        text = scrub(escape(line.decode(errors="replace").rstrip()))[:500]
        said.append(text)
        log.debug("mcp.said", server=name, text=text)
