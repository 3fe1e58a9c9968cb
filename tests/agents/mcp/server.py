"""An MCP server made with the official package, for tests: over stdio, or over HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("demo")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(f"no, because {why}")


@server.tool()
async def steps(ctx: Context[Any], marks: str) -> str:
    """Tells how far it is, and waits for ever."""
    await ctx.report_progress(1, 4, "a quarter")
    try:
        await asyncio.Event().wait()
    finally:
        Path(marks).write_text("canceled")
    return ""


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Draws something."""
    return ["a dot", Image(data=b"\x89PNG12", format="png")]


@server.tool()
def environment() -> dict[str, str]:
    """Tells the server's environment."""
    return dict(os.environ)


@server.tool()
def process() -> int:
    """Tells the server's process."""
    return os.getpid()


@server.tool()
def child() -> int:
    """Starts a child that detaches itself and hears no signal."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
    ).pid


@server.tool()
def die() -> str:
    """Ends the server at once."""
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@server.tool(name="odd/name.with-all")
def odd() -> str:
    """Has a name that is none here."""
    return "odd"


if __name__ == "__main__":
    if "MARKS" in os.environ:
        marks = Path(os.environ["MARKS"])
        marks.write_text(f"{os.getpid()}\n{child()}\n")
    if len(sys.argv) > 1:
        import socket

        import uvicorn

        # A line on stdout tells the port; then it is the test's to end it.
        listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        print(listening.getsockname()[1], flush=True)
        web = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error"))
        asyncio.run(web.serve(sockets=[listening]))
    else:
        print("a line that is no message")  # many servers do so
        server.run("stdio")
