"""A server that speaks as Qdrant does, in a process of its own."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx


class QdrantServer:
    """See `serving`; on a port from the kernel, with its data in a folder.

    Args:
        folder: Where its data are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"qdrant://127.0.0.1:{self._port}"

    async def start(self) -> None:
        log = (self._folder / "log").open("ab")
        program = Path(__file__).with_name("serving.py")
        command = [sys.executable, str(program), str(self._folder), str(self._port)]
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        await self._ready()

    async def _ready(self) -> None:
        async with httpx.AsyncClient() as client:
            for _ in range(3000):
                try:
                    await client.get(f"http://127.0.0.1:{self._port}/")
                    return
                except httpx.TransportError:
                    await asyncio.sleep(0.01)
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        assert self._process is not None, "it was not started"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
