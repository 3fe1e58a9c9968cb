"""MCP servers, declared and started for one test."""

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pepperpy import Client, connect
from pepperpy.stack.broker import Broker
from pepperpy_agents.tools import Toolbox
from pepperpy_agents.tools.resolving import resolve_all
from pepperpy_bus.files import write_secret

HERE = Path(__file__).parent
STDIO = {"command": sys.executable, "args": [str(HERE / "server.py")]}

Declare = Callable[..., Path]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """`declare(demo={…})` writes the file of servers."""

    def write(**servers: dict[str, Any]) -> Path:
        path = tmp_path / "servers.json"
        write_secret(path, json.dumps({"mcpServers": servers}))
        return path

    return write


@pytest.fixture
async def user(broker: Broker, prefix: str, declare: Declare) -> AsyncIterator[Client]:
    """A client whose settings have the server `demo`."""
    path = declare(demo=STDIO)
    async with connect(broker.url, bus__prefix=prefix, tools__mcp=str(path)) as one:
        yield one


@contextlib.asynccontextmanager
async def using(
    client: Client, *specs: str, grants: tuple[str, ...] = ()
) -> AsyncIterator[Toolbox]:
    """A toolbox of tools as an agent names them, looked up; its servers end with the block."""
    tools, granted = resolve_all(specs)
    box = Toolbox(tools, grants=granted if not grants else list(grants))
    try:
        await box.look_up(client)
        yield box
    finally:
        await box.close()


class HTTPServer:
    """The same server over HTTP, in a process of its own."""

    def __init__(self) -> None:
        self._port = "0"
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/mcp"

    def start(self) -> None:
        """Starts it, again where it was before."""
        command = [sys.executable, str(HERE / "server.py"), self._port]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().strip()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def http_server() -> Iterator[HTTPServer]:
    server = HTTPServer()
    yield server
    server.kill()
